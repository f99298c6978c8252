"""The rules that keep gateway/ a house one can live in (see the map in gateway/__init__.py)."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
GATEWAY = ROOT / "gateway"
MODULES = sorted(GATEWAY.rglob("*.py"))

# Of DESIGN rule 3; whatever calls itself pure in its docstring has to be it, too.
PURE = (
    "edge/head.py edge/decision.py edge/headers.py edge/inject.py policy/model.py policy/parse.py "
    "session/model.py identity/claims.py account/model.py account/resolution.py reasons.py "
    "errors.py email.py secret.py edge/fragments.py identity/next_path.py"
).split()
FOREIGN = {"aiohttp", "redis", "sqlalchemy", "authlib", "asyncio", "socket", "aiosqlite", "asyncpg"}

# Tests mirror the code: gateway/x/y.py has tests/x/test_y.py. What only shows together with
# others is in the other's file.
SHOWN_BY = {
    "account/database.py": "account/directory/test_sql.py",
    "account/directory/schema.py": "account/directory/test_sql.py",
    "account/hashes.py": "account/test_passwords.py",
    "account/own_database.py": "account/test_links.py",
    "account/migrations/versions/0001_links.py": "account/test_migrations.py",
    "account/migrations/versions/0004_notices.py": "account/test_migrations.py",
    "account/migrations/versions/0005_readings.py": "account/test_migrations.py",
    "account/migrations/versions/0002_audit.py": "account/test_trail.py",
    "account/migrations/versions/0003_keys.py": "account/test_migrations.py",
    "commands/access_words.py": "commands/test_policies.py",
    "commands/audit_words.py": "commands/test_audit.py",
    "commands/keys_words.py": "commands/test_keys.py",
    "commands/sessions_words.py": "commands/test_sessions.py",
    "commands/lines.py": "commands/test_check.py",
    "commands/words.py": "test_cli.py",
    "commands/serve.py": "journeys/test_check.py",
    "explanations.py": "test_reasons.py",
    "edge/ending.py": "edge/test_exchange.py",
    "edge/entrance.py": "edge/test_listener.py",
    "edge/events.py": "edge/test_reader.py",
    "edge/inbound.py": "edge/test_head.py",
    "edge/pem_files.py": "edge/test_certificate.py",
    "edge/record.py": "edge/test_client.py",
    "edge/reply_reader.py": "edge/test_reader.py",
    "edge/health_check.py": "edge/test_addresses.py",
    "edge/request_reader.py": "edge/test_reader.py",
    "edge/shared.py": "edge/test_client.py",
    "edge/upstream.py": "edge/test_asking.py",
    "identity/answer.py": "identity/test_provider.py",
    "identity/exchange.py": "identity/test_provider.py",
    "identity/model.py": "identity/test_claims.py",
    "identity/recall.py": "identity/test_logout_token.py",
    "identity/published.py": "identity/test_provider.py",
    "identity/sealed.py": "identity/test_transaction.py",
    "operate/audit/record.py": "operate/audit/test_keeper.py",
    "operate/audit/verify.py": "account/test_trail.py",
    "operate/audit/waiting.py": "operate/audit/test_keeper.py",
    "operate/audit/writer.py": "operate/audit/test_keeper.py",
    "operate/families.py": "operate/test_metrics.py",
    "operate/scrape.py": "operate/test_management.py",
    "portal/candidates.py": "portal/test_choose.py",
    "portal/form_keeping.py": "portal/test_kept_form.py",
    "portal/logouts.py": "portal/test_backchannel.py",
    "portal/pages.py": "portal/test_app.py",
    "portal/parts.py": "portal/world.py",
    "portal/person.py": "portal/test_link.py",
    "portal/refusals.py": "portal/test_completion.py",
    "portal/visit.py": "portal/test_app.py",
    "session/keys/folder.py": "session/keys/test_files.py",
    "session/known.py": "session/test_live.py",
    "session/store/database.py": "session/store/test_sessions.py",
    "session/store/embedded_named.py": "session/store/test_named.py",
    "session/store/embedded_thread.py": "session/store/test_embedded.py",
    "session/store/redis_named.py": "session/store/test_named.py",
    "session/store/writing.py": "session/store/test_sessions.py",
    "session/store/redis_server.py": "session/store/test_redis.py",
    "session/store/guarded.py": "session/test_live.py",
    "session/store/redis_news.py": "session/store/test_sessions.py",
    "session/store/redis_scripts.py": "session/store/test_sessions.py",
    "workers/bell.py": "workers/test_supervisor.py",
    "workers/fork.py": "workers/test_supervisor.py",
    "workers/post.py": "workers/test_supervisor.py",
    "workers/worker.py": "workers/test_shared.py",
    "account/revision.py": "account/test_migrations.py",
    "parts.py": "test_service.py",
    "sign_ins.py": "test_service.py",
    "settings/http.py": "test_config.py",
    "settings/keys.py": "test_config.py",
    "settings/mail.py": "test_config.py",
    "settings/limits.py": "test_config.py",
    "settings/provider.py": "test_config.py",
    "settings/storage.py": "test_config.py",
    "settings/upstream.py": "test_config.py",
}

# DESIGN rule 7: a foreigner is spoken to in one room, so that its exceptions are translated there.
ROOMS = {
    "alembic": ("account/migrations/",),
    "argon2": ("account/hashes.py",),
    "authlib": ("identity/",),
    "bcrypt": ("account/hashes.py",),
    "httptools": ("edge/reader.py", "edge/request_reader.py", "edge/reply_reader.py"),
    "jinja2": ("portal/pages.py",),
    "joserfc": ("identity/token.py", "session/assertion.py"),
    "lolhtml": ("edge/inject.py",),
    "passlib": ("account/hashes.py",),
    "prometheus_client": ("operate/",),
    "redis": ("session/store/",),
    "sqlalchemy": ("account/", "session/keys/database.py"),
    "smtplib": ("mail/smtp.py",),
    "sqlite3": ("session/store/", "account/revision.py"),
    "watchfiles": ("policy/store.py",),
    "yaml": ("yamlfile.py", "policy/edit.py"),
}

# DESIGN rule 9: "about 250 lines"; what is past 300 is two things.
LONGEST_MODULE = 300
LONGEST_FUNCTION = 45


def imports(path: Path) -> Iterator[str]:
    """Every module named by an import statement of `path`, dotted."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def reachable(path: Path) -> set[str]:
    """Top-level packages that importing `path` brings in, through our own modules too."""
    seen: set[Path] = set()
    found: set[str] = set()
    todo = [path]
    while todo:
        module = todo.pop()
        if module in seen:
            continue
        seen.add(module)
        for name in imports(module):
            found.add(name.partition(".")[0])
            if name.startswith("gateway."):
                own = ROOT / (name.replace(".", "/") + ".py")
                package = ROOT / name.replace(".", "/") / "__init__.py"
                todo += [candidate for candidate in (own, package) if candidate.exists()]
    return found


def calls_itself_pure(path: Path) -> bool:
    return re.search(r"\bPure\b", ast.get_docstring(ast.parse(path.read_text())) or "") is not None


DECLARED = [str(path.relative_to(GATEWAY)) for path in MODULES if calls_itself_pure(path)]


@pytest.mark.parametrize("name", sorted({*PURE, *DECLARED}))
def test_pure_modules_do_no_io(name: str) -> None:
    assert not reachable(GATEWAY / name) & FOREIGN


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(GATEWAY)))
def test_tests_mirror_the_code(path: Path) -> None:
    if path.name.startswith("__"):
        return
    name = path.relative_to(GATEWAY)
    shown_by = SHOWN_BY.get(str(name), str(name.with_name(f"test_{name.name}")))
    assert (ROOT / "tests" / shown_by).is_file()


def test_no_detour_for_what_is_gone_or_has_its_own_test() -> None:
    for name in SHOWN_BY:
        module = GATEWAY / name
        own = ROOT / "tests" / Path(name).with_name(f"test_{module.name}")
        assert module.is_file(), name
        assert not own.is_file(), name


@pytest.mark.parametrize(("room", "other"), [("edge", "portal"), ("portal", "edge")])
def test_edge_and_portal_never_import_each_other(room: str, other: str) -> None:
    guilty = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in (GATEWAY / room).rglob("*.py")
        for name in imports(path)
        if name.startswith(f"gateway.{other}")
    ]
    assert guilty == []


@pytest.mark.parametrize(("foreigner", "rooms"), ROOMS.items())
def test_a_foreigner_is_spoken_to_in_one_room(foreigner: str, rooms: tuple[str, ...]) -> None:
    speakers = {
        str(path.relative_to(GATEWAY))
        for path in MODULES
        if any(name.partition(".")[0] == foreigner for name in imports(path))
    }
    assert speakers
    assert {name for name in speakers if not name.startswith(rooms)} == set()


def test_only_claims_makes_an_identity() -> None:
    """Verified data has its own type, and one maker; the session codec only reads back its own."""
    makers = [
        str(path.relative_to(GATEWAY))
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "Identity"
    ]
    assert set(makers) <= {"identity/claims.py", "commands/explain.py"}


def test_cookies_are_read_by_one_reader() -> None:
    """aiohttp's finds cookies within others: a neighbour could set one of ours (cookie.py)."""
    lax = re.compile(r"request\.cookies|SimpleCookie|parse_cookie")
    found = {path.name for path in MODULES for line in lax.findall(path.read_text())}
    assert found == set()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(GATEWAY)))
def test_modules_and_functions_stay_small(path: Path) -> None:
    source = path.read_text()
    assert len(source.splitlines()) <= LONGEST_MODULE
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > LONGEST_FUNCTION
    ]
    assert long == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(GATEWAY)))
def test_every_module_says_what_it_is(path: Path) -> None:
    if path.name != "__main__.py":
        assert ast.get_docstring(ast.parse(path.read_text()))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(GATEWAY)))
def test_every_module_is_on_the_map(path: Path) -> None:
    """The docstring of a package says what each of its modules is for."""
    places = path.relative_to(GATEWAY).parts
    if path.name.startswith("__") or "versions" in places:
        return
    told = ast.get_docstring(ast.parse((path.parent / "__init__.py").read_text())) or ""
    assert path.name in told


def test_demo_never_reaches_production() -> None:
    guilty = [
        str(path.relative_to(ROOT))
        for path in MODULES
        if any(name.split(".")[0] in {"demo", "tests", "bench"} for name in imports(path))
    ]
    assert guilty == []


def test_nothing_names_a_registry_or_a_machine_path() -> None:
    locks = [ROOT / "requirements.lock", ROOT / "requirements-dev.lock"]
    for lock in locks:
        assert "http" not in lock.read_text().replace("aiohttp", "").replace("httptools", "")


@pytest.mark.parametrize(
    "lock", sorted(ROOT.glob("requirements*.lock")), ids=lambda lock: lock.name
)
def test_every_package_is_locked_by_hash(lock: Path) -> None:
    """So that nobody on the way can replace one. And libpass and passlib are never both there: they
    have one import name, and it is chance which of them is meant."""
    packages = re.split(r"\n(?! )", lock.read_text().rstrip("\n"))
    locked = r"[^\s=]+==[^\s\\]+[^\\\n]*( \\\n    --hash=sha256:[0-9a-f]{64})+"
    assert [package for package in packages if not re.fullmatch(locked, package)] == []
    assert not any(package.startswith("passlib==") for package in packages)


@pytest.mark.xdist_group("house")
def test_groups_of_tests_stay_together(request: pytest.FixtureRequest) -> None:
    """xdist hands tests out by a name that has the group in it; where pytest takes that away again,
    each goes to whoever is free, and nothing else fails."""
    if request.config.getoption("loadgroup", default=False):
        assert request.node.nodeid.endswith("@house")

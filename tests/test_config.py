"""config.yaml: what it becomes, what is refused, and that each key is documented."""

import json
import pickle
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.config import (
    Config,
    FileDirectory,
    Keys,
    SqlDirectory,
    config_from,
    load_config,
    warnings_about,
)
from gateway.errors import ConfigError
from gateway.secret import Secret
from gateway.section import schema_of
from gateway.values import ListenAddress

ROOT = Path(__file__).parent.parent
SECRET = "hunter2-client-secret"


def mapping(**sections: object) -> dict[str, object]:
    """The least that a config.yaml must say, and `sections`."""
    return {
        "upstream": {"url": "http://127.0.0.1:8081"},
        "directory": {"kind": "sql", "url": "sqlite:///sonar.db"},
        **sections,
    }


def provider(**keys: object) -> dict[str, object]:
    return {"client_id": "id", "client_secret": SECRET, **keys}


def told(**sections: object) -> list[str]:
    """The problems of a config with `sections`, less the file."""
    with pytest.raises(ConfigError) as caught:
        config_from(mapping(**sections), Path("/srv"))
    return [str(problem).removeprefix("config.yaml: ") for problem in caught.value.problems]


def test_the_least() -> None:
    config = config_from(mapping(), Path("/srv"))
    assert config.server.public_url == "http://localhost:8080"
    assert config.server.listen == ListenAddress("127.0.0.1", 8080)
    assert config.providers == {}
    assert config.sessions.store == "embedded"
    assert config.sessions.idle == 8 * 3600
    assert config.sessions.lifetime == 24 * 3600


def test_paths_start_where_the_config_is() -> None:
    config = config_from(mapping(), Path("/srv"))
    assert config.keys.folder == Path("/srv/var/keys")
    assert config.policies == Path("/srv/policies")
    assert config.sessions.path == Path("/srv/var/sessions.db")
    assert config.links.database.reveal() == "sqlite:////srv/var/gateway.db"
    assert isinstance(config.directory, SqlDirectory)
    assert config.directory.url.reveal() == "sqlite:////srv/sonar.db"
    config = config_from(mapping(directory={"kind": "file", "path": "a.yaml"}), Path("/srv"))
    assert isinstance(config.directory, FileDirectory)
    assert config.directory.path == Path("/srv/a.yaml")


def test_google_and_microsoft_need_only_what_they_gave() -> None:
    config = config_from(
        mapping(providers={"google": provider(), "microsoft": provider()}), Path("/srv")
    )
    google, microsoft = config.providers["google"], config.providers["microsoft"]
    assert (google.kind, google.label) == ("google", "Google")
    assert google.discovery_url == ("https://accounts.google.com/.well-known/openid-configuration")
    assert (microsoft.kind, microsoft.label) == ("microsoft", "Microsoft")
    assert microsoft.tenant == "organizations"
    assert microsoft.discovery_url == (
        "https://login.microsoftonline.com/organizations/v2.0/.well-known/openid-configuration"
    )


@pytest.mark.parametrize(
    "tenant", ["common", "consumers", "8f2c1b6e-0d4a-4c57-9b1e-2f3a4b5c6d7e", "acme.example"]
)
def test_the_tenant_is_in_the_discovery_url(tenant: str) -> None:
    config = config_from(mapping(providers={"microsoft": provider(tenant=tenant)}), Path("/srv"))
    found = config.providers["microsoft"].discovery_url
    assert found == (
        f"https://login.microsoftonline.com/{tenant}/v2.0/.well-known/openid-configuration"
    )


def test_other_providers_and_other_names() -> None:
    discovery = "https://id.example/.well-known/openid-configuration"
    config = config_from(
        mapping(
            providers={
                "our-idp": provider(kind="oidc", discovery_url=discovery),
                "google-eu": provider(kind="google", label="Google (EU)"),
            }
        ),
        Path("/srv"),
    )
    assert list(config.providers) == ["our-idp", "google-eu"]
    assert config.providers["our-idp"].label == "Our idp"
    assert config.providers["our-idp"].discovery_url == discovery
    assert config.providers["google-eu"].label == "Google (EU)"
    assert "accounts.google.com" in config.providers["google-eu"].discovery_url


@pytest.mark.parametrize(
    ("sections", "expected"),
    [
        (
            {"server": {"public_url": "http://sonar.example"}},
            "server.public_url = http://sonar.example: must be https: session cookies would cross "
            "the network readable",
        ),
        (
            {"server": {"workers": 0}},
            "server.workers = 0: must be at least 1",
        ),
        (
            {"server": {"tsl": {}}},
            "server.tsl: unknown key, did you mean `tls`?; allowed: public_url, listen, tls, "
            "management, workers, trusted_proxies, forward_auth, proxy_protocol, "
            "underscore_headers, drain_delay, drain",
        ),
        (
            {"server": {"tls": {"certificate": "a", "key": "b"}}},
            "server: tls needs a public_url that begins with https://",
        ),
        (
            {"server": {"proxy_protocol": True}},
            "server: proxy_protocol needs trusted_proxies: nobody else may speak it",
        ),
        (
            {"server": {"proxy_protocol": "v2"}},
            "server.proxy_protocol = v2: must be true or false",
        ),
        (
            {"server": {"tls": {"certificate": "a"}}},
            "server.tls.key: required, but not there",
        ),
        (
            {"server": {"listen": "127.0.0.1:80", "management": "127.0.0.1:80"}},
            "server: listen and management must be different",
        ),
        (
            {"server": {"trusted_proxies": ["10.0.0.0/8", "0.0.0.0/0"]}},
            "server.trusted_proxies[1] = 0.0.0.0/0: would trust every client to say where it comes "
            "from; name your proxies",
        ),
        (
            {"limits": {"body": "1MB"}},
            "limits.body = 1MB: must be a number and a unit, such as 512B, 8KiB, 100MiB or 1GiB, "
            "or off",
        ),
        (
            {"limits": {"header_count": 5}},
            "limits.header_count = 5: must be at least 10",
        ),
        (
            {"limits": {"headers": "8KiB"}},
            "limits: headers must be at least as much as header and request_line",
        ),
        (
            {"limits": {"connections_per_address": 0}},
            "limits.connections_per_address = 0: must be a whole number above 0, or off",
        ),
        (
            {"server": {"forward_auth": "nginx"}},
            "server: forward_auth: nginx needs its address in trusted_proxies",
        ),
        (
            {"server": {"forward_auth": "apache", "trusted_proxies": ["127.0.0.1/32"]}},
            "server.forward_auth = apache: must be one of 'nginx', 'traefik', 'caddy' or 'envoy'",
        ),
        ({"upstream": {}}, "upstream.url: required, but not there"),
        (
            {"upstream": {"url": "http://u:hunter2@h"}},
            "upstream.url = **********: must not hold a user name or password",
        ),
        (
            {"upstream": {"url": "http://h", "login_path": "/x", "logout_path": "/x"}},
            "upstream: login_path, profile_path and logout_path must be three paths",
        ),
        (
            {"upstream": {"url": "http://h", "login_fields": {"username": "p", "password": "p"}}},
            "upstream.login_fields: username and password are two fields",
        ),
        (
            {"upstream": {"url": "http://h", "public_paths": ["/static/**", "/**"]}},
            "upstream.public_paths[1] = /**: would open (nearly) everything; spell out the first "
            "part, as in /static/**",
        ),
        (
            {"upstream": {"url": "http://h", "session_cookies": ["A", "__Host-sonar_sso"]}},
            "upstream.session_cookies[1] = __Host-sonar_sso: is a cookie of the gateway itself",
        ),
        (
            {"upstream": {"url": "http://h", "session_cookies": [{"name": "sonar_sso"}]}},
            "upstream.session_cookies[0].name = sonar_sso: is a cookie of the gateway itself",
        ),
        (
            {"upstream": {"url": "http://h", "session_cookies": [{"name": "A", "paht": "/"}]}},
            "upstream.session_cookies[0].paht: unknown key, did you mean `path`?; allowed: name, "
            "path, domain",
        ),
        (
            {"upstream": {"url": "http://h", "session_cookies": [{"path": "/app"}]}},
            "upstream.session_cookies[0].name: required, but not there",
        ),
        (
            {"upstream": {"url": "http://h", "session_cookies": [7]}},
            "upstream.session_cookies[0] = 7: must be a cookie's name, or its name, path and "
            "domain",
        ),
        (
            {"upstream": {"url": "http://h", "session_cookies": [{"name": "A", "path": "/a;b"}]}},
            "upstream.session_cookies[0].path = /a;b: must be a cookie's path, such as /app, "
            "without blanks and ;",
        ),
        (
            {
                "upstream": {
                    "url": "http://h",
                    "session_cookies": [{"name": "__Host-A", "path": "/app"}],
                }
            },
            "upstream.session_cookies[0]: a cookie called __Host-… has the path / and no domain",
        ),
        (
            {
                "server": {"public_url": "https://www.sonar.example"},
                "upstream": {
                    "url": "http://h",
                    "session_cookies": [{"name": "A", "domain": "w.sonar.example"}],
                },
            },
            "upstream.session_cookies: w.sonar.example is neither www.sonar.example nor above it",
        ),
        (
            {"upstream": {"url": "http://h", "login_buttons": {"selector": "f", "place": "in"}}},
            "upstream.login_buttons.place = in: must be one of 'before', 'after', 'prepend' or "
            "'append'",
        ),
        (
            {"upstream": {"url": "http://h", "login_buttons": {"selector": "a["}}},
            "upstream.login_buttons.selector = a[: is no CSS selector that can be used: …",
        ),
        (
            {"upstream": {"url": "http://h", "connect_timeout": "0s"}},
            "upstream.connect_timeout = 0s: must be more than nothing, such as 30s, 15m, 8h or 7d",
        ),
        (
            {"headers": {"email": "Cookie"}},
            "headers.email = Cookie: is a header with a meaning of its own; choose another, such "
            "as X-Sonar-Id",
        ),
        (
            {"headers": {"email": "x-sonar-username"}},
            "headers: two headers have the same name",
        ),
        (
            {"assertion": {"lifetime": "1d"}},
            "assertion.lifetime = 1d: must be between 60s and 1h",
        ),
        ({"providers": {"google": None}}, "providers.google: must be a mapping of keys to values"),
        ({"providers": [provider()]}, "providers: must be a mapping of keys to values"),
        (
            {"providers": {"google": provider(kind="oidc", discovery_url="https://x/.well-known/"
             "openid-configuration")}},
            "providers: the provider google must be of kind google",
        ),
        (
            {"providers": {"okta": provider(discovery_url="https://x/.well-known/"
             "openid-configuration")}},
            "providers.okta.kind: required, but not there; one of google, microsoft, oidc",
        ),
        (
            {"providers": {"okta": provider(kind="oidc")}},
            "providers.okta.discovery_url: required, but not there",
        ),
        (
            {"providers": {"google": {"client_id": "x"}}},
            "providers.google.client_secret: required, but not there",
        ),
        (
            {"providers": {"google": provider(client_secret="env:SONAR_NOT_SET")}},
            "providers.google.client_secret = **********: the environment variable SONAR_NOT_SET "
            "is not set, or empty",
        ),
        (
            {"providers": {"google": provider(tenant="common")}},
            "providers.google.tenant = common: only for kind microsoft",
        ),
        (
            {"providers": {"google": provider(tenant="our tenant")}},
            "providers.google.tenant = our tenant: only for kind microsoft",
        ),
        (
            {"providers": {"Google": provider()}},
            "providers.Google: a provider's name is small letters, digits and dashes, such as "
            "my-idp; did you mean `google`?",
        ),
        (
            {"server": {"trusted_proxies": "0.0.0.0/0"}},
            "server.trusted_proxies = 0.0.0.0/0: must be a list, such as [10.0.0.0/8]",
        ),
        (
            {"directory": {"kind": "sql", "url": "mysql://sonar:hunter2@db/sonar"}},
            "directory.url = **********: must be sqlite:///PATH, "
            "postgresql://USER:PASSWORD@HOST/NAME, or dialect+driver://… of an asyncio driver that "
            "is installed, such as mysql+aiomysql://USER:PASSWORD@HOST/NAME",
        ),
        (
            {"directory": {"url": "sqlite:///x.db"}},
            "directory.kind: required, but not there; one of sql, file",
        ),
        (
            {"providers": {"google": provider(algorithms=["RS256", "HS256"])}},
            "providers.google.algorithms[1] = HS256: must be a signature only the provider can "
            "make: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA",
        ),
        (
            {"providers": {"google": provider(clock_skew="6m")}},
            "providers.google.clock_skew = 6m: must be at most 5m; a clock that is further off "
            "needs mending",
        ),
        (
            {"providers": {"google": provider(scopes=["email"])}},
            "providers.google: scopes must have openid",
        ),
        (
            {"providers": {"microsoft": provider(scopes=["openid", "email"])}},
            "providers.microsoft: scopes must have profile",
        ),
        (
            {"providers": {"microsoft": provider(tenant="../x")}},
            "providers.microsoft.tenant = ../x: must be organizations, common, consumers, a "
            "tenant's GUID or one of its domains",
        ),
        ({"directory": {"kind": "sql"}}, "directory.url: required, but not there"),
        (
            {"directory": {"kind": "http", "url": "x"}},
            "directory.kind = http: must be one of 'sql', 'file'",
        ),
        (
            {"sessions": {"idle": "2d"}},
            "sessions: idle must not be longer than lifetime",
        ),
        (
            {"sessions": {"store": "memcached://x"}},
            "sessions.store = **********: must be embedded, redis://HOST:PORT/0, …",
        ),
        ({"keys": "https://x"}, "keys.source = https://x: must be a folder, env:NAME or database"),
        ({"keys": "env:1"}, "keys.source = env:1: must be a folder, env:NAME or database"),
        (
            {"keys": "database"},
            "keys = database: source: database needs a secret to encrypt the keys with",
        ),
        (
            {"keys": {"secret": "env:KEYS_SECRET"}},
            "keys: secret and old_secret go with source: database only",
        ),
        (
            {"keys": {"source": "database", "secret": "k" * 40}},
            "keys.secret = **********: must be env:NAME or file:PATH: who reads config.yaml must "
            "not have it",
        ),
        (
            {"keys": {"source": "database", "secret": "env:SHORT_SECRET"}},
            "keys.secret = **********: must have at least 32 characters; make one: openssl rand "
            "-hex 32",
        ),
        (
            {"polices": "x"},
            "polices: unknown key, did you mean `policies`?; allowed: server, upstream, limits, "
            "headers, assertion, providers, directory, passwords, links, audit, mail, sessions, "
            "keys, policies, log",
        ),
        ({"mail": {"host": "mail.example", "sender": "a@b.example", "security": "none"}},
         "mail: security: none is for a server on this machine only"),
        ({"mail": {"host": "mail.example", "sender": "a@b.example", "username": "u"}},
         "mail: username and password belong together"),
        ({"mail": {"host": "mail.example", "sender": "a@b.example", "username": "ü",
                   "password": "pässword"}},
         "mail: username and password must be in ASCII"),
        ({"mail": {"host": "mail.example", "sender": "Sonar <a@b.example>"}},
         "mail.sender = Sonar <a@b.example>: the part before the @ is not a plain mailbox name"),
    ],
)  # fmt: skip
def test_refused(
    sections: Mapping[str, Any], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYS_SECRET", "k" * 32)
    monkeypatch.setenv("SHORT_SECRET", "k" * 31)
    (problem,) = told(**sections)
    start, cut, _rest = expected.partition("…")
    assert problem.startswith(start) if cut else problem == expected


def test_where_keys_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYS_SECRET", "k" * 32)

    def keys(said: object) -> Keys:
        return config_from(mapping(keys=said), tmp_path).keys

    assert keys("keys") == keys({"source": "keys"}) == Keys(source=tmp_path / "keys")
    assert keys("./database").folder == tmp_path / "database"
    assert keys("env:SONAR_KEYS").source == "env:SONAR_KEYS"
    found = keys({"source": "database", "secret": "env:KEYS_SECRET", "overlap": "3h"})
    assert found.secret == Secret("k" * 32)
    assert found.overlap == 3 * 3600
    assert "kkk" not in f"{found!r} {found.model_dump_json()}"


def test_an_overlap_that_verifiers_sleep_through_is_warned_of(tmp_path: Path) -> None:
    told = [
        list(warnings_about(config_from(mapping(keys=keys), tmp_path)))
        for keys in ({"overlap": "59m"}, {"overlap": "60m"})
    ]
    assert [any("keys.overlap" in warning for warning in each) for each in told] == [True, False]


def test_what_keys_are_encrypted_with_is_closed_to_others(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("k" * 32 + "\n")
    file.chmod(0o644)
    sections = mapping(keys={"source": "database", "secret": "file:secret"})
    with pytest.raises(ConfigError, match="mode 0644 lets others at it; run: chmod 600") as caught:
        config_from(sections, tmp_path)
    assert "kkk" not in str(caught.value)
    file.chmod(0o600)
    assert config_from(sections, tmp_path).keys.secret == Secret("k" * 32)


def test_every_problem_at_once() -> None:
    problems = told(
        server={"listen": "x"},
        providers={"Google": provider(), "My_Idp": provider(kind="google"), "okta": provider()},
        sessions={"idle": 7},
        directory=None,
        extra=1,
    )
    keys = [problem.partition(" = ")[0].partition(":")[0] for problem in problems]
    assert set(keys) == {
        "server.listen",
        "providers.Google",
        "providers.My_Idp",
        "providers.okta.kind",
        "providers.okta.discovery_url",
        "sessions.idle",
        "directory",
        "extra",
    }


def test_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SONAR_TEST_SECRET", SECRET)
    (tmp_path / "ms").write_text("from a file\n")
    (tmp_path / "ms").chmod(0o600)
    file = tmp_path / "config.yaml"
    providers = {
        "google": provider(client_secret="env:SONAR_TEST_SECRET"),
        "microsoft": provider(client_secret="file:ms"),
    }
    file.write_text(yaml.safe_dump(mapping(providers=providers)))
    config = load_config(file)
    assert config.providers["google"].client_secret == Secret(SECRET)
    assert config.providers["microsoft"].client_secret == Secret("from a file")
    assert config.keys.folder == tmp_path / "var/keys"
    assert warnings_about(config) == ()


def test_problems_of_a_file_have_lines(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("upstream:\n  url: http://h\n  login_paht: /x\ndirectory:\n  kind: sql\n")
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    assert [problem.where for problem in caught.value.problems] == [f"{file}:3", f"{file}:4"]


@pytest.mark.parametrize("content", [b"", b"\xff", b"a: b: c", b"- x", b"a: 1\na: 2"])
def test_not_a_config_file(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"config\.yaml:"):
        load_config(file)


def test_no_config_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not there; --config FILE"):
        load_config(tmp_path / "config.yaml")


def test_secrets_are_never_told() -> None:
    config = config_from(
        mapping(
            providers={"google": provider()},
            directory={"kind": "sql", "url": f"postgresql://sonar:{SECRET}@db/sonar"},
            sessions={"store": f"redis://:{SECRET}@redis/0"},
        ),
        Path("/srv"),
    )
    assert config.providers["google"].client_secret.reveal() == SECRET
    shown = (repr(config), str(config), str(config.model_dump()), config.model_dump_json())
    for text in shown:
        assert SECRET not in text
    with pytest.raises(TypeError):
        pickle.dumps(config)


def test_warnings() -> None:
    config = config_from(
        mapping(
            providers={"google": provider()},
            links={"database": "postgresql://sonar:x@db/gateway"},
            sessions={"store": "redis://:x@redis/0"},
            directory={"kind": "sql", "url": "postgresql://db/sonar"},
        ),
        Path("/srv"),
    )
    assert [warning.partition(" ")[0] for warning in warnings_about(config)] == [
        "providers.google.client_secret",
        "links.database",
        "sessions.store",
    ]
    (warning,) = warnings_about(config_from(mapping(), Path("/srv")))
    assert "nobody can sign in" in warning


def test_a_secret_in_a_file_that_others_may_read_is_warned_of(tmp_path: Path) -> None:
    for name, mode in (("google", 0o644), ("links", 0o640), ("closed", 0o600)):
        file = tmp_path / name
        file.write_text("postgresql://sonar:x@db/gateway")
        file.chmod(mode)
    config = config_from(
        mapping(
            providers={"google": provider(client_secret="file:google")},
            links={"database": "file:links"},
            directory={"kind": "sql", "url": "file:closed"},
        ),
        tmp_path,
    )
    assert warnings_about(config) == (
        f"providers.google.client_secret: {tmp_path}/google: mode 0644 lets others at it; "
        "run: chmod 600 google",
        f"links.database: {tmp_path}/links: mode 0640 lets others at it; run: chmod 600 links",
    )


def test_a_config_is_frozen() -> None:
    config = config_from(mapping(), Path("/srv"))
    with pytest.raises(ValueError, match="frozen"):
        config.log = config.log  # type: ignore[misc]


def test_the_demonstration_config_is_sound() -> None:
    config = load_config(ROOT / "config.yaml")
    assert list(config.providers) == ["google", "microsoft"]
    assert config.policies == ROOT / "policies"
    assert all("stands in the file itself" in warning for warning in warnings_about(config))


SCHEMA: Any = schema_of(Config)
SECTIONS: dict[str, Any] = {"Config": SCHEMA, **SCHEMA["$defs"]}


def described(property_: Mapping[str, Any]) -> bool:
    """Whether a key says what it is, itself or by the section it holds."""
    section = SECTIONS.get(str(property_.get("$ref", "")).rpartition("/")[2], {})
    return "description" in property_ or "description" in section


@pytest.mark.parametrize("name", SECTIONS)
def test_every_key_has_a_description(name: str) -> None:
    assert "description" in SECTIONS[name]
    bare = [key for key, held in SECTIONS[name]["properties"].items() if not described(held)]
    assert bare == []


def rows(markdown: str) -> Iterator[set[str]]:
    """For each part under a heading, the keys that its table explains."""
    for part in re.split(r"^#+ ", markdown, flags=re.MULTILINE):
        yield set(re.findall(r"^\| `([a-z_]+)` \|", part, flags=re.MULTILINE))


@pytest.mark.parametrize("name", SECTIONS)
def test_every_key_is_documented(name: str) -> None:
    keys = set(SECTIONS[name]["properties"])
    text = (ROOT / "docs" / "configuration.md").read_text()
    nearest = max(rows(text), key=lambda row: len(row & keys))
    assert keys - nearest == set()


def test_nothing_else_is_documented() -> None:
    known = {key for section in SECTIONS.values() for key in section["properties"]}
    text = (ROOT / "docs" / "configuration.md").read_text()
    assert set().union(*rows(text)) - known == set()


def test_the_documented_example_is_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_CLIENT_SECRET", SECRET)
    monkeypatch.setenv("MICROSOFT_CLIENT_SECRET", SECRET)
    monkeypatch.setenv("SONAR_DATABASE_URL", "postgresql://sonar@db.example/sonar")
    text = (ROOT / "docs" / "configuration.md").read_text()
    (example,) = re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)[:1]
    (tmp_path / "config.yaml").write_text(example)
    assert warnings_about(load_config(tmp_path / "config.yaml")) == ()


def test_defaults_in_the_schema_would_be_taken() -> None:
    """A default shown to editors is one that can be written in the file."""
    schema: Any = json.loads(json.dumps(schema_of(Config)))
    server = {k: v["default"] for k, v in schema["$defs"]["Server"]["properties"].items()}
    sessions = {k: v["default"] for k, v in schema["$defs"]["Sessions"]["properties"].items()}
    limits = {k: v["default"] for k, v in schema["$defs"]["Limits"]["properties"].items()}
    config = config_from(mapping(server=server, sessions=sessions, limits=limits), Path("/srv"))
    assert config == config_from(mapping(), Path("/srv"))

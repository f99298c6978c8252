"""The folder changes the ways folders really change; what is in force follows, or stays."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.email import Email
from gateway.errors import ConfigError
from gateway.operate.metrics import Counters
from gateway.policy.model import Policies, Sso
from gateway.policy.store import Folder, PolicyStore, read_folder, read_policies

JO = Email("jo", "acme.example")
# The contract is one second; a busy machine may take longer to get to it.
BOUND = 5.0


def text(sso: str = "on", domain: str = "acme.example") -> str:
    return f"domain: {domain}\nsso: {sso}\nproviders: {{google: {{}}}}\n"


async def until(condition: Callable[[], bool], bound: float = BOUND) -> None:
    async with asyncio.timeout(bound):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event to offer
            await asyncio.sleep(0.01)


def move(source: Path, target: Path) -> None:
    source.rename(target)


def sso_of(store: PolicyStore) -> Sso | None:
    policy = store.current.for_email(JO)
    return None if policy is None else policy.sso


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "acme.example.yaml").write_text(text())
    return folder


@pytest.fixture
def counters() -> Counters:
    return Counters()


@pytest.fixture
async def store(folder: Path, counters: Counters) -> AsyncIterator[PolicyStore]:
    store = PolicyStore(folder, {"google": "google"}, counters)
    store.load()
    await store.start()
    yield store
    await store.stop()


def test_load(folder: Path, counters: Counters) -> None:
    store = PolicyStore(folder, {"google": "google"}, counters)
    store.load()
    assert sso_of(store) is Sso.ON
    assert store.problems == ()
    assert counters.policy_reloads_ok == 1


def test_load_tells_every_problem_of_every_file(folder: Path) -> None:
    (folder / "a.yaml").write_text("domain: a\nsso: x\n")
    (folder / "b.yml").write_text("- x")
    (folder / "c.yaml").symlink_to(folder / "missing")
    with pytest.raises(ConfigError) as caught:
        PolicyStore(folder).load()
    assert [problem.where for problem in caught.value.problems] == [
        f"{folder}/c.yaml",
        f"{folder}/a.yaml:1",
        f"{folder}/a.yaml:2",
        f"{folder}/b.yml:1",
    ]


def test_load_without_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read: No such file.* under `policies`"):
        PolicyStore(tmp_path / "missing").load()
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be read: Not a directory"):
        PolicyStore(tmp_path / "file").load()


def test_an_empty_folder_is_no_policies(tmp_path: Path) -> None:
    store = PolicyStore(tmp_path)
    store.load()
    assert store.current == Policies()


def test_which_files_are_read(folder: Path) -> None:
    (folder / "b.yml").write_text("b")
    for name in (".hidden.yaml", "notes.txt", "a.yaml~", "a.yaml.bak", "#a.yaml#", "4913"):
        (folder / name).write_text("x")
    (folder / "sub").mkdir()
    (folder / "sub" / "c.yaml").write_text("c")
    assert read_folder(folder) == Folder(
        {f"{folder}/acme.example.yaml": text().encode(), f"{folder}/b.yml": b"b"}
    )


def test_read_policies_is_what_a_store_would_put_in_force(folder: Path) -> None:
    store = PolicyStore(folder)
    store.load()
    assert read_policies(folder) == store.current
    (folder / "b.yaml").write_text("- x")
    (folder / "c.yaml").mkdir()
    problems = read_policies(folder)
    assert isinstance(problems, tuple)
    assert [Path(problem.where).name for problem in problems] == ["c.yaml", "b.yaml:1"]


def test_what_is_no_file_is_a_problem(folder: Path) -> None:
    """Left out silently, it would be a domain that nobody meant to turn off or unblock."""
    (folder / "dir.yaml").mkdir()
    os.mkfifo(folder / "pipe.yaml")
    (folder / "gone.yaml").symlink_to("missing")
    problems = read_folder(folder).problems
    assert [(Path(p.where).name, p.wrong) for p in problems] == [
        ("dir.yaml", "not a file"),
        ("gone.yaml", "cannot be read: No such file or directory"),
        ("pipe.yaml", "not a file"),
    ]


async def test_a_change_is_in_force_within_a_second(store: PolicyStore, folder: Path) -> None:
    changed = time.monotonic()
    (folder / "acme.example.yaml").write_text(text("off"))
    await until(lambda: sso_of(store) is Sso.OFF)
    assert time.monotonic() - changed < 1.0


async def test_a_snapshot_stays_as_it_is(store: PolicyStore, folder: Path) -> None:
    snapshot = store.current
    (folder / "acme.example.yaml").write_text(text("off"))
    await until(lambda: store.current is not snapshot)
    policy = snapshot.for_email(JO)
    assert policy is not None
    assert policy.sso is Sso.ON


async def test_an_editor_renames(store: PolicyStore, folder: Path) -> None:
    """vim, and every tool that writes safely: a new file under the old name, again and again."""
    for sso in ("off", "on", "off", "on"):
        (folder / ".acme.tmp").write_text(text(sso))
        (folder / ".acme.tmp").rename(folder / "acme.example.yaml")
        await until(lambda sso=sso: sso_of(store) == sso)  # type: ignore[misc]


async def test_files_come_and_go(store: PolicyStore, folder: Path) -> None:
    (folder / "globex.yaml").write_text(text(domain="globex.example"))
    await until(lambda: "globex.example" in store.current.by_domain)
    (folder / "acme.example.yaml").unlink()
    await until(lambda: sso_of(store) is None)
    (folder / "globex.yaml").rename(folder / "globex.off")
    await until(lambda: store.current == Policies())


def config_map(mount: Path, version: str, sso: str) -> None:
    """What the kubelet does: a new folder, and one symlink that moves to it."""
    (mount / version).mkdir(parents=True)
    (mount / version / "acme.example.yaml").write_text(text(sso))
    (mount / "..data_tmp").symlink_to(version)
    (mount / "..data_tmp").rename(mount / "..data")
    if not (mount / "acme.example.yaml").is_symlink():
        (mount / "acme.example.yaml").symlink_to("..data/acme.example.yaml")


async def test_a_config_map_swaps(tmp_path: Path) -> None:
    mount = tmp_path / "mount"
    config_map(mount, "..2026_01", "on")
    store = PolicyStore(mount)
    store.load()
    assert sso_of(store) is Sso.ON
    await store.start()
    for version, sso in (("..2026_02", "off"), ("..2026_03", "on"), ("..2026_04", "off")):
        config_map(mount, version, sso)
        await until(lambda sso=sso: sso_of(store) == sso)  # type: ignore[misc]
    await store.stop()


async def test_a_whole_folder_swaps(tmp_path: Path) -> None:
    """git-sync: the folder's own name is a symlink that moves."""
    for version, sso in (("v1", "on"), ("v2", "off")):
        (tmp_path / version).mkdir()
        (tmp_path / version / "acme.yaml").write_text(text(sso))
    (tmp_path / "policies").symlink_to("v1")
    store = PolicyStore(tmp_path / "policies")
    store.load()
    await store.start()
    (tmp_path / "next").symlink_to("v2")
    (tmp_path / "next").rename(tmp_path / "policies")
    await until(lambda: sso_of(store) is Sso.OFF)
    # And what happens in the new folder is heard.
    (tmp_path / "v2" / "acme.yaml").write_text(text("on"))
    await until(lambda: sso_of(store) is Sso.ON)
    await store.stop()


async def test_files_behind_symlinks_are_read_every_few_seconds(tmp_path: Path) -> None:
    """No news comes from a file that is elsewhere."""
    folder, elsewhere = tmp_path / "policies", tmp_path / "elsewhere.yaml"
    folder.mkdir()
    elsewhere.write_text(text("on"))
    (folder / "acme.yaml").symlink_to(elsewhere)
    store = PolicyStore(folder)
    store.load()
    await store.start()
    elsewhere.write_text(text("off"))
    await until(lambda: sso_of(store) is Sso.OFF, bound=3 * BOUND)
    await store.stop()


async def test_a_change_between_load_and_start_is_caught(folder: Path) -> None:
    store = PolicyStore(folder)
    store.load()
    (folder / "acme.example.yaml").write_text(text("off"))
    await store.start()
    await until(lambda: sso_of(store) is Sso.OFF)
    await store.stop()


async def test_a_bad_change_leaves_the_last_good_set(
    store: PolicyStore, folder: Path, counters: Counters
) -> None:
    good = store.current
    with capture_logs() as logs:
        # One good file and one bad: neither comes into force.
        (folder / "globex.yaml").write_text(text(domain="globex.example"))
        (folder / "acme.example.yaml").write_text(text("maybe") + "extra: 1\n")
        await until(lambda: bool(store.problems))
    assert store.current is good
    assert {problem.key for problem in store.problems} == {"sso", "extra"}
    rejected = [line for line in logs if line["event"] == "policies_rejected"]
    assert len(rejected) == 1
    assert rejected[0]["log_level"] == "error"
    assert rejected[0]["problems"] == [str(problem) for problem in store.problems]
    assert counters.policy_reloads_failed == 1
    assert counters.policy_problems == 2

    with capture_logs() as logs:
        (folder / "acme.example.yaml").write_text(text("off"))
        await until(lambda: not store.problems)
    assert sso_of(store) is Sso.OFF
    assert "globex.example" in store.current.by_domain
    assert [line["event"] for line in logs] == ["policies_reloaded"]
    assert counters.policy_problems == 0


async def test_a_half_written_file_changes_nothing(store: PolicyStore, folder: Path) -> None:
    good = store.current
    with (folder / "acme.example.yaml").open("w") as file:
        file.write("domain: acme.example\nsso: o")
        file.flush()
        await until(lambda: bool(store.problems))
        assert store.current is good
        file.write("ff\n")
    await until(lambda: sso_of(store) is Sso.OFF)
    assert store.problems == ()


async def test_a_bad_change_taken_back_is_told(
    store: PolicyStore, folder: Path, counters: Counters
) -> None:
    (folder / "acme.example.yaml").write_text("{")
    await until(lambda: bool(store.problems))
    (folder / "acme.example.yaml").write_text(text())
    await until(lambda: not store.problems)
    assert counters.policy_problems == 0


async def test_a_missing_folder_is_a_bad_change(store: PolicyStore, folder: Path) -> None:
    good = store.current
    move(folder, folder.with_name("away"))
    await until(lambda: bool(store.problems))
    assert store.current is good
    (folder.with_name("away") / "acme.example.yaml").write_text(text("off"))
    move(folder.with_name("away"), folder)
    await until(lambda: sso_of(store) is Sso.OFF)
    # And it is watched again.
    (folder / "acme.example.yaml").write_text(text("on"))
    await until(lambda: sso_of(store) is Sso.ON)


async def test_listeners_get_the_old_and_the_new(store: PolicyStore, folder: Path) -> None:
    seen: list[tuple[str, Policies, Policies]] = []

    async def slow(old: Policies, new: Policies) -> None:
        seen.append(("slow", old, new))

    def plain(old: Policies, new: Policies) -> None:
        seen.append(("plain", old, new))

    store.on_change(slow)
    store.on_change(plain)
    before = store.current
    (folder / "acme.example.yaml").write_text(text("off"))
    await until(lambda: len(seen) == 2)
    assert seen == [("slow", before, store.current), ("plain", before, store.current)]


async def test_a_listener_that_breaks_stops_nothing(store: PolicyStore, folder: Path) -> None:
    async def broken(_old: Policies, _new: Policies) -> None:
        raise RuntimeError("no store")

    store.on_change(broken)
    with capture_logs() as logs:
        (folder / "acme.example.yaml").write_text(text("off"))
        await until(lambda: any(line["event"] == "policies_listener_failed" for line in logs))
    assert sso_of(store) is Sso.OFF
    (folder / "acme.example.yaml").write_text(text("on"))
    await until(lambda: sso_of(store) is Sso.ON)


async def test_what_did_not_change_is_not_reloaded(
    store: PolicyStore, folder: Path, counters: Counters
) -> None:
    current = store.current
    (folder / "acme.example.yaml").touch()
    (folder / "notes.txt").write_text("x")
    await store.reload()
    assert store.current is current
    assert counters.policy_reloads_ok == 1


async def test_stop_ends_watching(folder: Path) -> None:
    store = PolicyStore(folder)
    await store.stop()
    store.load()
    await store.start()
    started = time.monotonic()
    await store.stop()
    assert time.monotonic() - started < BOUND
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "policies"]

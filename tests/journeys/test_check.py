"""`sonar-gateway check` against a whole running system: one line each, and true ones."""

import asyncio
import json
import os
import sqlite3
import sys
from contextlib import closing

import pytest
import yaml

from tests.journeys.world import ROOT, World, until

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def run(world: World, *words: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway",
        *words,
        cwd=world.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **world.environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def states(world: World) -> tuple[int, dict[str, tuple[str, str]]]:
    """The exit code, and each part's state and detail."""
    code, out, err = await run(world, "check", "--json")
    assert err == ""
    return code, {line["part"]: (line["state"], line["detail"]) for line in json.loads(out)}


def change(world: World, section: str, **values: object) -> None:
    path = world.folder / "config.yaml"
    content = yaml.safe_load(path.read_text())
    content[section] = {**content[section], **values}
    path.write_text(yaml.safe_dump(content))


async def test_everything_works(shared_world: World) -> None:
    code, out, err = await run(shared_world, "check")
    assert (code, err) == (0, ""), out
    for part in (
        "config",
        "policies",
        "keys",
        "links database",
        "audit",
        "sessions",
        "directory",
        "upstream",
        "sign-in buttons",
        "google discovery",
        "google redirect URI",
        "microsoft discovery",
    ):
        assert f"ok    {part} " in out, out
    assert f"{shared_world.origin}/sso/callback/google" in out


async def test_what_is_wrong_is_named(world: World) -> None:
    await world.sonar.cleanup()
    change(world, "upstream", login_buttons={"selector": "#nowhere", "place": "after"})
    (world.folder / "policies" / "broken.yaml").write_text("domain: broken.example\nsso: maybe\n")
    (world.folder / "var" / "gateway.db").unlink()
    content = yaml.safe_load((world.folder / "config.yaml").read_text())
    content["providers"]["google"]["client_id"] = "unknown"
    (world.folder / "config.yaml").write_text(yaml.safe_dump(content))
    code, lines = await states(world)
    assert code == 1
    assert lines["upstream"][0] == "FAIL"
    assert lines["policies"][0] == "FAIL"
    assert "broken.yaml:2" in lines["policies"][1]
    assert lines["links database"] == (
        "FAIL",
        "links.database has no tables yet; the command `migrate` makes them",
    )
    assert "FAIL" in {state for part, (state, _) in lines.items() if part.startswith("google")}
    assert lines["directory"][0] == "ok"


async def test_a_record_of_the_audit_that_was_changed_is_named(world: World) -> None:
    async with world.browser() as browser:
        for _ in range(2):
            await world.google(browser, "jo")
    store = world.folder / "var" / "gateway.db"

    def rows() -> int:
        with closing(sqlite3.connect(store)) as database:
            return int(database.execute("SELECT max(number) FROM audit").fetchone()[0] or 0)

    async def is_kept() -> bool:
        return await asyncio.to_thread(rows) >= 3

    await until(is_kept, world.said)
    _, lines = await states(world)
    assert lines["audit"][0] == "ok"
    assert "are as they were written" in lines["audit"][1]
    with closing(sqlite3.connect(store)) as database, database:
        database.execute("DROP TRIGGER audit_no_update")
        database.execute("UPDATE audit SET account = '1002' WHERE number = 2")
    code, lines = await states(world)
    assert code == 1
    assert lines["audit"][0] == "FAIL"
    assert lines["audit"][1].startswith("row 2 ")


async def test_missing_anchor_is_named(world: World) -> None:
    change(world, "upstream", login_buttons={"selector": "#nowhere", "place": "after"})
    code, lines = await states(world)
    assert (code, lines["upstream"][0]) == (1, "ok")
    assert lines["sign-in buttons"][0] == "FAIL"
    assert "upstream.login_buttons.selector" in lines["sign-in buttons"][1]


async def test_serve_refuses_an_old_schema_and_a_taken_port(world: World) -> None:
    code, _out, err = await run(world, "serve")
    assert code == 1
    assert "server.listen: cannot listen" in err
    (world.folder / "var" / "gateway.db").rename(world.folder / "var" / "elsewhere.db")
    code, _out, err = await run(world, "serve")
    assert (code, "the command `migrate`" in err) == (1, True)


async def test_serve_tells_every_problem_at_once(world: World) -> None:
    (world.folder / "policies" / "one.yaml").write_text("domain: one.example\nssso: on\n")
    (world.folder / "policies" / "two.yaml").write_text("domain: acme.ca\nsso: off\n")
    code, _out, err = await run(world, "serve")
    assert code == 1
    assert "did you mean `sso`" in err
    assert "two.yaml" in err
    assert "Traceback" not in err

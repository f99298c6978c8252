"""Keys in the database: worth nothing to whoever reads it, the same for all who serve."""

from base64 import b64encode, urlsafe_b64encode
from pathlib import Path

import pytest

from gateway.account.migrations import migrate
from gateway.errors import ConfigError, LinksUnavailable, SchemaOutdated
from gateway.secret import Secret
from gateway.session.keys.database import DatabaseKeys
from gateway.session.keys.model import KINDS, new_key
from gateway.session.keys.rotation import complete
from tests.account.conftest import Sql, sql

__all__ = ["sql"]

NOW = 1_795_000_000.0
SECRET, OTHER = Secret("5f" * 32), Secret("e1" * 32)


async def opened(url: Secret, secret: Secret = SECRET, old: Secret | None = None) -> DatabaseKeys:
    source = DatabaseKeys(url, secret, old)
    await source.open()
    return source


async def rows(source: DatabaseKeys) -> str:
    return "\n".join(f"{name} {sealed}" for name, sealed in await source._rows())


async def test_who_reads_the_database_has_no_key(sql: Sql) -> None:
    await migrate(sql.url)
    source = await opened(sql.url)
    keys = [new_key(kind, NOW) for kind in KINDS]
    for key in keys:
        await source.add(key, None)
    stored = await rows(source)
    for key in keys:
        assert key.name in stored
        for part in (key.material, key.material[:24], key.material[-24:]):
            for spelled in (part.hex(), b64encode(part).decode(), urlsafe_b64encode(part).decode()):
                assert spelled[:-4] not in stored
    assert SECRET.reveal() not in stored
    await source.close()


async def test_another_secret_opens_nothing_and_makes_no_others(sql: Sql) -> None:
    await migrate(sql.url)
    source = await opened(sql.url)
    await complete(source)
    before = await rows(source)
    wrong = await opened(sql.url, OTHER)
    kept = await wrong.read()
    assert kept.keys == frozenset()
    assert len(kept.problems) == len(kept.damaged) == 2
    assert all("another keys.secret" in problem.wrong for problem in kept.problems)
    with pytest.raises(ConfigError, match=r"keys\.old_secret"):
        await complete(wrong)
    assert await rows(source) == before
    await source.close()
    await wrong.close()


async def test_the_secret_is_replaced_without_a_gap(sql: Sql) -> None:
    """Both names are known while the rows change over; then the old one is worth nothing."""
    await migrate(sql.url)
    source = await opened(sql.url)
    keys = (await complete(source)).keys
    both = await opened(sql.url, OTHER, old=SECRET)
    assert (await both.read()).keys == keys
    await both.tidy()
    await both.tidy()
    new = await opened(sql.url, OTHER)
    assert (await new.read()).keys == keys
    assert (await source.read()).keys == frozenset()
    for each in (source, both, new):
        await each.close()


async def test_a_row_that_was_changed_or_moved_is_no_key(sql: Sql) -> None:
    """Who can write the database cannot put a key they know there, nor bring an old one back
    under a newer name."""
    await migrate(sql.url)
    source = await opened(sql.url)
    old = new_key("root", NOW)
    await source.add(old, None)
    await sql.execute(
        "INSERT INTO keys SELECT '300101000000aaaa.root', kind, 'x', sealed FROM keys",
        ("INSERT INTO keys VALUES (:name, 'root', 'y', :sealed)", {"name": "310101000000aaaa.root",
         "sealed": b64encode(b"1" * 60).decode()}),
        "INSERT INTO keys VALUES ('320101000000aaaa.root', 'root', 'z', 'not base64')",
    )  # fmt: skip
    kept = await source.read()
    assert kept.keys == {old}
    assert len(kept.problems) == 3
    await source.close()


async def test_a_kind_of_a_later_version_is_told(sql: Sql) -> None:
    await migrate(sql.url)
    source = await opened(sql.url)
    sealed = source._seal.close("300101000000aaaa.ed25519", b"1" * 32)
    short = source._seal.close("300101000000bbbb.root", b"1" * 31)
    for name, text in (("300101000000aaaa.ed25519", sealed), ("300101000000bbbb.root", short)):
        await sql.execute(
            ("INSERT INTO keys VALUES (:name, 'x', :name, :sealed)", {"name": name, "sealed": text})
        )
    told = [problem.wrong for problem in (await source.read()).problems]
    assert "upgrade" in told[0]
    assert "32 bytes" in told[1]
    await source.close()


async def test_without_tables_it_says_what_to_run(sql: Sql) -> None:
    with pytest.raises((SchemaOutdated, LinksUnavailable)) as raised:
        await DatabaseKeys(sql.url, SECRET, None).open()
    assert "migrate" in str(raised.value)


async def test_what_is_not_open_is_unavailable(tmp_path: Path) -> None:
    source = DatabaseKeys(Secret(f"sqlite:///{tmp_path}/links.db"), SECRET, None)
    with pytest.raises(LinksUnavailable):
        await source.read()
    await source.close()

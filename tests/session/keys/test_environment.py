"""Keys in a variable: read as they were written, and changed by an operator only."""

import stat
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.session.keys.environment import EnvironmentKeys, WrittenKeys, keys_in, spelled
from gateway.session.keys.model import new_key
from gateway.session.keys.rotation import complete

NOW = 1_795_000_000.0


def holding(value: str) -> EnvironmentKeys:
    return EnvironmentKeys("SONAR_KEYS", {"SONAR_KEYS": value})


async def test_what_is_written_is_read(tmp_path: Path) -> None:
    keys = frozenset({new_key("root", NOW), new_key("root", NOW + 60), new_key("es256", NOW)})
    kept = await holding(spelled(keys)).read()
    assert (kept.keys, kept.problems) == (keys, ())
    written = WrittenKeys(tmp_path / "value", keys)
    await written.tidy()
    assert (await holding((tmp_path / "value").read_text()).read()).keys == keys


async def test_lines_and_spaces_are_the_same() -> None:
    keys = frozenset({new_key("root", NOW), new_key("es256", NOW)})
    kept = await holding(f"\n{spelled(keys)} \n".replace(" ", "\n\t")).read()
    assert (kept.keys, kept.problems) == (keys, ())


async def test_only_its_owner_reads_what_is_written(tmp_path: Path) -> None:
    written = WrittenKeys(tmp_path / "value", ())
    assert await written.add(new_key("root", NOW), None)
    assert stat.S_IMODE((tmp_path / "value").stat().st_mode) == 0o600


async def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be written: No such file.*--write"):
        await WrittenKeys(tmp_path / "missing" / "value", ()).tidy()


async def test_a_variable_that_is_not_set_says_how_to_make_one() -> None:
    source = EnvironmentKeys("SONAR_KEYS", {})
    assert len((await source.read()).missing) == 2
    with pytest.raises(ConfigError, match=r"SONAR_KEYS.*keys rotate --write FILE"):
        await complete(source)


async def test_nothing_is_removed_from_an_environment() -> None:
    with pytest.raises(ConfigError, match="keys rotate --write FILE"):
        await holding("").remove(["261123124700a1b2.root"])


_GOOD = urlsafe_b64encode(b"1" * 32).decode().rstrip("=")
_LONG = urlsafe_b64encode(b"1" * 33).decode().rstrip("=")


@pytest.mark.parametrize(
    ("entry", "wrong"),
    [
        ("nonsense", "is not ID.root=KEY"),
        (f"261123124700a1b2.hmac={_GOOD}", "is not ID.root=KEY"),
        (f"261123124700A1B2.root={_GOOD}", "is not ID.root=KEY"),
        ("261123124700a1b2.root=", "is not ID.root=KEY"),
        (f"261123124700a1b2.root={_LONG}", "32 bytes"),
        (f"261123124700a1b2.root={_GOOD[:-5]}", "32 bytes"),
        (f"261123124700a1b2.es256={_GOOD}", "not an unencrypted private key"),
        ("261123124700a1b2.root=A", "32 bytes"),
    ],
)
def test_what_is_no_key_is_told_by_its_place_and_never_shown(entry: str, wrong: str) -> None:
    key = new_key("root", NOW)
    kept = keys_in(f"{spelled([key])} {entry}", "in the environment variable SONAR_KEYS")
    assert kept.keys == {key}
    (problem,) = kept.problems
    assert problem.key == "entry 2"
    assert wrong in problem.wrong
    assert "SONAR_KEYS" in str(problem)
    assert entry.partition("=")[2][:20] not in str(problem) or len(entry.partition("=")[2]) < 9

"""Each small value: what it becomes, and what is not one."""

from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from gateway import values
from gateway.email import Email
from gateway.values import ListenAddress


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30.0), ("15m", 900.0), ("8h", 28800.0), ("7d", 604800.0), ("1s", 1.0)],
)
def test_durations(text: str, seconds: float) -> None:
    assert values.duration(text) == seconds


@pytest.mark.parametrize(
    "value",
    [
        "0s", "00m", "", "s", "30", "30 s", "1h30m", "-1s", "+1s", "1.5h", "1w", "1S", "٣s",
        "9999999s", "30s\n", 30, 30.0, True, None, ["30s"],
    ],
)  # fmt: skip
def test_not_durations(value: object) -> None:
    with pytest.raises(ValueError, match="such as 30s"):
        values.duration(value)


def test_some_durations_may_be_nothing() -> None:
    assert values.duration_or_zero("0s") == 0.0


def test_some_durations_may_be_off() -> None:
    assert values.duration_or_off("15m") == 900.0
    assert values.spell_duration(values.duration_or_off("off")) == "off"
    for value in ("0s", "never", False, 900):
        with pytest.raises(ValueError, match="8h or 7d, or off"):
            values.duration_or_off(value)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1.0, "1s"), (90.0, "90s"), (60.0, "1m"), (28800.0, "8h"), (86400.0, "1d"), (0.5, "0.5s")],
)
def test_spelled_durations(seconds: float, text: str) -> None:
    assert values.spell_duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "amount"),
    [("1B", 1), ("512B", 512), ("8KiB", 8192), ("100MiB", 104857600), ("1GiB", 1073741824)],
)
def test_sizes(text: str, amount: int) -> None:
    assert values.size(text) == values.size_or_off(text) == amount
    assert values.spell_size(amount) == text


@pytest.mark.parametrize(
    "value",
    ["", "0B", "0KiB", "B", "8", "8 KiB", "8KB", "8kib", "8K", "-1B", "1.5KiB", "٣B", "1TiB",
     "9999999B", "8KiB\n", 8, 8.0, True, None, ["8KiB"]],
)  # fmt: skip
def test_not_sizes(value: object) -> None:
    with pytest.raises(ValueError, match="such as 512B"):
        values.size(value)
    with pytest.raises(ValueError, match="or off"):
        values.size_or_off(value)


def test_off_is_more_than_anything() -> None:
    assert values.size_or_off("off") == values.count_or_off("off") == values.UNLIMITED
    assert values.spell_size(values.UNLIMITED) == values.spell_count(values.UNLIMITED) == "off"
    with pytest.raises(ValueError, match="such as 512B"):
        values.size("off")


def test_counts() -> None:
    assert values.count_or_off(7) == values.spell_count(7) == 7


@pytest.mark.parametrize("value", [0, -1, True, 1.0, "7", "none", None])
def test_not_counts(value: object) -> None:
    with pytest.raises(ValueError, match="or off"):
        values.count_or_off(value)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8080", ("127.0.0.1", 8080)),
        (":8080", ("", 8080)),
        ("0.0.0.0:80", ("0.0.0.0", 80)),  # noqa: S104
        ("localhost:0", ("localhost", 0)),
        ("[::1]:8080", ("::1", 8080)),
        ("[0:0:0:0:0:0:0:1]:8080", ("::1", 8080)),
        ("127.0.0.1:65535", ("127.0.0.1", 65535)),
    ],
)
def test_listen_addresses(text: str, address: tuple[str, int]) -> None:
    assert values.listen_address(text) == ListenAddress(*address)


@pytest.mark.parametrize(
    "value",
    [
        "", "8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "::1:8080",
        "[::1]", "[127.0.0.1]:80", "[localhost]:80", "sonar.example:80", "127.1:80", "a:b:80",
        "127.0.0.1:-1", "127.0.0.1: 80", "127.0.0.1:٨٠", "unix:/run/x", 8080, None,
    ],
)  # fmt: skip
def test_not_listen_addresses(value: object) -> None:
    with pytest.raises(ValueError, match="must be an address and a port"):
        values.listen_address(value)


@pytest.mark.parametrize("text", ["127.0.0.1:8080", ":8080", "[::1]:8080"])
def test_listen_addresses_are_told_as_written(text: str) -> None:
    assert str(values.listen_address(text)) == text


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.1.2.3", "10.1.2.3/32"),
        ("::1", "::1/128"),
        ("FD00::/8", "fd00::/8"),
    ],
)
def test_cidrs(text: str, network: str) -> None:
    assert values.cidr(text) == network


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("10.0.0.1/8", "host bits"),
        ("0.0.0.0/0", "trust every client"),
        ("::/0", "trust every client"),
        ("proxy.example", "must be a network"),
        ("10.0.0.0/33", "must be a network"),
        ("", "must be a network"),
        (10, "must be a network"),
    ],
)
def test_not_cidrs(value: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        values.cidr(value)


def test_mailboxes() -> None:
    assert values.email("Jo@Acme.Example") == Email("jo", "acme.example")
    for wrong in ("jo", "a@evil@acme.example", 7, None):
        with pytest.raises(ValueError, match=r".{10}"):
            values.email(wrong)


def test_relative_paths_start_where_the_file_is(tmp_path: Path) -> None:
    path: TypeAdapter[Path] = TypeAdapter(values.PathOnDisk)
    assert path.validate_python("var/x", context={"base": tmp_path}) == tmp_path / "var/x"
    assert path.validate_python("/var/x", context={"base": tmp_path}) == Path("/var/x")
    assert path.validate_python(Path("x"), context={"base": tmp_path}) == tmp_path / "x"
    for wrong in ("", "a\0b", 7, None):
        with pytest.raises(ValidationError):
            path.validate_python(wrong)


def test_log_targets(tmp_path: Path) -> None:
    target: TypeAdapter[str] = TypeAdapter(values.LogTarget)
    assert target.validate_python("-", context={"base": tmp_path}) == "-"
    assert target.validate_python("a.log", context={"base": tmp_path}) == str(tmp_path / "a.log")

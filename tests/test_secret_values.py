"""Secrets are read from where the config says, and never told."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from gateway.secret import Secret
from gateway.secret_values import (
    DatabaseUrl,
    LiteralSecret,
    SecretText,
    SessionStoreUrl,
    holds_password,
)

TEXT: TypeAdapter[Secret] = TypeAdapter(SecretText)
DATABASE: TypeAdapter[Secret] = TypeAdapter(DatabaseUrl)
STORE: TypeAdapter[str | Secret] = TypeAdapter(SessionStoreUrl)


def context(base: Path, **environ: str) -> Mapping[str, object]:
    return {"base": base, "environ": environ}


def refusal(adapter: TypeAdapter[Any], value: object, where: Mapping[str, object]) -> str:
    with pytest.raises(ValidationError) as caught:
        adapter.validate_python(value, context=dict(where))
    (detail,) = caught.value.errors()
    assert detail["type"] == "secret"
    return detail["msg"]


def test_from_the_environment(tmp_path: Path) -> None:
    found = TEXT.validate_python("env:NAME", context=dict(context(tmp_path, NAME="hunter2")))
    assert found.reveal() == "hunter2"
    assert not isinstance(found, LiteralSecret)


def test_from_the_environment_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SONAR_TEST_SECRET", "hunter2")
    assert TEXT.validate_python("env:SONAR_TEST_SECRET").reveal() == "hunter2"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("env:" + "0a1b" * 8, "after env: comes the name of an environment variable"),
        ("env:" + "ABCDEF12" * 8, "after env: comes the name of an environment variable"),
        ("env:MISSING", "the environment variable MISSING is not set, or empty"),
        ("env:EMPTY", "the environment variable EMPTY is not set, or empty"),
        ("env:", "name of an environment variable"),
        ("env:A B", "name of an environment variable"),
        ("env:A=B", "name of an environment variable"),
    ],
)
def test_not_in_the_environment(name: str, said: str, tmp_path: Path) -> None:
    assert said in refusal(TEXT, name, context(tmp_path, EMPTY=""))


@pytest.mark.parametrize("content", [b"hunter2", b"hunter2\n", b"hunter2\r\n"])
def test_from_a_file(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(content)
    for name in ("file:secret", f"file:{tmp_path}/secret"):
        found = TEXT.validate_python(name, context=dict(context(tmp_path)))
        assert found.reveal() == "hunter2"


def test_blanks_in_a_file_belong_to_the_secret(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b" hunter 2 \n")
    found = TEXT.validate_python("file:secret", context=dict(context(tmp_path)))
    assert found.reveal() == " hunter 2 "


def test_not_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "large").write_bytes(b"x" * 70_000)
    where = context(tmp_path)
    assert "No such file" in refusal(TEXT, "file:missing", where)
    assert "Is a directory" in refusal(TEXT, "file:", where)
    assert "is empty" in refusal(TEXT, "file:empty", where)
    assert "not UTF-8" in refusal(TEXT, "file:binary", where)
    assert "too large" in refusal(TEXT, "file:large", where)
    assert "cannot be read" in refusal(TEXT, "file:a\0b", where)


def test_a_literal_is_known_as_one() -> None:
    found = TEXT.validate_python("hunter2")
    assert isinstance(found, LiteralSecret)
    assert found.reveal() == "hunter2"


@pytest.mark.parametrize("value", ["", " ", 7, None, True, ["hunter2"]])
def test_not_secrets(value: object, tmp_path: Path) -> None:
    assert "env:NAME" in refusal(TEXT, value, context(tmp_path))


def test_relative_databases_are_where_the_config_is(tmp_path: Path) -> None:
    where = dict(context(tmp_path, URL="sqlite:///var/x.db"))
    for name in ("sqlite:///var/x.db", "env:URL", f"sqlite:///{tmp_path}/var/x.db"):
        found = DATABASE.validate_python(name, context=where)
        assert found.reveal() == f"sqlite:///{tmp_path}/var/x.db"
    assert (
        DATABASE.validate_python(Secret("sqlite:///y.db"), context=where).reveal()
        == f"sqlite:///{tmp_path}/y.db"
    )


def test_postgresql(tmp_path: Path) -> None:
    url = "postgresql://sonar:hunter2@db.example:5432/sonar"
    found = DATABASE.validate_python("env:URL", context=dict(context(tmp_path, URL=url)))
    assert found.reveal() == url


@pytest.mark.parametrize(
    "value",
    [
        "", "sonar.db", "sqlite://sonar.db", "sqlite:///", "sqlite:///x?mode=ro", "mysql://h/x",
        "postgres://h/x", "postgresql:///x", "postgresql://", "postgresql://h:x/y", 7, None,
    ],
)  # fmt: skip
def test_not_databases(value: object, tmp_path: Path) -> None:
    assert "hunter2" not in refusal(DATABASE, value, context(tmp_path))


@pytest.mark.parametrize(
    "url",
    ["redis://localhost:6379/0", "rediss://:hunter2@redis.example/1", "unix:///run/redis.sock",
     "redis+sentinel://one:26379,two:26379,three/sonar/0", "redis+sentinel://one/sonar",
     "rediss+sentinel://jo:hunter2@one,[::1]:5/sonar/1?sentinel_password=x"],
)  # fmt: skip
def test_session_stores(url: str, tmp_path: Path) -> None:
    assert STORE.validate_python("embedded") == "embedded"
    found = STORE.validate_python(url)
    assert isinstance(found, Secret)
    assert found.reveal() == url
    found = STORE.validate_python("env:URL", context=dict(context(tmp_path, URL=url)))
    assert isinstance(found, Secret)
    assert found.reveal() == url


@pytest.mark.parametrize(
    "value", ["Embedded", "redis", "redis://", "http://x", 7, None, "",
     "redis+sentinel://one:26379", "redis+sentinel://one/", "redis+sentinel:///sonar",
     "redis+sentinel://one,/sonar", "redis+sentinel://one/sonar/x"],
)  # fmt: skip
def test_not_session_stores(value: object, tmp_path: Path) -> None:
    assert refusal(STORE, value, context(tmp_path))


def test_holds_password() -> None:
    assert holds_password(LiteralSecret("redis://:hunter2@h"))
    assert holds_password(LiteralSecret("redis+sentinel://h/sonar?sentinel_password=hunter2"))
    assert not holds_password(LiteralSecret("redis://h"))
    assert not holds_password(Secret("redis://:hunter2@h"))
    assert not holds_password("embedded")

"""Secrets as config.yaml names them: `env:NAME`, `file:PATH`, or the URL of a database.

Every error here is a `secret_error`, which never shows the value. The environment is
`context["environ"]`, the folder relative paths start from `context["base"]`.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import parse_qs, urlsplit

from pydantic import (
    PlainSerializer,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
)

from gateway.private import Exposed, private_content
from gateway.secret import Secret
from gateway.section import secret_error
from gateway.values import base_of

# A key in PEM is 3 KB; a larger file is not a secret but the wrong file.
_LARGEST_SECRET = 64 * 1024
# 128 bits in hex: what cannot be guessed however many machines try.
_SHORTEST_KEYS_SECRET = 32
# A SQLAlchemy URL that names its driver, such as mysql+aiomysql://.
_OTHER_DRIVER = re.compile(r"[a-z0-9]+\+[a-z0-9_]+://")
# Sentinels, the name of the master they look after, and perhaps the number of a database.
_SENTINELS = re.compile(
    r"rediss?\+sentinel://([^@/?#]*@)?[^,@/?#]+(,[^,@/?#]+)*/[^/?#]+(/\d*)?(\?[^#]*)?"
)
# What `openssl rand -hex` makes: nobody calls a variable so, and it must not be shown.
_NO_NAME = re.compile(r"[0-9A-Fa-f]{32,}")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class LiteralSecret(Secret):
    """A secret that stands in config.yaml itself, where everybody who reads the file has it."""

    __slots__ = ()


class ExposedSecret(Secret):
    """A secret from a file that others on the machine may read. `told` says how, and what to do."""

    __slots__ = ("told",)

    def __init__(self, value: str, told: str) -> None:
        super().__init__(value)
        self.told = told


def secret_text(value: object, info: ValidationInfo) -> Secret:
    """`env:NAME` or `file:PATH`, read now; other text is the secret itself, a LiteralSecret."""
    if isinstance(value, Secret):
        return value
    if not isinstance(value, str):
        raise secret_error("must be env:NAME or file:PATH; put other text in quotes")
    kind, _, name = value.partition(":")
    if kind == "env":
        return Secret(_from_environment(name, info))
    if kind == "file":
        return _from_file(base_of(info) / name)
    if not value.strip():
        raise secret_error("must not be empty; use env:NAME or file:PATH")
    return LiteralSecret(value)


def _from_environment(name: str, info: ValidationInfo) -> str:
    environ = (info.context or {}).get("environ", os.environ)
    assert isinstance(environ, Mapping)  # noqa: S101 - the caller's contract, not input
    if not _ENV_NAME.fullmatch(name) or _NO_NAME.fullmatch(name):
        raise secret_error("after env: comes the name of an environment variable")
    found = environ.get(name)
    if not found:
        raise secret_error(f"the environment variable {name} is not set, or empty")
    return str(found)


def _from_file(path: Path) -> Secret:
    """The file's text less the line break that editors put at the end."""
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_SECRET + 1)
        text = content.decode().rstrip("\r\n")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise secret_error(f"the file {path} cannot be read: {why}") from None
    if not text or len(content) > _LARGEST_SECRET:
        raise secret_error(f"the file {path} is {'empty' if not text else 'too large'}")
    try:
        private_content(path)
    except (Exposed, OSError) as error:
        return ExposedSecret(text, f"{path}: {error}")
    return Secret(text)


def keys_secret(value: object, info: ValidationInfo) -> Secret:
    """What keys are encrypted with: `env:NAME`, or `file:PATH` that nobody else can read."""
    secret = secret_text(value, info)
    if isinstance(secret, LiteralSecret):
        raise secret_error("must be env:NAME or file:PATH: who reads config.yaml must not have it")
    if len(secret.reveal()) < _SHORTEST_KEYS_SECRET:
        raise secret_error(
            f"must have at least {_SHORTEST_KEYS_SECRET} characters; make one: openssl rand -hex 32"
        )
    if isinstance(value, str) and value.startswith("file:"):
        path = base_of(info) / value.removeprefix("file:")
        try:
            private_content(path)
        except (Exposed, OSError) as error:
            raise secret_error(f"the file {path}: {error}") from None
    return secret


def database_url(value: object, info: ValidationInfo) -> Secret:
    """`sqlite:///PATH` (relative: from the config's folder) or `postgresql://…`, also by
    `env:` and `file:`."""
    secret = secret_text(value, info)
    url = secret.reveal()
    if url.startswith("sqlite:///"):
        path = url.removeprefix("sqlite:///")
        if not path or "?" in path or "#" in path:
            raise secret_error("must name a file, as in sqlite:///var/sonar.db")
        absolute = f"sqlite:///{(base_of(info) / path).absolute()}"
        return LiteralSecret(absolute) if isinstance(secret, LiteralSecret) else Secret(absolute)
    if url.startswith("postgresql://") and _has_host(url):
        return secret
    raise secret_error("must be sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME")


def directory_url(value: object, info: ValidationInfo) -> Secret:
    """A `database_url`, or `dialect+driver://…` for a database that only the directory is in."""
    secret = secret_text(value, info)
    url = secret.reveal()
    if _OTHER_DRIVER.match(url) and _has_host(url):
        return secret
    if not url.startswith(("sqlite:", "postgresql:")):
        raise secret_error(
            "must be sqlite:///PATH, postgresql://USER:PASSWORD@HOST/NAME, or "
            "dialect+driver://… of an asyncio driver that is installed, such as "
            "mysql+aiomysql://USER:PASSWORD@HOST/NAME"
        )
    return database_url(secret, info)


def session_store(value: object, info: ValidationInfo) -> str | Secret:
    """`embedded`, or the URL of a Redis."""
    if value == "embedded":
        return "embedded"
    secret = secret_text(value, info)
    url = secret.reveal()
    if url.startswith(("redis://", "rediss://")) and _has_host(url):
        return secret
    if url.startswith("unix:///") or _SENTINELS.fullmatch(url):
        return secret
    raise secret_error(
        "must be embedded, redis://HOST:PORT/0, rediss://…, unix:///PATH or "
        "redis+sentinel://HOST:PORT,HOST:PORT/MASTER/0"
    )


def _has_host(url: str) -> bool:
    """Whether the URL says where the server is: a host, or the folder of its socket as `?host=`."""
    try:
        parts = urlsplit(url)
        return bool(parts.hostname or parse_qs(parts.query).get("host")) and parts.port != 0
    except ValueError:
        return False


def holds_password(secret: Secret | str) -> bool:
    """Whether this URL stands in config.yaml with a password in it."""
    if not isinstance(secret, LiteralSecret):
        return False
    parts = urlsplit(secret.reveal())
    return bool(parts.password or parse_qs(parts.query).get("sentinel_password"))


_TEXT = WithJsonSchema({"type": "string"})
_MASK = PlainSerializer(str, return_type=str, when_used="json")
SecretText = Annotated[Secret, PlainValidator(secret_text), _TEXT, _MASK]
KeysSecret = Annotated[Secret, PlainValidator(keys_secret), _TEXT, _MASK]
DatabaseUrl = Annotated[Secret, PlainValidator(database_url), _TEXT, _MASK]
DirectoryUrl = Annotated[Secret, PlainValidator(directory_url), _TEXT, _MASK]
SessionStoreUrl = Annotated[
    Literal["embedded"] | Secret, PlainValidator(session_store), _TEXT, _MASK
]

"""Where the keys of cookies, seals and assertions are kept, and how they are rotated."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, PlainValidator, ValidationInfo, WithJsonSchema, model_validator
from pydantic.config import JsonDict

from gateway.secret_values import KeysSecret
from gateway.section import Section, secret_error
from gateway.values import Duration, path_on_disk, text

DATABASE = "database"
_ENVIRONMENT = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*")
# As a variable holds one, as a file does: hex, PEM.
_KEY_ITSELF = re.compile(r"\.(root|es256)=|-----BEGIN|(^|:)[0-9A-Fa-f]{64}")
_FOREIGN = re.compile(r"[a-z0-9+]+:")


def _place(value: object, info: ValidationInfo) -> Path | str:
    """`database`, `env:NAME`, or a folder, whose path starts at that of config.yaml."""
    if isinstance(value, Path):
        return path_on_disk(value, info)
    wrong = "must be a folder, env:NAME or database"
    place = text(value, wrong)
    if _KEY_ITSELF.search(place):
        raise secret_error("is a key itself: put it into a folder or a variable, and name that")
    if place == DATABASE or _ENVIRONMENT.fullmatch(place):
        return place
    if _FOREIGN.match(place):
        raise ValueError(wrong)
    return path_on_disk(place, info)


class Keys(Section):
    """The keys of cookies, seals and assertions. `keys: X` is short for `keys: {source: X}`."""

    source: Annotated[Path | str, PlainValidator(_place), WithJsonSchema({"type": "string"})] = (
        Field(Path("var/keys"), validate_default=True)
    )
    """Where they are kept: a folder, made, with keys, where it is missing; env:NAME, a variable
    that holds all of them; or `database`, the gateway's own, encrypted."""
    secret: KeysSecret | None = None
    """With `database`: what they are encrypted with there; env:NAME or file:PATH, at least 32
    characters that nobody can guess, the same on all machines."""
    old_secret: KeysSecret | None = None
    """The one before, while the keys are still encrypted with it."""
    overlap: Duration = 7200.0
    """How long before its use a new key is published and accepted. Longer than whoever verifies
    assertions keeps the published keys."""

    @property
    def folder(self) -> Path:
        """The folder, where there is one."""
        assert isinstance(self.source, Path)  # noqa: S101 - the caller's contract, not input
        return self.source

    @model_validator(mode="before")
    @classmethod
    def _short(cls, given: object) -> object:
        return given if isinstance(given, Mapping) else {"source": given}

    @model_validator(mode="after")
    def _secret_where_it_counts(self) -> Self:
        if self.source == DATABASE and self.secret is None:
            raise ValueError("source: database needs a secret to encrypt the keys with")
        if self.source != DATABASE and (self.secret or self.old_secret) is not None:
            raise ValueError("secret and old_secret go with source: database only")
        return self


def short_too(schema: JsonDict) -> None:
    """The JSON schema of a section that may be written as its `source` alone."""
    schema["anyOf"] = [{"$ref": schema.pop("$ref")}, {"type": "string"}]

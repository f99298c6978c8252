"""A form's body, taken apart so that a browser makes the very same bytes of it again. Pure.

Kept is only what comes back byte by byte: the page that asks shows the fields and sends them from
a form of its own, in which a browser follows the same rules as in Sonar's (WHATWG HTML, "Form
submission", and URL, "application/x-www-form-urlencoded"). A body does not say which characters its
bytes mean. It need not: read as UTF-8, or else as Windows-1252, in which every byte is a letter, it
becomes the same bytes when it is written in the same way.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote_from_bytes, unquote_to_bytes


class Lost(StrEnum):
    """Why a form is not kept."""

    FOREIGN = "foreign"
    SHAPE = "shape"
    TOO_LARGE = "too_large"
    PASSWORD = "password"  # noqa: S105 - a reason, not a secret
    NOBODY = "nobody"
    OFTEN = "often"
    UNKEPT = "unkept"


@dataclass(frozen=True, slots=True)
class FormBody:
    """`fields` in their order, names may repeat; `charset` as `accept-charset` has it."""

    fields: tuple[tuple[str, str], ...]
    charset: str


# PHP takes no more fields either.
_MOST_FIELDS = 1000

# What people call a field, or a page, with a secret in it; never kept, not even sealed.
# `passenger` is none.
SECRET_NAME = re.compile(
    r"pass(?:w|phrase|code|$|[^a-z])|pwd|kennwort|motdepasse|secret|cvv|cvc|(?:^|[^a-z])(?:pin|otp)"
    r"(?:$|[^a-z])",
    re.IGNORECASE,
)
# Browsers write every line break as CRLF (WHATWG HTML, "normalize newlines"), and none of them
# keeps NUL in a page.
_CHANGES = re.compile(r"\0|\r(?!\n)|(?<!\r)\n")

_UTF_8, _WINDOWS_1252 = "UTF-8", "windows-1252"
# https://encoding.spec.whatwg.org/#windows-1252: the five that Python leaves out are themselves.
_LETTERS = [
    bytes([code]).decode("cp1252", "ignore") or chr(code)  # each exactly one letter
    for code in range(256)
]
_CODES = {letter: code for code, letter in enumerate(_LETTERS)}


def read_body(body: bytes) -> FormBody | Lost:
    """The fields of an `application/x-www-form-urlencoded` body."""
    pairs = [piece.partition(b"=") for piece in body.split(b"&")] if body else []
    if len(pairs) > _MOST_FIELDS:
        return Lost.SHAPE
    raw = [(_decoded(name), _decoded(value)) for name, _, value in pairs]
    form = _read(raw)
    # `_charset_` gets the charset as its value from the browser, whatever stands in the page.
    if written(form) != body or any(
        not name or _CHANGES.search(name + value) or (name == "_charset_" and value != form.charset)
        for name, value in form.fields
    ):
        return Lost.SHAPE
    return Lost.PASSWORD if any(SECRET_NAME.search(name) for name, _ in form.fields) else form


def written(form: FormBody) -> bytes:
    """The body that a browser makes of these fields."""
    return "&".join(
        f"{_encoded(name, form.charset)}={_encoded(value, form.charset)}"
        for name, value in form.fields
    ).encode("ascii")


def _read(raw: list[tuple[bytes, bytes]]) -> FormBody:
    try:
        fields = tuple((name.decode(), value.decode()) for name, value in raw)
    except UnicodeDecodeError:
        letters = tuple((_western(name), _western(value)) for name, value in raw)
        return FormBody(letters, _WINDOWS_1252)
    return FormBody(fields, _UTF_8)


def _western(text: bytes) -> str:
    return "".join(_LETTERS[code] for code in text)


def _decoded(text: bytes) -> bytes:
    return unquote_to_bytes(text.replace(b"+", b" "))


def _encoded(text: str, charset: str) -> str:
    data = text.encode() if charset == _UTF_8 else bytes(_CODES[letter] for letter in text)
    # `~` is the one that quote() leaves and browsers do not, `*` the other way round.
    quoted = quote_from_bytes(data, safe="* ").replace("~", "%7E")
    return quoted.replace(" ", "+")

"""Why a text is no YAML, told to whoever wrote it: which line, and what to look for there. Pure.

A file that cannot be read may hold a secret on any line, so a line is quoted by its key only, and
only as far as the key is a word that such a file may have.
"""

import re
from collections.abc import Collection
from typing import NamedTuple

_TAB = "\t"
_LINE = re.compile(r" *(?:- +)*(?P<key>\"[^\"]*\"|'[^']*'|[^\s:#'\"]+)(?P<colon>:?)(?P<rest>.*)")
# What libyaml counts as the end of a line.
_LINE_END = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_NO_COLON = "could not find expected ':'"
# A text on its own is a whole document; a comment behind it ends it.
_ENDED = "did not find expected <document start>"
_NEVER_CLOSED = "found unexpected end of stream"
_NO_START = "found character that cannot start any token"
_TWO_VALUES = "mapping values are not allowed in this context"
_OUT_OF_LINE = ("did not find expected key", "did not find expected '-' indicator")

_LACKS_COLON = "has no colon with a blank after it"


class Place(NamedTuple):
    """Line and column in a text, both from 0."""

    line: int
    column: int


class Found(NamedTuple):
    """What is wrong, and on which line, from 1."""

    line: int
    wrong: str


def explained(text: str, words: Collection[str], problem: str, at: Place, since: Place) -> Found:
    """What libyaml means by `problem`, which it saw at `at` in what began at `since`.

    `words`: the keys that may be quoted.
    """
    # An error at the very end is on the line after the last one.
    lines = [*_LINE_END.split(text), ""]
    here = lines[at.line]
    indent = here[: len(here) - len(here.lstrip())]
    if _TAB in indent:
        wrong = f"column {indent.index(_TAB) + 1} has a tab; indent with spaces"
        return Found(at.line + 1, wrong)
    if problem == _NO_COLON:
        return Found(since.line + 1, f"{_quoted(lines[since.line], words)} {_LACKS_COLON}")
    if problem == _TWO_VALUES:
        return _second_value(lines, words, at)
    first = next((n for n, line in enumerate(lines) if _says_something(line)), at.line)
    if problem == _ENDED and _lacks_colon(lines[first]):
        return Found(first + 1, f"{_quoted(lines[first], words)} {_LACKS_COLON}")
    if problem in _OUT_OF_LINE and since.line < at.line:
        wrong = f"{_quoted(here, words)} does not fit the lines above it; look at its indentation"
        return Found(at.line + 1, wrong)
    if problem == _NEVER_CLOSED:
        return Found(since.line + 1, "a quote is opened here and never closed")
    if problem == _NO_START:
        wrong = f"column {at.column + 1} has a character that starts no value; put it in quotes"
        return Found(at.line + 1, wrong)
    began = f", in what began on line {since.line + 1}" if since.line < at.line else ""
    return Found(at.line + 1, f"not YAML: {problem}{began}")


def _second_value(lines: list[str], words: Collection[str], at: Place) -> Found:
    """A colon where a value goes on: one too many on its line, or something amiss above."""
    here = lines[at.line]
    key = _LINE.fullmatch(here)
    if key is None or at.column > key.end("key"):
        wrong = f"{_quoted(here, words)} has a second colon; put the value in quotes"
        return Found(at.line + 1, wrong)
    above = next((n for n in range(at.line - 1, -1, -1) if _says_something(lines[n])), None)
    if above is None:
        return Found(at.line + 1, f"not YAML: {_TWO_VALUES}")
    if _lacks_colon(lines[above]):
        return Found(above + 1, f"{_quoted(lines[above], words)} {_LACKS_COLON}")
    wrong = f"{_quoted(here, words)} is indented deeper than line {above + 1} above it"
    return Found(at.line + 1, wrong)


def _says_something(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _lacks_colon(line: str) -> bool:
    found = _LINE.fullmatch(line)
    return found is None or not found["colon"] or found["rest"][:1] not in ("", " ", _TAB)


def _quoted(line: str, words: Collection[str]) -> str:
    """`sso: …`: the line with nothing in it that may be a secret."""
    found = _LINE.fullmatch(line)
    if found is None or found["key"] not in words:
        return "this line"
    blank = " " if found["rest"].startswith((" ", _TAB)) else ""
    rest = f"{blank}…" if found["rest"].strip() else ""
    return f"`{found['key']}{found['colon']}{rest}`"

"""YAML read strictly, so that a person and a program read the same thing in it.

- YAML 1.2 scalars (https://yaml.org/spec/1.2.2/#103-core-schema): `true` and `false` are the only
  booleans, so `on`, `off`, `yes` and `no` stay words; `22:30` is text, not a base-60 number; a
  date is text. What the schema could read in two ways (`010`, `0x1F`, `True`) stays text.
- A key given twice, an anchor, an alias, a tag, a directive or a second document is a Problem.
  Each lets a file say something else than it seems to; aliases also let 300 bytes become gigabytes.
- Every key remembers its line, so that a Problem can name it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from gateway.errors import Problem
from gateway.yamlsyntax import Place, explained

KeyPath = tuple[str | int, ...]

# A policy that names ten thousand people is 300 KB; more than this is the wrong file.
LARGEST_FILE = 1024 * 1024
# The deepest key we know, `shared_mailboxes.addresses[0]`, is at depth 3.
_DEEPEST = 20

# libyaml reads a large policy 20 times faster than the pure Python parser, so that a reload does
# not hold up requests; both give the same events.
_Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_NULL = frozenset({"", "~", "null"})
# 18 digits fit 64 bits; beyond that it is an identifier, and stays text.
_INT = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})\.[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Document:
    """One file's content: plain dicts, lists, text, numbers, booleans and None.

    `file` is its name as told in problems; `lines` the line of each key and list entry, from 1.
    """

    file: str
    value: Mapping[str, object]
    lines: Mapping[KeyPath, int] = field(default_factory=dict)

    def line(self, path: KeyPath) -> int | None:
        """The line of `path`, or of the nearest key above it that is in the file."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return None

    def problem(self, path: KeyPath, value: str | None, wrong: str) -> Problem:
        line = self.line(path)
        where = self.file if line is None else f"{self.file}:{line}"
        return Problem(where, dotted(path), value, wrong)


class Shape(NamedTuple):
    """What a kind of file may hold: every key of ours in it, at whatever depth, and those that it
    cannot be without."""

    words: frozenset[str]
    needs: tuple[str, ...]


ANY_SHAPE = Shape(frozenset(), ())


def dotted(path: KeyPath) -> str:
    """`("aliases", 0)` -> `aliases[0]`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def read_yaml(
    content: bytes, file: str, shape: Shape = ANY_SHAPE
) -> Document | tuple[Problem, ...]:
    """The mapping in `content`, or what is wrong with it; `file` is its name in problems."""
    if len(content) > LARGEST_FILE:
        return (Problem(file, "", None, f"larger than {LARGEST_FILE // 1024} KiB"),)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return (Problem(f"{file}:{line}", "", None, "not UTF-8 text"),)
    reader = _Reader(file)
    try:
        value = reader.document(yaml.parse(text, Loader=_Loader))
    except yaml.YAMLError as error:
        return (_syntax_problem(text, file, shape, error),)
    except _Refused as refused:
        return (*reader.problems, refused.problem)
    if reader.problems:
        return tuple(reader.problems)
    if value is None:
        needs = f"; needs at least {' and '.join(shape.needs)}" if shape.needs else ""
        return (Problem(file, "", None, f"is empty{needs}"),)
    if not isinstance(value, dict):
        return (Problem(f"{file}:1", "", None, "must be a mapping of keys to values"),)
    return Document(file, value, reader.lines)


def _syntax_problem(text: str, file: str, shape: Shape, error: yaml.YAMLError) -> Problem:
    """Where the syntax broke. Never the text around it, which may be a secret."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        at = _place(error.problem_mark)
        since = at if error.context_mark is None else _place(error.context_mark)
        line, wrong = explained(text, shape.words, str(error.problem), at, since)
        return Problem(f"{file}:{line}", "", None, wrong)
    return Problem(file, "", None, "not YAML: it has a character that is not allowed in text files")


def _place(mark: yaml.Mark) -> Place:
    return Place(mark.line, mark.column)


class _Refused(Exception):
    """Reading cannot go on."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.problem = problem


class _Reader:
    """Builds one document from parser events; collects what it can go on after."""

    def __init__(self, file: str) -> None:
        self.problems: list[Problem] = []
        self.lines: dict[KeyPath, int] = {}
        self._file = file

    def document(self, events: Iterator[Event]) -> object:
        value: object = None
        documents = 0
        for event in events:
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise _Refused(
                        self._problem(event, (), "a second document (`---`) in one file")
                    )
                if event.version or event.tags:
                    raise _Refused(self._problem(event, (), "a directive (`%NAME`) is not allowed"))
                value = self._value(next(events), events, ())
        return value

    def _value(self, event: Event, events: Iterator[Event], path: KeyPath) -> object:
        self._refuse_indirection(event, path)
        if len(path) > _DEEPEST:
            raise _Refused(self._problem(event, path, f"nested more than {_DEEPEST} deep"))
        match event:
            case MappingStartEvent():
                return self._mapping(events, path)
            case SequenceStartEvent():
                return self._sequence(events, path)
            case ScalarEvent(style=None, value=text) | ScalarEvent(style="", value=text):
                return _plain(text)
            case ScalarEvent(value=text):
                return text
            case _:
                raise _Refused(self._problem(event, path, "not a value"))

    def _mapping(self, events: Iterator[Event], path: KeyPath) -> dict[str, object]:
        found: dict[str, object] = {}
        for event in events:
            if isinstance(event, MappingEndEvent):
                break
            self._refuse_indirection(event, path)
            if not isinstance(event, ScalarEvent):
                raise _Refused(self._problem(event, path, "a key must be plain text"))
            key = str(event.value)
            here = (*path, key)
            if key in found:
                first = self.lines[here]
                self.problems.append(
                    self._problem(event, here, f"given twice, first on line {first}")
                )
            self.lines.setdefault(here, _line(event))
            found[key] = self._value(next(events), events, here)
        return found

    def _sequence(self, events: Iterator[Event], path: KeyPath) -> list[object]:
        found: list[object] = []
        for event in events:
            if isinstance(event, SequenceEndEvent):
                break
            here = (*path, len(found))
            self.lines[here] = _line(event)
            found.append(self._value(event, events, here))
        return found

    def _refuse_indirection(self, event: Event, path: KeyPath) -> None:
        if isinstance(event, AliasEvent):
            raise _Refused(self._problem(event, path, "an alias (`*name`) is not allowed"))
        if getattr(event, "anchor", None) is not None:
            raise _Refused(self._problem(event, path, "an anchor (`&name`) is not allowed"))
        if getattr(event, "tag", None) is not None:
            raise _Refused(self._problem(event, path, "a tag (`!name`) is not allowed"))

    def _problem(self, event: Event, path: KeyPath, wrong: str) -> Problem:
        return Problem(f"{self._file}:{_line(event)}", dotted(path), None, wrong)


def _line(event: Event) -> int:
    return event.start_mark.line + 1 if event.start_mark is not None else 1


def _plain(text: str) -> object:
    """An unquoted scalar."""
    if text in _NULL:
        return None
    if text in {"true", "false"}:
        return text == "true"
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text

"""One change to a policy's YAML text, every other character as it was. Pure.

PyYAML writes a file anew and loses its comments, so the text itself is changed, at the places that
its parser names. What comes out is never trusted for that: `changed` reads it, and demands that
exactly what was meant is different. A file in a form not foreseen is left to its author.
"""

import json
import re
from collections.abc import Callable

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from gateway.email import Email, InvalidEmail
from gateway.errors import Problem
from gateway.policy.model import Policy
from gateway.policy.parse import parse_policy

# What needs no quotes in YAML, wherever it stands.
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*@[A-Za-z0-9.-]+")
_BOM = "\ufeff"

Edit = Callable[[str], str]


class _Unforeseen(Exception):
    """The text is not in a form that can be changed safely."""


def changed(content: bytes, file: str, edit: Edit, meant: Policy) -> bytes | tuple[Problem, ...]:
    """The file's content after `edit`, if it then says `meant` and nothing else; else why not."""
    text = content.decode("utf-8")
    bom = _BOM if text.startswith(_BOM) else ""
    by_hand = "is written in a way that this command does not change; do it by hand"
    try:
        new = (bom + edit(text.removeprefix(_BOM))).encode()
    except (_Unforeseen, yaml.YAMLError):
        return (Problem(file, "", None, by_hand),)
    read = parse_policy(new, file)
    if isinstance(read, tuple):
        return read
    return new if read == meant else (Problem(file, "", None, by_hand),)


def setting(key: str, value: str) -> Edit:
    """Have `key: value` instead of what is there."""

    def edit(text: str) -> str:
        _, node = _entry(text, key)
        if not isinstance(node, ScalarNode):
            raise _Unforeseen
        return text[: node.start_mark.index] + value + text[node.end_mark.index :]

    return edit


def adding(key: str, email: Email) -> Edit:
    """Have the address in the list under `key`, which is made when it is not there."""
    written = str(email)
    if not _PLAIN.fullmatch(written):
        written = json.dumps(written, ensure_ascii=False)

    def edit(text: str) -> str:
        _, node = _entry(text, key)
        if node is None:
            end = "" if not text or text.endswith("\n") else "\n"
            return f"{text}{end}{key}: [{written}]\n"
        if not isinstance(node, SequenceNode):
            raise _Unforeseen
        if not node.value:
            return text[: node.start_mark.index] + f"[{written}]" + text[node.end_mark.index :]
        last = node.value[-1].end_mark
        if node.flow_style:
            return f"{text[: last.index]}, {written}{text[last.index :]}"
        lines = text.splitlines(keepends=True)
        if not lines[last.line].endswith("\n"):
            lines[last.line] += "\n"
        lines.insert(last.line + 1, f"{' ' * node.start_mark.column}- {written}\n")
        return "".join(lines)

    return edit


def removing(key: str, emails: frozenset[Email]) -> Edit:
    """Have none of the addresses in the list under `key`."""

    def edit(text: str) -> str:
        while True:
            name, node = _entry(text, key)
            if name is None or not isinstance(node, SequenceNode):
                raise _Unforeseen
            found = [at for at, item in enumerate(node.value) if _is_one_of(item, emails)]
            if not found:
                return text
            text = _without(text, name, node, found[0])

    return edit


def _without(text: str, name: Node, node: SequenceNode, at: int) -> str:
    items = node.value
    begin, end = items[at].start_mark.index, items[at].end_mark.index
    if not node.flow_style:
        if len(items) == 1:
            return f"{text[: name.end_mark.index]}: []{text[end:]}"
        lines = text.splitlines(keepends=True)
        return "".join(lines[: items[at].start_mark.line] + lines[items[at].end_mark.line + 1 :])
    if at > 0:
        begin = items[at - 1].end_mark.index
    elif len(items) > 1:
        end = items[1].start_mark.index
    return text[:begin] + text[end:]


def _is_one_of(item: Node, emails: frozenset[Email]) -> bool:
    try:
        return isinstance(item, ScalarNode) and Email.parse(item.value) in emails
    except InvalidEmail:
        return False


def _entry(text: str, key: str) -> tuple[Node | None, Node | None]:
    """The key and its value at the top of the document, where it is there."""
    # The parser in Python: libyaml counts bytes, not characters.
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, MappingNode) or root.flow_style:
        raise _Unforeseen
    for name, value in root.value:
        if name.value == key:
            items = value.value if isinstance(value, SequenceNode) else [value]
            if any(item.start_mark.line != item.end_mark.line for item in items):
                raise _Unforeseen
            return name, value
    return None, None

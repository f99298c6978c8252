"""A mapping in one of our YAML files, and its mistakes told so that they can be mended.

`Section` is the base of every model that reads one: frozen, and an unknown key is an error.
`checked` turns a whole Document into such a model or into every Problem at once. Pydantic's
ValidationError ends here: it would print the value of a secret.
"""

import ast
import difflib
import inspect
from collections.abc import Iterator, Mapping
from enum import Enum
from functools import cache
from itertools import pairwise
from textwrap import dedent
from typing import Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import ErrorDetails, PydanticCustomError
from pydantic_core.core_schema import ModelSchema, WithDefaultSchema

from gateway.errors import Problem
from gateway.yamlfile import Document, KeyPath, Shape

_SECRET = "secret"  # noqa: S105 - the type of an error, not a secret
# A longer value would hide what is wrong with it.
_LONGEST_SHOWN = 80

_WRONG = {
    "string_type": "must be text; put it in quotes",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "tuple_type": "must be a list, such as [one, two]",
    "frozen_set_type": "must be a list, such as [one, two]",
    "too_short": "must not be empty",
    "string_too_short": "must not be empty",
    "dict_type": "must be a mapping of keys to values",
    "model_type": "must be a mapping of keys to values",
    "model_attributes_type": "must be a mapping of keys to values",
}
# A secret may stand under a mistyped key, or where the section around it should be.
_MAY_BE_SECRET = frozenset(
    {"extra_forbidden", "missing", "dict_type", "model_type", "model_attributes_type"}
)


class Section(BaseModel):
    """A mapping in a YAML file: frozen, and an unknown key is an error."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        arbitrary_types_allowed=True,
        hide_input_in_errors=True,
    )


M = TypeVar("M", bound=Section)


class _SchemaMaker(GenerateJsonSchema):
    """A section that may be left out shows its defaults at its keys, not a second time whole.

    Each key is described by the text under it. Pydantic could look for that when the class is made
    (`use_attribute_docstrings`); but it reads the source, and every start would pay for it.
    """

    def model_schema(self, schema: ModelSchema) -> JsonSchemaValue:
        made = super().model_schema(schema)
        for key, text in _described(schema["cls"]).items():
            made["properties"][key].setdefault("description", text)
        return made

    def default_schema(self, schema: WithDefaultSchema) -> JsonSchemaValue:
        if isinstance(schema.get("default"), Section):
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)


def schema_of(model: type[Section]) -> dict[str, object]:
    """The JSON schema of a file that is read as `model`."""
    # Serialization mode shows defaults as the file writes them: `8h`, not 28800.0.
    return model.model_json_schema(schema_generator=_SchemaMaker, mode="serialization")


def _described(section: type[BaseModel]) -> dict[str, str]:
    """The text under each key of the section."""
    (made,) = ast.parse(dedent(inspect.getsource(section))).body
    lines = made.body if isinstance(made, ast.ClassDef) else []
    return {
        line.target.id: inspect.cleandoc(under.value.value)
        for line, under in pairwise(lines)
        if isinstance(line, ast.AnnAssign)
        and isinstance(line.target, ast.Name)
        and isinstance(under, ast.Expr)
        and isinstance(under.value, ast.Constant)
        and isinstance(under.value.value, str)
    }


@cache
def shape_of(model: type[Section]) -> Shape:
    """What `read_yaml` is told of a file that is read as `model`."""
    sections: set[type[BaseModel]] = set()
    todo: list[type[BaseModel]] = [model]
    while todo:
        section = todo.pop()
        sections.add(section)
        for field in section.model_fields.values():
            todo += [inner for inner in _sections(field.annotation) if inner not in sections]
    words = frozenset(key for section in sections for key in section.model_fields)
    needs = (key for key, field in model.model_fields.items() if field.is_required())
    return Shape(words, tuple(needs))


def secret_error(wrong: str) -> PydanticCustomError:
    """An error about a value that must not be shown."""
    return PydanticCustomError(_SECRET, "{wrong}", {"wrong": wrong})


def checked(
    model: type[M], document: Document, context: Mapping[str, object] | None = None
) -> M | tuple[Problem, ...]:
    """The document read as `model`, or every problem in it, in the order of its lines.

    `context` is handed to the validators of gateway/values.py and its neighbours.
    """
    try:
        return model.model_validate(document.value, context=dict(context or {}))
    except ValidationError as error:
        found = [_problem(model, document, detail) for detail in error.errors(include_url=False)]
    return tuple(problem for _line, problem in sorted(found, key=lambda entry: entry[0]))


def _problem(model: type[Section], document: Document, detail: ErrorDetails) -> tuple[int, Problem]:
    """One error of pydantic with the line to sort it by."""
    kind, context = detail["type"], detail.get("ctx", {})
    path = _path(document.value, detail["loc"])
    # The key says itself what it is.
    value = None if detail["loc"][-1:] == ("[key]",) else detail["input"]
    match kind:
        case "extra_forbidden":
            wrong = _unknown(str(path[-1]), _allowed(model, detail["loc"][:-1]))
        case "missing":
            wrong = _missing(_sections_at(model, detail["loc"][:-1]), detail["loc"][-1])
        case "union_tag_not_found":
            path = (*path, "kind")
            wrong = _missing(_sections_at(model, detail["loc"]), "kind")
        case "union_tag_invalid":
            path, value = (*path, "kind"), context["tag"]
            wrong = f"must be one of {context['expected_tags']}"
        case "literal_error" | "enum":
            wrong = f"must be one of {context['expected']}"
        case "greater_than_equal":
            wrong = f"must be at least {context['ge']}"
        case "less_than_equal":
            wrong = f"must be at most {context['le']}"
        case _:
            wrong = _WRONG.get(kind, detail["msg"].removeprefix("Value error, "))
    return document.line(path) or 0, document.problem(path, _shown(kind, value), wrong)


def _path(value: object, location: KeyPath) -> KeyPath:
    """`location` as pydantic tells it, less what is no key of the document: the tag of a union,
    the `[key]` after a key that is itself wrong."""
    path: list[str | int] = []
    for index, step in enumerate(location):
        last = index == len(location) - 1
        if isinstance(value, Mapping):
            if step in value:
                value = value[step]
            elif not last or step == "[key]":
                continue
            else:
                value = None
        elif isinstance(value, list | tuple) and isinstance(step, int) and step < len(value):
            value = value[step]
        path.append(step)
    return tuple(path)


def _shown(kind: str, value: object) -> str | None:
    """The value as it stood in the file: only a scalar, and never what may be a secret."""
    if kind == _SECRET:
        return "**********"
    if kind in _MAY_BE_SECRET or not isinstance(value, str | int | float):
        return None
    text = str(value).lower() if isinstance(value, bool) else str(value)
    # A line break or an escape sequence must not write the operator's terminal.
    text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[: _LONGEST_SHOWN + 1])
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…"


def _unknown(key: str, allowed: tuple[str, ...]) -> str:
    nearest = nearest_of(key, allowed)
    return f"unknown key{nearest}; allowed: {', '.join(allowed)}"


def nearest_of(word: str, allowed: tuple[str, ...]) -> str:
    """`, did you mean x?` when one of `allowed` is close to `word`, else nothing."""
    near = difflib.get_close_matches(word, allowed, 1)
    return f", did you mean `{near[0]}`?" if near else ""


def _missing(sections: tuple[type[BaseModel], ...], key: object) -> str:
    """With the words that the key may have, if those are few."""
    fields = (section.model_fields.get(str(key)) for section in sections)
    words = [word for field in fields if field for word in _words(field.annotation)]
    allowed = f"; one of {', '.join(words)}" if words else ""
    return f"required, but not there{allowed}"


def _words(annotation: object) -> tuple[str, ...]:
    """What a Literal or an enum allows; nothing for another type."""
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return tuple(str(member.value) for member in annotation)
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def _allowed(model: type[Section], location: KeyPath) -> tuple[str, ...]:
    """The keys of the section at `location`."""
    sections = _sections_at(model, location)
    return tuple(dict.fromkeys(key for section in sections for key in section.model_fields))


def _sections_at(model: type[Section], location: KeyPath) -> tuple[type[BaseModel], ...]:
    """The section at `location`; several where the file does not say which one."""
    sections: tuple[type[BaseModel], ...] = (model,)
    for step in location:
        deeper = tuple(
            inner
            for section in sections
            if step in section.model_fields
            for inner in _sections(section.model_fields[str(step)].annotation)
        )
        # The step is a key of ours, the tag of a union, or a free key such as a provider's name.
        sections = deeper or tuple(s for s in sections if _tag(s) == step) or sections
    return sections


def _tag(section: type[BaseModel]) -> object:
    kind = section.model_fields.get("kind")
    return kind.default if kind is not None else None


def _sections(annotation: object) -> Iterator[type[BaseModel]]:
    """Every model named in a type, such as `dict[str, Provider]` or `A | B`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _sections(argument)

"""What is wrong with a file is told with its key, its value and what is allowed."""

from typing import Literal

import pytest
from pydantic import Field

from gateway.errors import Problem
from gateway.secret_values import SecretText
from gateway.section import Section, checked, nearest_of, schema_of, shape_of
from gateway.values import Duration
from gateway.yamlfile import Document, read_yaml


class Red(Section):
    kind: Literal["red"] = "red"
    shade: str


class Blue(Section):
    kind: Literal["blue"] = "blue"
    depth: int = Field(strict=True, ge=1, le=9)


class Part(Section):
    weight: int = Field(strict=True)
    wait: Duration = 60.0
    key: SecretText | None = None
    size: Literal["small", "large"] = "small"


class Whole(Section):
    name: str
    ready: bool = Field(default=False, strict=True)
    part: Part = Part(weight=1)
    parts: dict[str, Part] = Field(default_factory=dict)
    words: tuple[str, ...] = ()
    colour: Red | Blue | None = Field(None, discriminator="kind")


def told(text: str) -> list[str]:
    document = read_yaml(text.encode(), "w.yaml")
    assert isinstance(document, Document)
    problems = checked(Whole, document)
    assert isinstance(problems, tuple), problems
    assert all(isinstance(problem, Problem) for problem in problems)
    return [str(problem) for problem in problems]


def test_read() -> None:
    document = read_yaml(b"name: x\npart: {weight: 2, wait: 2h}\nwords: [a]", "w.yaml")
    assert isinstance(document, Document)
    whole = checked(Whole, document)
    assert isinstance(whole, Whole)
    assert whole.part == Part.model_construct(weight=2, wait=7200.0, key=None, size="small")
    assert whole.words == ("a",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("words: []", ["w.yaml: name: required, but not there"]),
        ("name: 7", ["w.yaml:1: name = 7: must be text; put it in quotes"]),
        ("name: true", ["w.yaml:1: name = true: must be text; put it in quotes"]),
        ("name:", ["w.yaml:1: name: must be text; put it in quotes"]),
        ("name: [x]", ["w.yaml:1: name: must be text; put it in quotes"]),
        ("name: x\nready: 'true'", ["w.yaml:2: ready = true: must be true or false"]),
        ("name: x\nready: on", ["w.yaml:2: ready = on: must be true or false"]),
        ("name: x\npart: {weight: 1.5}", ["w.yaml:2: part.weight = 1.5: must be a whole number"]),
        ("name: x\npart: {weight: '2'}", ["w.yaml:2: part.weight = 2: must be a whole number"]),
        ("name: x\npart: {weight: true}", ["w.yaml:2: part.weight = true: must be a whole number"]),
        ("name: x\npart:", ["w.yaml:2: part: must be a mapping of keys to values"]),
        ("name: x\npart: y", ["w.yaml:2: part: must be a mapping of keys to values"]),
        ("name: x\nparts: [y]", ["w.yaml:2: parts: must be a mapping of keys to values"]),
        ("name: x\nwords: y", ["w.yaml:2: words = y: must be a list, such as [one, two]"]),
        (
            "name: x\nwords:\n  - a\n  - 7",
            ["w.yaml:4: words[1] = 7: must be text; put it in quotes"],
        ),
        (
            "name: x\npart:\n  weight: 1\n  size: big",
            ["w.yaml:4: part.size = big: must be one of 'small' or 'large'"],
        ),
        (
            "name: x\npart:\n  weight: 1\n  wait: 5",
            ["w.yaml:4: part.wait = 5: must be a number and a unit, such as 30s, 15m, 8h or 7d"],
        ),
        (
            "name: x\ncolour: {kind: green}",
            ["w.yaml:2: colour.kind = green: must be one of 'red', 'blue'"],
        ),
        (
            "name: x\ncolour: {shade: y}",
            ["w.yaml:2: colour.kind: required, but not there; one of red, blue"],
        ),
        ("name: x\ncolour: {kind: red}", ["w.yaml:2: colour.shade: required, but not there"]),
        (
            "name: x\ncolour:\n  kind: blue\n  depth: 10",
            ["w.yaml:4: colour.depth = 10: must be at most 9"],
        ),
        (
            "name: x\ncolour:\n  kind: blue\n  depth: 0",
            ["w.yaml:4: colour.depth = 0: must be at least 1"],
        ),
    ],
)
def test_problems(text: str, expected: list[str]) -> None:
    assert told(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "name: x\nwort: [a]",
            "w.yaml:2: wort: unknown key, did you mean `words`?; "
            "allowed: name, ready, part, parts, words, colour",
        ),
        (
            "name: x\nparts:\n  a:\n    weight: 1\n    weigth: 2",
            "w.yaml:5: parts.a.weigth: unknown key, did you mean `weight`?; "
            "allowed: weight, wait, key, size",
        ),
        (
            "name: x\ncolour:\n  kind: red\n  shade: dark\n  depht: 2",
            "w.yaml:5: colour.depht: unknown key; allowed: kind, shade",
        ),
    ],
)
def test_unknown_keys_name_the_nearest(text: str, expected: str) -> None:
    assert told(text) == [expected]


def test_every_problem_at_once_in_the_order_of_the_file() -> None:
    problems = told("words: y\nextra: 1\npart:\n  wait: x\n  size: z\nready: 7")
    assert [problem.split(":")[1] for problem in problems[1:]] == ["1", "2", "3", "4", "5", "6"]
    assert problems[0] == "w.yaml: name: required, but not there"


def test_nothing_secret_is_shown() -> None:
    text = "name: x\npart: {weight: 1, key: 'env:', kye: hunter2}\nwort: hunter2"
    assert "hunter2" not in "".join(told(text))
    assert "part.key = **********: after env:" in "".join(told(text))


def test_long_and_strange_values_stay_on_one_line() -> None:
    (problem,) = told('name: x\npart: {weight: "' + "a\\n\\e[31m" * 40 + '"}')
    assert "\n" not in problem
    assert "\x1b" not in problem
    assert len(problem) < 200


def test_nearest() -> None:
    assert nearest_of("gogle", ("google", "microsoft")) == ", did you mean `google`?"
    assert nearest_of("okta", ("google", "microsoft")) == ""
    assert nearest_of("google", ()) == ""


def test_shape() -> None:
    shape = shape_of(Whole)
    assert shape.needs == ("name",)
    assert shape.words >= {"name", "parts", "weight", "kind", "shade", "depth"}


def test_sections_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Part(weight=1).weight = 2  # type: ignore[misc]


def test_schema_shows_defaults_as_the_file_writes_them_and_once() -> None:
    schema = schema_of(Whole)
    definitions = schema["$defs"]
    assert isinstance(definitions, dict)
    assert definitions["Part"]["properties"]["wait"]["default"] == "1m"
    properties = schema["properties"]
    assert isinstance(properties, dict)
    assert "default" not in properties["part"]
    assert properties["words"]["default"] == []

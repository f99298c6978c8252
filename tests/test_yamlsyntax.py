"""What breaks a YAML file is told by the line that a person must look at."""

import pytest

from gateway.yamlfile import Shape, read_yaml

WORDS = frozenset({"domain", "sso", "providers", "client_secret", "session", "idle", "aliases"})


def told(text: str) -> str:
    problems = read_yaml(text.encode(), "p.yaml", Shape(WORDS, ()))
    assert isinstance(problems, tuple), problems
    (problem,) = problems
    return str(problem).removeprefix("p.yaml:")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("domain: a\n\tsso: on", "2: column 1 has a tab; indent with spaces"),
        ("session:\n  \tidle: 1h", "2: column 3 has a tab; indent with spaces"),
        ("aliases:\n  - a\n\t- b", "3: column 1 has a tab; indent with spaces"),
        ("domain acme\nsso: on", "1: `domain …` has no colon with a blank after it"),
        ("domain: acme\nsso on\nproviders: {}", "2: `sso …` has no colon with a blank after it"),
        ("domain: acme\nsso on", "2: `sso …` has no colon with a blank after it"),
        ("domain: acme\r\nsso on\r\n", "2: `sso …` has no colon with a blank after it"),
        ("domain: acme\n\n# x\nsso", "4: `sso` has no colon with a blank after it"),
        ("domain:acme\nsso: on", "1: `domain:…` has no colon with a blank after it"),
        ("session # x\nidle: 1h", "1: `session …` has no colon with a blank after it"),
        ("domain: a\n...\nsso: on", "3: not YAML: did not find expected <document start>"),
        ("session\n\n  idle: 1h", "1: `session` has no colon with a blank after it"),
        ("domain: acme\n  sso: on", "2: `sso: …` is indented deeper than line 1 above it"),
        (
            "session:\n  idle: 1h\n   sso: on",
            "3: `sso: …` is indented deeper than line 2 above it",
        ),
        (
            "session:\n   idle: 1h\n  sso: on",
            "3: `sso: …` does not fit the lines above it; look at its indentation",
        ),
        ("domain: acme: x", "1: `domain: …` has a second colon; put the value in quotes"),
        ("aliases:\n  - sso: on: x", "2: `sso: …` has a second colon; put the value in quotes"),
        ("sso: 'on\ndomain: acme", "1: a quote is opened here and never closed"),
        ("sso: @on", "1: column 6 has a character that starts no value; put it in quotes"),
        (
            "aliases: [a\nsso: on",
            "2: not YAML: did not find expected ',' or ']', in what began on line 1",
        ),
    ],
)
def test_told(text: str, expected: str) -> None:
    assert told(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "client_secret: hunter2: x",
        "client_secret hunter2\nsso: on",
        "client_secret:hunter2\nsso: on",
        "sso: on\nclient_secret: 'hunter2",
        "client_secret:\n  hunter2\n  sso: on",
        "client_secret: abc\n  hunter2: x",
        "sso: on\nhunter2",
        "sso: on\n\thunter2: x",
        "sso: on\n'hunter2': x: y",
        "client_secret: @hunter2",
        "session:\n    idle: 1h\n  hunter2: x",
        'client_secret: "\\hunter2"',
    ],
)
def test_nothing_is_quoted_that_may_be_a_secret(text: str) -> None:
    assert "hunter2" not in told(text)

"""YAML is read the way a person reads it, or refused with the line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.yamlfile import LARGEST_FILE, Document, Shape, dotted, read_yaml


def read(text: str) -> object:
    document = read_yaml(text.encode(), "a.yaml")
    assert isinstance(document, Document), document
    return document.value


def refused(content: str | bytes) -> str:
    """What the one problem says."""
    raw = content.encode() if isinstance(content, str) else content
    problems = read_yaml(raw, "a.yaml")
    assert isinstance(problems, tuple)
    assert len(problems) == 1
    return str(problems[0])


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("true", True),
        ("false", False),
        # Words in YAML 1.2 and here; in YAML 1.1 they were booleans.
        ("on", "on"),
        ("off", "off"),
        ("yes", "yes"),
        ("no", "no"),
        ("y", "y"),
        ("True", "True"),
        ("TRUE", "TRUE"),
        ("'true'", "true"),
        ('"true"', "true"),
        ("null", None),
        ("~", None),
        ("", None),
        ("'~'", "~"),
        ("Null", "Null"),
        ("7", 7),
        ("-7", -7),
        ("+7", 7),
        ("0", 0),
        ("'7'", "7"),
        # Octal to some readers and decimal to others.
        ("010", "010"),
        ("0o10", "0o10"),
        ("0x1F", "0x1F"),
        ("0b1", "0b1"),
        ("1_000", "1_000"),
        # 81000 to YAML 1.1.
        ("22:30:00", "22:30:00"),
        ("127.0.0.1:8080", "127.0.0.1:8080"),
        ("2026-11-23", "2026-11-23"),
        ("1.5", 1.5),
        ("1e3", "1e3"),
        (".inf", ".inf"),
        ("1.2.3", "1.2.3"),
        ("123456789012345678", 123456789012345678),
        ("9" * 5000, "9" * 5000),
        ("30s", "30s"),
        ("acme.example", "acme.example"),
        ("|\n  two\n  lines\n", "two\nlines\n"),
        (">\n  one\n  line\n", "one line\n"),
    ],
)
def test_scalars(scalar: str, value: object) -> None:
    found = read(f"key: {scalar}")
    assert found == {"key": value}
    assert isinstance(found, dict)
    assert type(found["key"]) is type(value)


def test_mappings_and_lists() -> None:
    text = "a: [1, {b: c}]\nd:\n  - e\n  -\n    f: g\nh: {}\ni: []\n"
    assert read(text) == {"a": [1, {"b": "c"}], "d": ["e", {"f": "g"}], "h": {}, "i": []}


@pytest.mark.parametrize("key", ["on", "off", "yes", "true", "null", "1", "~", "<<"])
def test_keys_are_text(key: str) -> None:
    assert read(f"{key}: x") == {key: "x"}


def test_a_byte_order_mark_is_not_part_of_the_first_key() -> None:
    assert read("\ufeffdomain: x") == {"domain": "x"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3", "a.yaml:3: a: given twice, first on line 1"),
        ("a:\n  b: 1\n  b: 2", "a.yaml:3: a.b: given twice, first on line 2"),
        ("a: [{b: 1, b: 2}]", "a.yaml:1: a[0].b: given twice, first on line 1"),
        ("a: &x 1", "a.yaml:1: a: an anchor (`&name`) is not allowed"),
        ("a: &x {b: c}", "a.yaml:1: a: an anchor (`&name`) is not allowed"),
        ("a: &x [b]", "a.yaml:1: a: an anchor (`&name`) is not allowed"),
        ("&x a: 1", "a.yaml:1: an anchor (`&name`) is not allowed"),
        ("a: *x", "a.yaml:1: a: an alias (`*name`) is not allowed"),
        ("a: 1\n<<: *x", "a.yaml:2: <<: an alias (`*name`) is not allowed"),
        ("a: [b, *x]", "a.yaml:1: a[1]: an alias (`*name`) is not allowed"),
        ("*x : 1", "a.yaml:1: an alias (`*name`) is not allowed"),
        ("a: !!str 1", "a.yaml:1: a: a tag (`!name`) is not allowed"),
        ("a: ! 1", "a.yaml:1: a: a tag (`!name`) is not allowed"),
        ("a: !!python/object/apply:os.system [id]", "a: a tag (`!name`) is not allowed"),
        ("!!omap\na: 1", "a.yaml:1: a tag (`!name`) is not allowed"),
        ("a: 1\n---\nb: 2", "a.yaml:2: a second document (`---`) in one file"),
        ("---\na: 1\n---\n", "a.yaml:3: a second document (`---`) in one file"),
        ("%YAML 1.1\n---\na: on", "a directive (`%NAME`) is not allowed"),
        ("%TAG ! tag:x,2026:\n---\na: 1", "a directive (`%NAME`) is not allowed"),
        ("? [a, b]\n: c", "a.yaml:1: a key must be plain text"),
        ("? {a: b}\n: c", "a.yaml:1: a key must be plain text"),
        ("", "a.yaml: is empty"),
        ("# nothing\n", "a.yaml: is empty"),
        ("- a\n- b", "a.yaml:1: must be a mapping of keys to values"),
        ("just words", "a.yaml:1: must be a mapping of keys to values"),
        ("a: [b", "not YAML: "),
        ("a: 'b", "a.yaml:1: a quote is opened here and never closed"),
        ("\ta: b", "a.yaml:1: column 1 has a tab; indent with spaces"),
        ("a: b: c", "a.yaml:1: this line has a second colon; put the value in quotes"),
        ("a: \x01", "a.yaml: not YAML: it has a character that is not allowed in text files"),
        ("a: " + "[" * 30 + "]" * 30, "nested more than 20 deep"),
        ("a: " + "{b: " * 30 + "}" * 30, "nested more than 20 deep"),
    ],
)
def test_refused(text: str, said: str) -> None:
    assert said in refused(text)


def test_every_doubled_key_is_told() -> None:
    problems = read_yaml(b"a: 1\na: 2\nb: 3\nb: 4", "a.yaml")
    assert isinstance(problems, tuple)
    assert [problem.key for problem in problems] == ["a", "b"]


def test_not_utf8() -> None:
    assert refused(b"a: b\nc: \xff\n") == "a.yaml:2: not UTF-8 text"
    assert "not UTF-8" in refused("a: b".encode("utf-16"))


def test_too_large() -> None:
    assert refused(b"#" * (LARGEST_FILE + 1)) == "a.yaml: larger than 1024 KiB"
    assert read("a: b\n" + "#" * (LARGEST_FILE - 10)) == {"a": "b"}


def test_a_bomb_of_aliases_is_refused_before_it_is_built() -> None:
    bomb = "a: &a [x, x]\n" + "".join(
        f"{name}: &{name} [*{before}, *{before}]\n"
        for before, name in zip("abcdefghijklmnop", "bcdefghijklmnopq", strict=True)
    )
    assert "anchor" in refused(bomb)


def test_deep_nesting_ends_without_recursion_error() -> None:
    assert refused("[" * 100_000)
    assert refused("a: " + "- " * 100_000)


def test_syntax_errors_show_nothing_of_the_file() -> None:
    assert "hunter2" not in refused("client_secret: 'hunter2\nx: y")
    assert "hunter2" not in refused("client_secret: hunter2: x")


def test_an_empty_file_is_told_what_it_needs() -> None:
    shape = Shape(frozenset({"domain", "sso"}), ("domain", "sso"))
    problems = read_yaml(b"# later", "a.yaml", shape)
    assert isinstance(problems, tuple)
    assert [str(problem) for problem in problems] == [
        "a.yaml: is empty; needs at least domain and sso"
    ]


def test_lines() -> None:
    document = read_yaml(b"a: 1\nb:\n  - x\n  - y: z\n", "a.yaml")
    assert isinstance(document, Document)
    assert document.line(("a",)) == 1
    assert document.line(("b",)) == 2
    assert document.line(("b", 0)) == 3
    assert document.line(("b", 1, "y")) == 4
    # What is not there has the line of what it should be in.
    assert document.line(("b", 1, "missing")) == 4
    assert document.line(("missing",)) is None
    assert str(document.problem(("missing",), None, "required")) == "a.yaml: missing: required"
    assert str(document.problem(("b", 0), "x", "no")) == "a.yaml:3: b[0] = x: no"


def test_dotted() -> None:
    assert dotted(()) == ""
    assert dotted(("a", "b", 0, "c")) == "a.b[0].c"


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    found = read_yaml(text.encode("utf-8", "surrogatepass"), "a.yaml", Shape(frozenset("ab"), ()))
    assert isinstance(found, Document) or found


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    found = read_yaml(content, "a.yaml")
    assert isinstance(found, Document) or found

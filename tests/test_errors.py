"""The tree of exceptions is drawn whole, and every exception of ours hangs on it."""

import ast
import re
from pathlib import Path
from types import ModuleType

import aiohttp
import pytest
import redis.exceptions
import sqlalchemy.exc

from gateway import errors
from gateway.errors import ConfigError, GatewayError, Problem, Unavailable

GATEWAY = Path(errors.__file__).parent


def below(error: type[GatewayError]) -> list[type[GatewayError]]:
    return [found for child in error.__subclasses__() for found in (child, *below(child))]


def test_the_drawing_is_the_tree() -> None:
    drawn = re.findall(r"[├└]── (\w+)", errors.__doc__ or "")
    assert sorted(drawn) == sorted(error.__name__ for error in below(GatewayError))


def test_no_branch_grows_elsewhere() -> None:
    names = {"GatewayError", *(error.__name__ for error in below(GatewayError))}
    elsewhere = [
        f"{path.relative_to(GATEWAY)}: {node.name}"
        for path in GATEWAY.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
        and path.name != "errors.py"
        and names & {base.id for base in node.bases if isinstance(base, ast.Name)}
    ]
    assert elsewhere == []


# What the modules that talk to these libraries translate; the standard library's comes on top.
TRANSLATED = {
    aiohttp.client_exceptions: aiohttp.ClientError,
    redis.exceptions: redis.exceptions.RedisError,
    sqlalchemy.exc: sqlalchemy.exc.SQLAlchemyError,
}

# Of parts of these libraries that we do not use, and SQLAlchemy's own wrapping of drivers.
NEVER_MET = set(
    """
    WSMessageTypeError ChildDeadlockedError RedisClusterException SlotNotCoveredError
    CrossSlotTransactionError InvalidPipelineStack IncorrectPolicyType EmulatedDBAPIException
    """.split()
)


@pytest.mark.parametrize("library", TRANSLATED, ids=lambda library: str(library.__name__))
def test_no_foreign_exception_is_missed(library: ModuleType) -> None:
    missed = {
        name
        for name, found in vars(library).items()
        if isinstance(found, type)
        and issubclass(found, Exception)
        and not issubclass(found, (TRANSLATED[library], OSError, Warning))
        and found.__module__ == library.__name__
    }
    assert missed - NEVER_MET == set()


@pytest.mark.parametrize("error", below(Unavailable))
def test_whatever_is_unavailable_has_a_reason(error: type[Unavailable]) -> None:
    assert error.reason.value


@pytest.mark.parametrize(
    ("problem", "told"),
    [
        (Problem("a.yaml:3", "sso", "maybe", "must be on"), "a.yaml:3: sso = maybe: must be on"),
        (Problem("a.yaml", "domain", None, "required"), "a.yaml: domain: required"),
        (Problem("a.yaml", "", None, "not YAML"), "a.yaml: not YAML"),
    ],
)
def test_a_problem_is_one_line(problem: Problem, told: str) -> None:
    assert str(problem) == told


def test_a_config_error_tells_every_problem() -> None:
    problems = (Problem("a", "", None, "one"), Problem("b", "", None, "two"))
    assert str(ConfigError(problems)) == "a: one\nb: two"

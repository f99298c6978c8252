"""A secret shows itself to nobody who did not ask for it by name."""

import copy
import json
import pickle

import pytest

from gateway.secret import Secret

SECRET = Secret("hunter2")


@pytest.mark.parametrize(
    "shown",
    [
        str(SECRET),
        repr(SECRET),
        f"{SECRET}",
        f"{SECRET!r}",
        "%s" % SECRET,  # noqa: UP031 - a way to print it
        str([SECRET]),
        str({"password": SECRET}),
    ],
)
def test_is_masked(shown: str) -> None:
    assert "hunter2" not in shown
    assert "*****" in shown


def test_is_not_carried_away() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(SECRET)
    with pytest.raises(TypeError):
        copy.copy(SECRET)
    with pytest.raises(TypeError):
        json.dumps(SECRET)


def test_is_revealed_by_name() -> None:
    assert SECRET.reveal() == "hunter2"


def test_is_compared_by_value() -> None:
    assert Secret("hunter2") == SECRET
    assert hash(Secret("hunter2")) == hash(SECRET)
    assert Secret("hunter3") != SECRET
    assert SECRET != "hunter2"
    assert not Secret("")

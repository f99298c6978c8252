"""A refresh token is sealed for one session, and moves to another only with its person."""

from pathlib import Path

import pytest

from gateway.secret import Secret
from gateway.session.grant import Grants, Origin
from gateway.session.keys import KeyRing
from gateway.session.model import Grant
from gateway.session.seal import Sealer
from gateway.session.store.embedded import EmbeddedStore
from tests.session.samples import Clock, a_session, new_keys

TOKEN = Secret("1//the-refresh-token")


@pytest.fixture
def grants(tmp_path: Path, keys: KeyRing) -> Grants:
    return Grants(Sealer(keys), EmbeddedStore(tmp_path / "sessions.db"))


def test_what_is_sealed_for_a_session_opens_for_no_other(grants: Grants) -> None:
    grant = grants.seal(TOKEN, "a", 5.0)
    assert grant == Grant(grant.sealed, 5.0)
    assert "the-refresh-token" not in grant.sealed
    assert grants.open(grant, "a") == TOKEN
    assert grants.open(grant, "b") is None


def test_without_its_key_it_is_nothing(grants: Grants, tmp_path: Path) -> None:
    other = Grants(Sealer(new_keys(tmp_path / "other")), EmbeddedStore(tmp_path / "s.db"))
    grant = grants.seal(TOKEN, "a", 5.0)
    assert other.open(grant, "a") is None
    assert other.move(grant, "a", "b") is None


@pytest.mark.parametrize(("attempt", "unsure"), [(None, False), (7.0, True)])
def test_moved_it_remembers_what_is_not_known_of_it(
    grants: Grants, attempt: float | None, unsure: bool
) -> None:
    grant = Grant(grants.seal(TOKEN, "a", 5.0).sealed, 5.0, attempt, failing=6.0)
    moved = grants.move(grant, "a", "b")
    assert moved is not None
    assert grants.open(moved, "b") == TOKEN
    assert grants.open(moved, "a") is None
    assert (moved.asked, moved.attempt, moved.failing, moved.unsure) == (5.0, None, 6.0, unsure)


async def test_a_new_session_has_its_own_or_its_predecessors(
    tmp_path: Path, keys: KeyRing, clock: Clock
) -> None:
    store = EmbeddedStore(tmp_path / "sessions.db", clock)
    await store.open()
    grants = Grants(Sealer(keys), store)
    before = a_session(clock())
    await store.create(before)
    assert await grants.begin("b", Origin(), 5.0) is None
    assert await grants.begin("b", Origin(continues=before), 5.0) is None
    own = await grants.begin("b", Origin(continues=before, refresh_token=TOKEN), 5.0)
    assert own is not None
    assert grants.open(own, "b") == TOKEN
    await store.close()

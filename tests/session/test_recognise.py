"""A cookie is recognised as ours, or remembered as made up."""

from gateway.session.cookie import mint
from gateway.session.keys import KeyRing
from gateway.session.keys.model import new_key
from gateway.session.live import Live, Sessions
from gateway.session.recognise import Recogniser
from tests.session.samples import Clock, an_account, an_identity


async def test_made_up_cookies_are_refused_each_time_and_remembered_within_bounds(
    sessions: Sessions, clock: Clock
) -> None:
    cookie, _ = await sessions.create(an_identity(), an_account(), None, clock())
    forged = cookie[:-1] + ("A" if cookie[-1] != "A" else "B")
    for value in (forged, "x" * 5000, *(f"made-up-{number}" for number in range(3000))):
        assert sessions.peek(value, clock()) is None
        assert sessions.peek(value, clock()) is None
    assert len(sessions.recogniser._made_up) <= 1024
    assert max(map(len, sessions.recogniser._made_up)) <= 128
    assert isinstance(sessions.peek(cookie, clock()), Live)


def test_a_cookie_of_a_key_that_comes_is_not_taken_for_made_up(keys: KeyRing, clock: Clock) -> None:
    """Another process uses the new key already, and its cookie comes here first."""
    recogniser, new = Recogniser(keys), new_key("root", clock() + 60)
    cookie = mint(KeyRing([new]))
    for _ in range(3):
        assert recogniser.key_of(cookie.value) is None
    assert cookie.value in recogniser._made_up
    keys.renew([*keys.keys, new])
    assert recogniser.key_of(cookie.value) == cookie.key

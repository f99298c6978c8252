"""A refresh token while there is no session for it yet: once, for this sign-in, for ten minutes."""

from aiohttp.test_utils import make_mocked_request

from gateway.identity.transaction import LIFETIME, Proven
from gateway.portal.carried import carried, carry
from gateway.portal.parts import PORTAL
from gateway.portal.visit import Visit, open_visit
from gateway.reasons import Reason
from gateway.secret import Secret
from tests.portal.world import World
from tests.session.samples import an_identity

TOKEN = Secret("1//the-refresh-token")


def visit(world: World) -> Visit:
    request = make_mocked_request("GET", "/sso/accounts", app=world.app)
    assert request.app[PORTAL].named is world.store.named
    return open_visit(request)


def proven(entry_id: str) -> Proven:
    return Proven(entry_id, an_identity(), "/", Reason.SEVERAL_ACCOUNTS, 0.0)


async def test_it_comes_out_once_and_for_nobody_else(world: World) -> None:
    await carry(visit(world), proven("a" * 16), TOKEN)
    assert await carried(visit(world), proven("b" * 16)) is None
    assert await carried(visit(world), proven("a" * 16)) == TOKEN
    assert await carried(visit(world), proven("a" * 16)) is None


async def test_it_does_not_wait_longer_than_the_sign_in(world: World) -> None:
    await carry(visit(world), proven("a" * 16), TOKEN)
    world.clock.ahead += LIFETIME
    assert await carried(visit(world), proven("a" * 16)) is None


async def test_the_store_cannot_read_it(world: World) -> None:
    await carry(visit(world), proven("a" * 16), TOKEN)
    kept = await world.store.named.get(f"refresh:{'a' * 16}")
    assert kept is not None
    assert b"the-refresh-token" not in kept

"""A gateway's edge to attack, and a gateway whose providers lie."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from demo.people import CONSUMER_TENANT, GLOBEX_TENANT
from tests.attacks.liar import Liar, Realm, Signing, honest_keys, more_keys, only_key, rsa
from tests.attacks.lied_to import LiedTo, a_gateway_lied_to
from tests.attacks.nonsense import nonsense
from tests.edge.world import World
from tests.identity.crafting import published


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    await world.start()
    yield world
    await world.stop()


def entra_keys() -> dict[str, Signing]:
    """One key under several names, each with another `issuer` (Entra's member of a key set)."""
    issuers = {
        "of nobody": None,
        "of the consumers": CONSUMER_TENANT,
        "of another tenant": GLOBEX_TENANT,
        "of another host": "../evil/{tenantid}",
        "of any path": "{tenantid}/{tenantid}",
    }
    own = {
        name: Signing(rsa("honest"), jwk=published(rsa("honest"), kid=name, issuer=issuer))
        for name, issuer in issuers.items()
    }
    return honest_keys("microsoft") | own


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def lied(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LiedTo]:
    liar = Liar(
        Realm("google", "google", honest_keys("google") | more_keys()),
        Realm("microsoft", "microsoft", entra_keys()),
        Realm("common", "microsoft", honest_keys("microsoft"), tenant="common"),
        Realm("one-tenant", "microsoft", honest_keys("microsoft"), tenant=GLOBEX_TENANT),
        Realm("corp", "oidc", honest_keys("oidc")),
        Realm("lax", "oidc", honest_keys("oidc") | more_keys(), algorithms=("ES256", "EdDSA")),
        Realm("rolling", "google", honest_keys("google")),
        Realm("same-name", "google", {"honest": only_key(rsa("honest"), "k1")}),
        Realm("nameless", "google", {"honest": only_key(rsa("honest"), None)}),
        *nonsense(),
    )
    async with a_gateway_lied_to(tmp_path_factory.mktemp("lies"), liar) as lied:
        yield lied

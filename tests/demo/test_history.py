"""What happened before is in the gateway's own database, as the gateway reads it."""

from pathlib import Path

from demo.history import write_history
from demo.people import GOOGLE_PEOPLE
from gateway.account.links import LinkStore
from gateway.account.migrations import migrate
from gateway.email import Email
from gateway.identity.model import IdentityKey
from gateway.secret import Secret

ISSUER = "http://localhost:8082/google"


async def test_riley_was_first_and_rita_turned_it_off(tmp_path: Path) -> None:
    url = Secret(f"sqlite:///{tmp_path / 'gateway.db'}")
    await migrate(url)
    await write_history(url, ISSUER)

    subjects = {person.id: person.subject for person in GOOGLE_PEOPLE}
    links = LinkStore(url)
    await links.open()
    pinned = await links.pinned("google", Email.parse("riley@acme.example"))
    removed = await links.removed_of(IdentityKey(ISSUER, subjects["rita"]))
    await links.close()
    assert pinned == IdentityKey(ISSUER, subjects["riley"])
    assert set(removed) == {"1008"}

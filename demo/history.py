"""What happened before the demonstration begins, as the gateway would have written it down.

Two of the people meet a branch of the decision that needs a past: Riley's address was another
Riley's before, and Rita has turned her account off in her settings.
"""

import time

from demo.people import GOOGLE_PEOPLE, GooglePerson
from gateway.account.links import LinkStore
from gateway.email import Email
from gateway.identity.model import IdentityKey
from gateway.secret import Secret

_RITAS_ACCOUNT = "1008"


async def write_history(links_url: Secret, google_issuer: str) -> None:
    """Write it into a gateway's database that was just made."""
    links = LinkStore(links_url)
    await links.open()
    try:
        riley, rita = _person("riley"), _person("rita")
        await links.pin("google", Email.parse(riley.email), _key(riley, google_issuer))
        await links.remove(_key(rita, google_issuer), _RITAS_ACCOUNT, time.time())
    finally:
        await links.close()


def _person(name: str) -> GooglePerson:
    return next(person for person in GOOGLE_PEOPLE if person.id == name)


def _key(person: GooglePerson, issuer: str) -> IdentityKey:
    return IdentityKey(issuer, person.subject)

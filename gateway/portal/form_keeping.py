"""Where a form that met no session waits: sealed in the session store, for one browser and person.

    owner:<session key>              whose session it was, for when it is over
    form:<digest of secret and id>   whose form, where it goes, its bytes; sealed

The secret is a random value in a cookie of the browser, the id stands in an address. Name and seal
are made of both, so that what lies in the store is of no use without the browser.
"""

import hashlib
import json
import re
import secrets
from dataclasses import dataclass
from typing import Any

import structlog

from gateway.errors import Unavailable
from gateway.portal.visit import Visit
from gateway.session.cookie import set_cookie
from gateway.session.model import Session

log = structlog.get_logger()

# Time for a sign-in, with a phone to be fetched from another room.
LIFETIME = 900.0
# How long after the end of a session its person may still send a form and find it kept.
_REMEMBERED = 24 * 3600.0
# Of one person: more than tabs that somebody has open, and next to nothing in the store.
_MOST = 10

_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")
_ID = re.compile(r"[A-Za-z0-9_-]{22}")
_PURPOSE = "kept-form"


@dataclass(frozen=True, slots=True)
class KeptForm:
    """`owner` as `owner_of` has it; `path` with its query, judged; `body` as it came."""

    owner: str
    path: str
    body: bytes


def owner_of(session: Session) -> str:
    """Whose a form is: an identity in an account. One person's other account is another."""
    key = session.identity.key
    return _digest(key.issuer, key.subject, session.account.id)


async def remember_owner(visit: Visit, session: Session) -> None:
    """For when it is over: its cookie stays in the browser, and the form that comes then is its
    person's. Never fails: a sign-in must not for want of this."""
    try:
        await visit.parts.named.put(
            f"owner:{session.key}", owner_of(session).encode(), session.lifetime + _REMEMBERED
        )
    except Unavailable as error:
        log.warning("form_owner_forgotten", reason=error.reason)


async def owner_of_browser(visit: Visit) -> str | None:
    """Whose the session was that this browser's cookie belonged to. Nobody else can keep a form."""
    cookie = visit.cookies.get(visit.names.session)
    key = None if cookie is None else visit.parts.sessions.recogniser.key_of(cookie)
    owner = None if key is None else await visit.parts.named.get(f"owner:{key}")
    return None if owner is None else owner.decode()


async def too_many(visit: Visit, owner: str) -> bool:
    """Count one more form of this person."""
    return await visit.parts.named.count(f"forms:{owner}", LIFETIME) > _MOST


async def keep(visit: Visit, form: KeptForm) -> tuple[str, str]:
    """Keep it; its id, and the cookie for the browser."""
    secret = visit.cookies.get(visit.names.forms, "")
    if not _SECRET.fullmatch(secret):
        secret = secrets.token_urlsafe(32)
    form_id = secrets.token_urlsafe(16)
    head = json.dumps({"owner": form.owner, "path": form.path}).encode()
    bound_to = f"{secret}.{form_id}"
    sealed = visit.parts.sealer.seal(_PURPOSE, bound_to, head + b"\n" + form.body)
    await visit.parts.named.put(_name(bound_to), sealed.encode(), LIFETIME)
    names = visit.names
    cookie = set_cookie(names.forms, secret, secure=names.secure, max_age=int(LIFETIME))
    return form_id, cookie


async def find(visit: Visit, form_id: str | None, session: Session) -> KeptForm | None:
    """The form, if it is this browser's and this person's. Somebody else's is gone for good then:
    its person has left this browser."""
    bound_to = _bound_to(visit, form_id)
    if bound_to is None:
        return None
    sealed = await visit.parts.named.get(_name(bound_to))
    form = None if sealed is None else _open(visit, bound_to, sealed)
    if form is not None and form.owner != owner_of(session):
        await take(visit, form_id)
        return None
    return form


async def take(visit: Visit, form_id: str | None) -> bool:
    """Take it away; True for one caller, once."""
    bound_to = _bound_to(visit, form_id)
    return bound_to is not None and await visit.parts.named.take(_name(bound_to)) is not None


def _open(visit: Visit, bound_to: str, sealed: bytes) -> KeptForm | None:
    opened = visit.parts.sealer.open(_PURPOSE, bound_to, sealed.decode())
    if opened is None:
        return None
    head, _, body = opened.partition(b"\n")
    told: dict[str, Any] = json.loads(head)
    return KeptForm(told["owner"], told["path"], body)


def _bound_to(visit: Visit, form_id: str | None) -> str | None:
    secret = visit.cookies.get(visit.names.forms, "")
    if not _SECRET.fullmatch(secret) or not _ID.fullmatch(form_id or ""):
        return None
    return f"{secret}.{form_id}"


def _name(bound_to: str) -> str:
    return f"form:{_digest(bound_to)}"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()

"""What Sonar knows about somebody, and what the gateway remembers about it. Pure values."""

import hashlib
import unicodedata
from dataclasses import dataclass
from typing import Self

from gateway.email import Email
from gateway.identity.model import IdentityKey

CONTACT = "contact"


@dataclass(frozen=True, slots=True)
class Address:
    """One of an account's email addresses and what Sonar keeps it for (`contact`, `voicemail`)."""

    email: Email
    purpose: str


@dataclass(frozen=True, slots=True)
class Account:
    """A Sonar account as the directory has it now. `id` never changes; the rest may."""

    id: str
    username: str
    display_name: str
    organisation: str
    active: bool
    addresses: tuple[Address, ...]

    def email(self) -> Email | None:
        """The address Sonar is told: the first contact address, else none."""
        return next((a.email for a in self.addresses if a.purpose == CONTACT), None)

    def has(self, email: Email, purposes: frozenset[str]) -> bool:
        """Whether `email` is one of this account's addresses kept for one of `purposes`."""
        return any(a.email == email and a.purpose in purposes for a in self.addresses)


@dataclass(frozen=True, slots=True)
class Link:
    """A person proved once, with the account's password, that this identity may use this account.

    Times are Unix seconds. `email` is what the identity's address was then, for the settings page.
    It finds no account; but a link proved under one customer's address does not count for an
    unproven address of another (`resolution.py`).
    """

    identity: IdentityKey
    account_id: str
    provider: str
    email: str
    created: float
    last_used: float | None


@dataclass(frozen=True, slots=True)
class LinkedAccount:
    """A link together with its account as the directory has it now."""

    link: Link
    account: Account


@dataclass(frozen=True, slots=True)
class Matches:
    """What the directory and the pins say about an identity's email, before any judgement.

    `accounts`: every account with the email among its addresses, for whatever purpose.
    `pinned`: the first identity seen with this email at this provider, `None` if there was none.
    """

    accounts: tuple[Account, ...] = ()
    pinned: IdentityKey | None = None


@dataclass(frozen=True, slots=True)
class News:
    """What a link does not say of itself: the account's `username`, the client's IP `address`, and
    the email addresses to write to."""

    username: str
    address: str
    recipients: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads notices, under a `name` that says nothing about them: an identity; or, as the Sonar
    password alone does not tell the owner from whoever else knows it, a browser."""

    name: str
    identity: IdentityKey | None = None

    @classmethod
    def of_identity(cls, key: IdentityKey) -> Self:
        return cls(_digest("identity", key.issuer, key.subject), key)

    @classmethod
    def of_browser(cls, browser: str) -> Self:
        return cls(_digest("browser", browser))


@dataclass(frozen=True, slots=True)
class Notice:
    """The newest link of an identity to an account, not read yet. `created` in Unix seconds;
    `standing`: the link is still there."""

    id: str
    account_id: str
    username: str
    identity: IdentityKey
    provider: str
    email: str
    address: str
    created: float
    standing: bool


@dataclass(frozen=True, slots=True)
class Letter:
    """What one recipient is told of a new link. `tries`: how often it was tried, this time
    included."""

    id: str
    recipient: str
    username: str
    provider: str
    email: str
    address: str
    created: float
    tries: int


def folded(username: str) -> str:
    """One name for what any database may hold to be the same username. At least as coarse as how
    a directory finds an account (`Directory.by_username`)."""
    for _ in range(2):  # folding one can make the other possible
        username = unicodedata.normalize("NFKC", username).casefold()
    return username.strip()


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()

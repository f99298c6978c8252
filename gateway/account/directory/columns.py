"""From a row of somebody else's schema to an Account. Pure; whatever is doubtful is dropped."""

from collections.abc import Iterable

from gateway.account.model import CONTACT, Address
from gateway.email import Email, InvalidEmail


def read_active(value: object, active_values: frozenset[str]) -> bool:
    """Whether a column's value means active; unknown means no.

    `True` and 1 are told as the words `true` and `1`; words are compared without case.
    """
    if isinstance(value, bool):
        value = "true" if value else "false"
    if isinstance(value, bytes):  # BIT(1) in MySQL
        value = str(int.from_bytes(value)) if len(value) == 1 else ""
    return str(value).strip().lower() in active_values


def read_address(email: object, purpose: object) -> Address | None:
    """The address, or `None` for what is no address; a purpose that is not there is `""`."""
    if not isinstance(email, str):
        return None
    try:
        parsed = Email.parse(email)
    except InvalidEmail:
        return None
    return Address(parsed, str(purpose).strip().lower() if purpose is not None else "")


def read_addresses(rows: Iterable[tuple[object, object]]) -> tuple[Address, ...]:
    """(email, purpose) rows, each read once, in their order."""
    read = (read_address(email, purpose) for email, purpose in rows)
    return tuple(dict.fromkeys(address for address in read if address is not None))


def spellings(email: Email) -> tuple[str, ...]:
    """How a table may spell the address in lower case: the domain as ASCII, and as people write
    it (`xn--bcher-kva.example`, `bücher.example`)."""
    try:
        written = email.domain.encode().decode("idna")
    except UnicodeError:
        written = email.domain
    return tuple(dict.fromkeys((str(email), f"{email.local}@{written}")))


def contact(email: object) -> tuple[object, object]:
    """An address from the accounts table itself, which has no purpose column."""
    return email, CONTACT


def means(typed: str, usernames: Iterable[str]) -> str | None:
    """Which of `usernames` somebody means who types `typed`: that one, else the only one that
    differs in case, or in the blanks a CHAR column puts after it. Between two it never guesses."""
    found = set(usernames)
    if typed in found:
        return typed
    alike = [name for name in found if name.rstrip(" ").lower() == typed.lower()]
    return alike[0] if len(alike) == 1 else None

"""An email address, checked and normalised once, at construction.

Strict on purpose: what two programs could read as two different mailboxes is not an address here.
`a@evil@corp.example` (CVE-2026-40574), quoted local parts, comments, white space and control
characters are refused; nothing is ever truncated (CVE-2026-57580).
"""

import re
from dataclasses import dataclass
from typing import Self

# RFC 5321 section 4.5.3.1: local part 64 octets, path 256 octets less the two angle brackets.
_LONGEST_LOCAL = 64
_LONGEST = 254
# RFC 1035 section 2.3.4: 255 octets on the wire are 253 characters.
_LONGEST_DOMAIN = 253

# RFC 5322 dot-atom. Quoted local parts exist in the RFC and in attacks, not in Sonar.
_LOCAL = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})+")


class InvalidEmail(ValueError):
    """The text is not an address that every program reads the same way."""


@dataclass(frozen=True, slots=True, order=True)
class Email:
    """`local@domain`, both lower case, the domain in its ASCII (IDNA 2003) form."""

    local: str
    domain: str

    def __str__(self) -> str:
        return f"{self.local}@{self.domain}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `text`, or raise `InvalidEmail` with what is wrong."""
        local, at, domain = text.strip(" ").partition("@")
        if not at or "@" in domain:
            raise InvalidEmail("an email address has exactly one @")
        if not local.isascii():
            raise InvalidEmail("the part before the @ must be ASCII")
        local = local.lower()
        if len(local) > _LONGEST_LOCAL or not _LOCAL.fullmatch(local):
            raise InvalidEmail("the part before the @ is not a plain mailbox name")
        email = cls(local, parse_domain(domain))
        if len(str(email)) > _LONGEST:
            raise InvalidEmail("the address is longer than 254 characters")
        return email


def parse_domain(text: str) -> str:
    """`Acme.Example` -> `acme.example`; raises `InvalidEmail` for what is not a domain name.

    IDNA 2003 reads some names as others: `straße` as `strasse`, full-width letters as plain ones.
    Browsers and registries read them as two domains, with two owners, so they are refused here.
    """
    if len(text) > _LONGEST_DOMAIN:
        raise InvalidEmail("a domain name has at most 253 characters")
    try:
        domain = text.encode("idna").decode("ascii").lower()
        same = text.isascii() or _is_written(text, domain.encode().decode("idna"))
    except UnicodeError as error:
        raise InvalidEmail("not a domain name") from error
    if not same:
        raise InvalidEmail("a domain name that is read in two ways; write it as xn--…")
    if not _DOMAIN.fullmatch(domain):
        raise InvalidEmail("not a domain name such as acme.example")
    return domain


def _is_written(text: str, domain: str) -> bool:
    """Whether `text` is `domain` but for capitals. The sign for kelvin is a capital of `k`, but
    no letter that people write, so each letter must also stay inside or outside ASCII."""
    lower = text.lower()
    foreign = sum(not letter.isascii() for letter in text)
    return lower == domain and foreign == sum(not letter.isascii() for letter in lower)

"""Sonar's accounts, as they were before anybody thought of single sign-on.

They fit demo/people.py: between the two, every branch of the gateway's decision is met. The
password hashes are of the schemes a table that has lived through fifteen years holds.
"""

from dataclasses import dataclass
from zlib import crc32

from demo.sonar.passwords import Scheme

CONTACT = "contact"
VOICEMAIL = "voicemail"


@dataclass(frozen=True, slots=True)
class SeedAccount:
    """An account to make. `addresses` are (email, purpose) pairs."""

    id: int
    username: str
    password: str
    scheme: Scheme
    display_name: str
    organisation: str
    addresses: tuple[tuple[str, str], ...]
    active: bool = True


def _contact(*emails: str) -> tuple[tuple[str, str], ...]:
    return tuple((email, CONTACT) for email in emails)


ACME, GLOBEX, UMBRELLA, INITECH = "Acme Ltd", "Globex Inc", "Umbrella GmbH", "Initech"
_BCRYPT, _ARGON2, _PHPASS = Scheme.BCRYPT, Scheme.ARGON2, Scheme.PHPASS
_PBKDF2, _SHA512 = Scheme.PBKDF2, Scheme.SHA512_CRYPT

ACCOUNTS: tuple[SeedAccount, ...] = (
    # One account has the address.
    SeedAccount(1001, "jmarch", "march-hare", _BCRYPT, "Jo March", ACME,
                (("jo@acme.example", CONTACT), ("jo.march@home.example", VOICEMAIL))),
    # Three have it: a person's, a desk's and a closed one.
    SeedAccount(1002, "srivera", "river-bank", _ARGON2, "Sam Rivera", ACME,
                (("sam@acme.example", CONTACT), ("sam@acme.example", VOICEMAIL))),
    SeedAccount(1003, "acme-support", "headset-7", _PHPASS, "Acme Support Desk", ACME,
                _contact("sam@acme.example", "helpdesk@acme.example")),
    SeedAccount(1004, "srivera-old", "old-river", _SHA512, "Sam Rivera (old)", ACME,
                _contact("sam@acme.example"), active=False),
    # Known to Sonar under an address her provider has never heard of.
    SeedAccount(1005, "nlindqvist", "north-light", _PBKDF2, "Nora Lindqvist", ACME,
                _contact("nora.lindqvist@post.example")),
    SeedAccount(1006, "ipetrov", "left-in-may", _SHA512, "Ivan Petrov", ACME,
                _contact("ivan@acme.example"), active=False),
    # The mailbox that two Rileys had, one after the other.
    SeedAccount(1007, "rstone", "rolling-on", _BCRYPT, "Riley Stone", ACME,
                _contact("riley@acme.example")),
    SeedAccount(1008, "rmoreau", "own-island", _PHPASS, "Rita Moreau", ACME,
                _contact("rita@acme.example")),
    # Two accounts behind one shared mailbox.
    SeedAccount(1009, "acme-reception", "front-door", _ARGON2, "Acme Reception", ACME,
                _contact("info@acme.example")),
    SeedAccount(1010, "acme-nights", "back-door", _PBKDF2, "Acme Night Line", ACME,
                _contact("info@acme.example")),
    SeedAccount(1011, "vnovak", "nova-scotia", _SHA512, "Vera Novak", ACME,
                (("v.novak@home.example", CONTACT), ("vera@acme.example", VOICEMAIL))),
    SeedAccount(1012, "bturner", "page-turner", _BCRYPT, "Blake Turner", ACME,
                _contact("blake@acme.example")),
    SeedAccount(1013, "adubois", "du-bois-ca", _ARGON2, "Alex Dubois", ACME,
                _contact("alex@acme.ca")),
    SeedAccount(1014, "abyrne", "slow-byrne", _PHPASS, "Ada Byrne", ACME,
                _contact("ada@acme.example")),
    SeedAccount(1015, "ulevi", "levi-ticus", _PBKDF2, "Uri Levi", ACME,
                _contact("uri@acme.example")),
    SeedAccount(1016, "mjensen", "jensen-22", _SHA512, "Mara Jensen", ACME,
                _contact("mara@acme.example")),
    SeedAccount(1017, "mhart", "hart-beat", _BCRYPT, "Milo Hart", ACME,
                _contact("milo@acme.example")),
    SeedAccount(1018, "clang", "lang-syne", _ARGON2, "Cora Lang", ACME,
                _contact("cora@acme.example")),
    SeedAccount(1019, "nfischer", "fresh-fish", _PHPASS, "Noel Fischer", ACME,
                _contact("noel@acme.example")),
    SeedAccount(2001, "hscorpio", "hammock-1", _BCRYPT, "Hank Scorpio", GLOBEX,
                _contact("hank@globex.example")),
    SeedAccount(2002, "folsen", "olsen-gang", _PBKDF2, "Fred Olsen", GLOBEX,
                _contact("fred@globex.example")),
    SeedAccount(2003, "globex-sales", "sold-again", _SHA512, "Globex Sales", GLOBEX,
                _contact("sales@globex.example")),
    SeedAccount(2004, "grossi", "rosso-77", _ARGON2, "Gina Rossi", GLOBEX,
                (("gina@globex.example", CONTACT), ("sales@globex.example", VOICEMAIL))),
    SeedAccount(3001, "umbrella-team", "rainy-day", _PHPASS, "Umbrella Team", UMBRELLA,
                _contact("team@umbrella.example")),
    SeedAccount(3002, "vokoye", "okay-then", _BCRYPT, "Vince Okoye", UMBRELLA,
                (("vince.okoye@home.example", CONTACT), ("vince@umbrella.example", VOICEMAIL))),
    SeedAccount(3003, "upatel", "pa-tel-tel", _PBKDF2, "Uma Patel", UMBRELLA,
                _contact("uma@umbrella.example")),
    SeedAccount(4001, "pgibbons", "red-stapler", _SHA512, "Peter Gibbons", INITECH,
                _contact("peter@initech.example")),
    SeedAccount(4002, "icosta", "costa-brava", _BCRYPT, "Ines Costa", INITECH,
                _contact("ines@initech.example")),
    SeedAccount(5001, "kokafor", "oak-forest", _ARGON2, "Kim Okafor", "Okafor Consulting",
                _contact("kim.okafor@gmail.com")),
    SeedAccount(6001, "uberg", "ice-berg", _PHPASS, "Una Berg", "Unknown & Sons",
                _contact("una@unknown.example")),
)  # fmt: skip

# Changes whenever the accounts do, so that a database of an older demonstration is remade.
# SQLite's `user_version` is a signed 32-bit number, never 0 once it was made.
SEED_VERSION = crc32(repr(ACCOUNTS).encode()) >> 1 | 1

"""The people of the demonstration, as the two stand-in providers know them. Frozen data.

Between them they meet every branch of `gateway/account/resolution.py`. The policies that go with
them (policies/ of the demonstration):

    acme.example      sso on; alias acme.ca; Google, and Microsoft from ACME_TENANT;
                      blake@ blocked; info@ shared, rule `password`
    globex.example    sso pilot for hank@, gina@ and sales@; Google, and Microsoft from no listed
                      tenant (so `xms_edov` must speak); sales@ shared, rule `refuse`
    umbrella.example  sso on; Google only; team@ shared, rule `allow`; voicemail addresses match
    initech.example   sso off; Google, and Microsoft from INITECH_TENANT
    gmail.com         sso pilot for kim.okafor@; Google only
    unknown.example   no policy at all

`meets` says what happens in the gateway; the Sonar accounts that make it so are in demo/sonar.
"""

from dataclasses import dataclass

# Entra tenants, made up. The last is real: the one of all personal Microsoft accounts.
ACME_TENANT = "0a4c11e5-7a3e-4c6b-9f0e-5d1f3c2b7a10"
GLOBEX_TENANT = "7f8b6c1d-2e94-4b57-8a63-c0d9e1f2a345"
INITECH_TENANT = "3b5d7f90-61c2-4a8e-b4d6-98f0a1b2c3d4"
STRANGER_TENANT = "e6f1d2c3-b4a5-4968-8778-695a4b3c2d1e"
CONSUMER_TENANT = "9188040d-6c67-4c5b-b112-36a304b66dad"


@dataclass(frozen=True, slots=True)
class GooglePerson:
    """`hosted_domain` becomes the claim `hd`; `None` is an account outside Google Workspace."""

    id: str
    name: str
    subject: str
    email: str
    hosted_domain: str | None
    meets: str
    email_verified: bool = True


@dataclass(frozen=True, slots=True)
class MicrosoftPerson:
    """`email` is what the tenant's administrator typed; `None` sends no such claim.
    `owner_verified` becomes the optional claim `xms_edov`; `None` leaves it out."""

    id: str
    name: str
    tenant: str
    object_id: str
    email: str | None
    owner_verified: bool | None
    meets: str


Person = GooglePerson | MicrosoftPerson


GOOGLE_PEOPLE: tuple[GooglePerson, ...] = (
    GooglePerson(
        "jo", "Jo March", "100000000000000000001", "jo@acme.example", "acme.example",
        "one account has the address: signed in at once",
    ),
    GooglePerson(
        "sam", "Sam Rivera", "100000000000000000002", "sam@acme.example", "acme.example",
        "three accounts have the address (one of them inactive): chooses between two, once",
    ),
    GooglePerson(
        "nora", "Nora Lindqvist", "100000000000000000003", "nora@acme.example", "acme.example",
        "no account has the address: proves the Sonar password of `nlindqvist` once",
    ),
    GooglePerson(
        "ivan", "Ivan Petrov", "100000000000000000004", "ivan@acme.example", "acme.example",
        "the only account with the address is inactive: asked for another one's password",
    ),
    GooglePerson(
        "riley", "Riley Stone", "100000000000000000005", "riley@acme.example", "acme.example",
        "one account has the address: signed in, and pinned as the address's first owner",
    ),
    GooglePerson(
        "riley-new", "Riley Stone (hired later, same address)", "100000000000000000006",
        "riley@acme.example", "acme.example",
        "the address was another Riley's: must prove the Sonar password",
    ),
    GooglePerson(
        "rita", "Rita Moreau", "100000000000000000007", "rita@acme.example", "acme.example",
        "one account has the address, but she turned it off in her settings: must prove again",
    ),
    GooglePerson(
        "info", "Acme front desk", "100000000000000000008", "info@acme.example", "acme.example",
        "a shared mailbox under the rule `password`: proves each account's password once",
    ),
    GooglePerson(
        "vera", "Vera Novak", "100000000000000000009", "vera@acme.example", "acme.example",
        "the address is kept for voicemail notification only: no match, asked for the password",
    ),
    GooglePerson(
        "blake", "Blake Turner", "100000000000000000010", "blake@acme.example", "acme.example",
        "blocked by the domain's policy: refused",
    ),
    GooglePerson(
        "alex", "Alex Dubois", "100000000000000000011", "alex@acme.ca", "acme.ca",
        "the domain is an alias of acme.example: one account has the address, signed in",
    ),
    GooglePerson(
        "ada", "Ada Byrne (a private Google account)", "100000000000000000012",
        "ada@acme.example", None,
        "Google does not vouch for a company address outside Workspace: asked for the password",
    ),
    GooglePerson(
        "uri", "Uri Levi (address never verified)", "100000000000000000013",
        "uri@acme.example", "acme.example",
        "Google has not verified the address: asked for the password",
        email_verified=False,
    ),
    GooglePerson(
        "hank", "Hank Scorpio", "100000000000000000014", "hank@globex.example", "globex.example",
        "a pilot user of a domain in pilot: signed in",
    ),
    GooglePerson(
        "fred", "Fred Olsen", "100000000000000000015", "fred@globex.example", "globex.example",
        "the domain is in pilot and he is no pilot user: refused",
    ),
    GooglePerson(
        "sales", "Globex sales", "100000000000000000016", "sales@globex.example",
        "globex.example",
        "a shared mailbox under the rule `refuse`: refused",
    ),
    GooglePerson(
        "team", "Umbrella team", "100000000000000000017", "team@umbrella.example",
        "umbrella.example",
        "a shared mailbox under the rule `allow`: signed in",
    ),
    GooglePerson(
        "vince", "Vince Okoye", "100000000000000000018", "vince@umbrella.example",
        "umbrella.example",
        "a voicemail address, and the policy lets those match: signed in",
    ),
    GooglePerson(
        "peter", "Peter Gibbons", "100000000000000000019", "peter@initech.example",
        "initech.example",
        "the domain has `sso: off`: refused",
    ),
    GooglePerson(
        "una", "Una Berg", "100000000000000000020", "una@unknown.example", "unknown.example",
        "nobody wrote a policy for the domain: refused",
    ),
    GooglePerson(
        "kim", "Kim Okafor", "100000000000000000021", "kim.okafor@gmail.com", None,
        "Google owns gmail.com and vouches for it: one account has the address, signed in",
    ),
)  # fmt: skip

MICROSOFT_PEOPLE: tuple[MicrosoftPerson, ...] = (
    MicrosoftPerson(
        "mara", "Mara Jensen", ACME_TENANT, "20000000-0000-4000-8000-000000000001",
        "mara@acme.example", None,
        "her tenant is listed for acme.example: one account has the address, signed in",
    ),
    MicrosoftPerson(
        "gina", "Gina Rossi", GLOBEX_TENANT, "20000000-0000-4000-8000-000000000002",
        "gina@globex.example", True,
        "the tenant is not listed, but Entra verified the domain's owner: signed in",
    ),
    MicrosoftPerson(
        "milo", "Milo Hart", STRANGER_TENANT, "20000000-0000-4000-8000-000000000003",
        "milo@acme.example", None,
        "an address nobody vouches for: proves the Sonar password once, then signed in by link",
    ),
    MicrosoftPerson(
        "eve", "Eve (says she is jo@acme.example)", STRANGER_TENANT,
        "20000000-0000-4000-8000-000000000004", "jo@acme.example", False,
        "somebody else's address typed into her own tenant: gets nothing without Jo's password",
    ),
    MicrosoftPerson(
        "noel", "Noel Fischer", ACME_TENANT, "20000000-0000-4000-8000-000000000005",
        None, None,
        "the token names no address: refused",
    ),
    MicrosoftPerson(
        "uma", "Uma Patel", STRANGER_TENANT, "20000000-0000-4000-8000-000000000006",
        "uma@umbrella.example", True,
        "the domain allows Google only: refused",
    ),
    MicrosoftPerson(
        "ines", "Ines Costa", INITECH_TENANT, "20000000-0000-4000-8000-000000000007",
        "ines@initech.example", True,
        "the domain has `sso: off`: refused",
    ),
    MicrosoftPerson(
        "cora", "Cora Lang (a personal account)", CONSUMER_TENANT,
        "00000000-0000-0000-0000-0000000c0a01", "cora@acme.example", None,
        "a personal Microsoft account: nobody vouches for the address, asked for the password",
    ),
)  # fmt: skip

PEOPLE: tuple[Person, ...] = (*GOOGLE_PEOPLE, *MICROSOFT_PEOPLE)

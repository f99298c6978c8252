"""A sign-in belongs to the browser tab that began it, whichever of three processes answers.

What is replayed, swapped or doubled is refused with a page that starts over, towards the page that
was asked for where this browser says which; and the browser that began the sign-in can finish it.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import pytest
import pytest_asyncio

from demo.providers.faults import ABSENT
from gateway.reasons import Reason
from tests.attacks.liar import Liar, Lie, Realm, honest_keys
from tests.attacks.lied_to import NEXT, SESSION, LiedTo, a_gateway_lied_to, shown
from tests.journeys.browser import Browser, Page
from tests.journeys.world import until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("transactions")]

R = Reason
# Nobody's address in Sonar: asked for the Sonar password.
VERA, WANDA, NORA = (
    {"sub": name, "email": f"{name}@acme.example"} for name in ("vera", "wanda", "nora")
)
BUTTON = "Link and sign in"
PASSWORD = {"username": "vnovak", "password": "nova-scotia"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lied(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LiedTo]:
    liar = Liar(
        Realm("google", "google", honest_keys("google")),
        Realm("microsoft", "microsoft", honest_keys("microsoft")),
        Realm("corp", "oidc", honest_keys("oidc")),
    )
    async with a_gateway_lied_to(tmp_path_factory.mktemp("tabs"), liar, workers=3) as lied:
        yield lied


@pytest_asyncio.fixture(loop_scope="module")
async def browser(lied: LiedTo) -> AsyncIterator[Browser]:
    """Each of its requests goes to whichever process accepts it."""
    async with Browser(lied.world.origin, keeps_connections=False) as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def other_browser(lied: LiedTo) -> AsyncIterator[Browser]:
    async with Browser(lied.world.origin, keeps_connections=False) as browser:
        yield browser


async def way_back(
    lied: LiedTo,
    browser: Browser,
    name: str = "google",
    next_path: str = NEXT,
    lie: Lie | None = None,
) -> str:
    """Begin a sign-in, and stop at the address that the provider sends the browser back to."""
    realm = lied.liar[name]
    realm.lie = lie or Lie()
    status, headers, _ = await browser.request(
        "GET", f"/sso/login/{name}?next={quote(next_path, safe='')}"
    )
    assert status == 303
    _, headers, _ = await browser.request("GET", headers["Location"])
    return headers["Location"]


def changed(address: str, **changes: object) -> str:
    """The address with parameters replaced, left out, or several times."""
    parts = urlsplit(address)
    query: dict[str, object] = {**dict(parse_qsl(parts.query)), **changes}
    kept = {name: value for name, value in query.items() if value is not ABSENT}
    return f"{parts.path}?{urlencode(kept, doseq=True)}"


def starts_over(lied: LiedTo, page: Page, reason: Reason, next_path: str | None = NEXT) -> None:
    assert (page.status, shown(page)) == (400, reason), page.text
    there = f"?next={quote(next_path, safe='')}" if next_path else ""
    assert page.link("Start over") == f"{lied.world.origin}/sso/login{there}"


async def is_nobody(browser: Browser) -> bool:
    return SESSION not in browser.cookies() and (await browser.request("GET", "/sso/me"))[0] == 401


async def finishes(lied: LiedTo, browser: Browser, address: str, next_path: str = NEXT) -> None:
    page = await browser.open(address)
    assert page.url == f"{lied.world.origin}{next_path}", page.text


def processes(lied: LiedTo) -> set[str]:
    """Which have served a callback."""
    lines = map(json.loads, (lied.world.folder / "access.log").read_text().splitlines())
    ids = (line["request_id"] for line in lines if line["path"].startswith("/sso/callback/"))
    return {request_id.partition("-")[0] for request_id in ids}


# Single use.


async def test_a_callback_at_every_process_at_once_signs_in_once(
    lied: LiedTo, browser: Browser
) -> None:
    address, before = await way_back(lied, browser), lied.stored()
    cookies = browser.cookies()

    async def replay() -> tuple[int, str, Mapping[str, str]]:
        async with Browser(lied.world.origin, keeps_connections=False) as own:
            status, headers, text = await own.request("GET", address, cookies=cookies)
            return status, text, headers

    answers = await asyncio.gather(*(replay() for _ in range(15)))
    assert sorted(status for status, _, _ in answers) == [303] + [400] * 14
    for status, text, headers in answers:
        if status == 303:
            assert headers["Location"] == NEXT
        else:
            assert f"<code>{R.TRANSACTION_USED}</code>" in text
            assert f"{SESSION}=" not in str(headers)
    assert len(lied.left_behind(before)["sessions"]) == 1


async def test_a_callback_works_once_though_its_cookie_was_kept(
    lied: LiedTo, browser: Browser, other_browser: Browser
) -> None:
    address = await way_back(lied, browser)
    other_browser.jar.update_cookies(browser.cookies())
    await finishes(lied, browser, address)
    starts_over(lied, await other_browser.open(address), R.TRANSACTION_USED)
    assert SESSION not in other_browser.cookies()
    # Without it, nobody knows where it led.
    starts_over(lied, await browser.open(address), R.TRANSACTION_UNKNOWN, None)


async def test_a_proof_at_every_process_at_once_links_once(lied: LiedTo, browser: Browser) -> None:
    page = await browser.open(await way_back(lied, browser, lie=Lie(VERA)))
    form, cookies, before = page.form(BUTTON), browser.cookies(), lied.stored()

    async def send() -> tuple[int, str]:
        async with Browser(lied.world.origin, keeps_connections=False) as own:
            status, _, text = await own.request(
                "POST", form.action, data=form.fields | PASSWORD, cookies=cookies
            )
            return status, text

    answers = await asyncio.gather(*(send() for _ in range(3)))
    assert sorted(status for status, _ in answers) == [303, 400, 400]
    assert sum(R.TRANSACTION_USED in text for _, text in answers) == 2
    left = lied.left_behind(before)
    assert (len(left["links"]), len(left["sessions"])) == (1, 1)


# Whose it is.


async def test_a_callback_in_another_browser_is_nobodys(
    lied: LiedTo, browser: Browser, other_browser: Browser
) -> None:
    """Login CSRF: the attacker's own answer, opened by somebody else, who has tabs of their own."""
    mine, theirs = await way_back(lied, browser), await way_back(lied, other_browser)
    starts_over(lied, await other_browser.open(mine), R.TRANSACTION_UNKNOWN, None)
    assert await is_nobody(other_browser)
    await finishes(lied, browser, mine)
    await finishes(lied, other_browser, theirs)


async def test_one_tabs_cookie_is_not_anothers(
    lied: LiedTo, browser: Browser, other_browser: Browser
) -> None:
    """The attacker's sealed transaction under the name of the victim's."""
    mine, theirs = await way_back(lied, browser), await way_back(lied, other_browser)
    (name,), (value,) = other_browser.cookies(), browser.cookies().values()
    async with Browser(lied.world.origin) as tossed:
        tossed.jar.update_cookies({name: value})
        for address in (mine, theirs):
            starts_over(lied, await tossed.open(address), R.TRANSACTION_UNKNOWN, None)
        assert await is_nobody(tossed)


async def test_one_tabs_code_is_not_anothers(
    lied: LiedTo, browser: Browser, other_browser: Browser
) -> None:
    """The attacker's code with the victim's state: its nonce is the attacker's (code injection)."""
    mine, theirs = await way_back(lied, browser), await way_back(lied, other_browser)
    code = dict(parse_qsl(urlsplit(mine).query))["code"]
    page = await other_browser.open(changed(theirs, code=code))
    assert (page.status, shown(page)) == (403, R.TOKEN_NONCE)
    assert await is_nobody(other_browser)


@pytest.mark.parametrize("tossed", ["theme=a {}", "theme=a\t{}", "theme {}", 'theme="a" {}'])
async def test_in_a_cookie_of_a_neighbours_is_none_of_ours(
    lied: LiedTo, browser: Browser, other_browser: Browser, tossed: str
) -> None:
    """`__Host-` keeps a sibling host from setting a cookie of ours, but not one of another name, in
    which a lax reader finds ours (a blank ends no cookie, RFC 6265 section 4.2.1): the attacker's
    transaction, so that the victim signs in as the attacker; what he proved, so that the victim's
    password links it; or his session."""
    address = await way_back(lied, other_browser)
    for path, status in ((address, 400), ("/sso/me", 401), ("/sso/settings", 303)):
        mine = "; ".join(f"{name}={value}" for name, value in other_browser.cookies().items())
        got, headers, text = await browser.request(
            "GET", path, headers={"Cookie": f"lang=en; {tossed.format(mine)}"}
        )
        assert got == status, text
        assert f"{SESSION}=" not in str(headers)
        if path == address:
            await finishes(lied, other_browser, address)


async def test_a_neighbours_quotes_hide_none_of_ours(
    lied: LiedTo, browser: Browser, other_browser: Browser
) -> None:
    """Who pressed "Sign out" would be told that they are, and stay signed in."""
    await finishes(lied, browser, await way_back(lied, browser))
    ours = f"{SESSION}={browser.cookies()[SESSION]}"
    cookie = {"Cookie": f'a="; {ours}; b="'}
    assert (await other_browser.request("GET", "/sso/me", headers=cookie))[0] == 200
    _, _, text = await other_browser.request("GET", "/sso/logout", headers=cookie)
    assert "Sign out everywhere" in text


@pytest.mark.parametrize("other", ["microsoft", "corp"])
async def test_one_providers_answer_is_not_anothers(
    lied: LiedTo, browser: Browser, other: str
) -> None:
    """Mix-up (RFC 9700 section 4.4): a code at the wrong token endpoint is a code given away."""
    address, asked = await way_back(lied, browser), lied.liar[other].asked["token"]
    page = await browser.open(address.replace("/callback/google", f"/callback/{other}"))
    starts_over(lied, page, R.CALLBACK_MALFORMED)
    assert lied.liar[other].asked["token"] == asked
    assert await is_nobody(browser)
    await finishes(lied, browser, address)


# The answer in the address.


@pytest.mark.parametrize(
    "changes",
    [
        {"state": ["{state}", "{state}"]},
        {"state": ["another.one", "{state}"]},
        {"state": ["{state}", "another.one"]},
        {"state": ["", "{state}"]},
        {"code": ["{code}", "{code}"]},
        {"code": ["{code}", "another"]},
        {"code": ["", "{code}"]},
        {"code": ABSENT},
        {"code": ""},
        {"iss": ABSENT},
        {"iss": ""},
        {"iss": "https://evil.example"},
        {"iss": "{iss}/"},
        {"iss": "https://accounts.google.com"},
        {"iss": ["{iss}", "{iss}"]},
        {"iss": "https://evil.example", "error": "access_denied"},
        {"error": ["access_denied", "access_denied"]},
        {"session_state": ["x", "x"]},
        {"": ["", ""]},
    ],
)
async def test_an_answer_with_something_missing_doubled_or_wrong(
    lied: LiedTo, browser: Browser, changes: dict[str, object]
) -> None:
    """RFC 6749 section 3.1, RFC 9207: and the code goes to no token endpoint."""
    address, asked = await way_back(lied, browser), lied.liar["google"].asked["token"]
    honest = dict(parse_qsl(urlsplit(address).query))

    def filled(value: object) -> object:
        if isinstance(value, list):
            return [filled(one) for one in value]
        return value.format(**honest) if isinstance(value, str) else value

    page = await browser.open(
        changed(address, **{name: filled(value) for name, value in changes.items()})
    )
    starts_over(lied, page, R.CALLBACK_MALFORMED)
    assert lied.liar["google"].asked["token"] == asked
    assert await is_nobody(browser)


@pytest.mark.parametrize(
    "state", ["", "x", ".", "{state}x", "{id}", "{id}.", "{id}.x", "../{state}", "{state}\u0000"]
)
async def test_a_state_that_is_not_this_tabs(lied: LiedTo, browser: Browser, state: str) -> None:
    address = await way_back(lied, browser)
    honest = dict(parse_qsl(urlsplit(address).query))["state"]
    given = state.format(state=honest, id=honest.partition(".")[0])
    page = await browser.open(changed(address, state=given))
    led = NEXT if given.startswith(honest[:16]) else None
    starts_over(lied, page, R.TRANSACTION_UNKNOWN, led)
    assert await is_nobody(browser)
    await finishes(lied, browser, address)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"error": "access_denied"}, R.PROVIDER_DENIED),
        ({"error": "access_denied", "code": "hostile"}, R.PROVIDER_DENIED),
        ({"error": "server_error", "error_description": "hostile\nsign_in"}, R.PROVIDER_ERROR),
        ({"error": "x", "error_description": "<script>hostile()</script>"}, R.PROVIDER_ERROR),
        ({"error": "x", "error_uri": "javascript:hostile()"}, R.PROVIDER_ERROR),
        ({"error": "<img src=x onerror=hostile()>"}, R.PROVIDER_ERROR),
        ({"error": "hostile\r\nSet-Cookie: sonar_sso=x"}, R.PROVIDER_ERROR),
        ({"error": "\u202ehostile"}, R.PROVIDER_ERROR),
        ({"error": "hostile" * 500}, R.PROVIDER_ERROR),
        ({"error": ""}, R.PROVIDER_ERROR),
        ({"error": "login_required", "interaction_required": "hostile"}, R.PROVIDER_ERROR),
    ],
)
async def test_an_error_with_a_text_of_the_attackers(
    lied: LiedTo, browser: Browser, answer: dict[str, object], reason: Reason
) -> None:
    """Nothing of it is shown, logged, or taken for a header."""
    said, asked = len(lied.world.said()), lied.liar["google"].asked["token"]
    page = await browser.open(await way_back(lied, browser, lie=Lie(answer=answer)))
    assert (page.status, shown(page)) == (403, reason)
    assert page.link("Start over").endswith(f"/sso/login?next={quote(NEXT, safe='')}")
    assert "hostile" not in page.text
    assert "hostile" not in lied.world.said()[said:]
    assert browser.cookies() == {}
    assert lied.liar["google"].asked["token"] == asked


# Several tabs.


async def test_five_tabs_at_once_each_land_where_they_meant_to_go(
    lied: LiedTo, browser: Browser
) -> None:
    names = ["google", "microsoft", "corp", "google", "corp"]
    addresses = [
        await way_back(lied, browser, name, f"/calls?tab={tab}") for tab, name in enumerate(names)
    ]
    assert len(browser.cookies()) == 5
    for tab, address in reversed(list(enumerate(addresses))):
        await finishes(lied, browser, address, f"/calls?tab={tab}")
    assert not any(name.startswith("sonar_tx_") for name in browser.cookies())


async def test_the_oldest_tab_makes_room_for_a_sixth(lied: LiedTo, browser: Browser) -> None:
    addresses = [await way_back(lied, browser, next_path=f"/calls?tab={tab}") for tab in range(7)]
    assert len(browser.cookies()) == 5
    for address in addresses[:2]:
        starts_over(lied, await browser.open(address), R.TRANSACTION_UNKNOWN, None)
    for tab in (2, 6, 3, 5, 4):
        await finishes(lied, browser, addresses[tab], f"/calls?tab={tab}")


async def test_many_people_at_once_are_each_themselves(lied: LiedTo) -> None:
    """Whatever is shared by sign-ins (documents, keys, connections) mixes nobody up
    (CVE-2026-33544, CVE-2026-71326)."""
    lied.liar["corp"].lie = Lie()
    people = {
        "riley": "rstone", "rita": "rmoreau", "ada": "abyrne", "uri": "ulevi", "mara": "mjensen",
        "milo": "mhart", "cora": "clang", "noel": "nfischer", "blake": "bturner",
    }  # fmt: skip

    async def signs_in(person: str, username: str) -> None:
        async with Browser(lied.world.origin, keeps_connections=False) as own:
            page = await own.open(
                f"/sso/login/corp?login_hint={person}@acme.example&next=/{person}"
            )
            assert page.path == f"/{person}"
            me = json.loads((await own.request("GET", "/sso/me"))[2])
            assert (me["account"]["username"], me["email"]) == (username, f"{person}@acme.example")

    await asyncio.gather(*(signs_in(*one) for one in people.items() for _ in range(3)))


# Between the identity and the account.


async def test_a_proof_is_for_the_identity_that_was_asked(
    lied: LiedTo, browser: Browser, other_browser: Browser
) -> None:
    """Two identities in one browser, and one of them in another: no form does for the other
    (CVE-2026-9087, CVE-2026-92358, CVE-2026-15571)."""
    wanda = await browser.open(await way_back(lied, browser, lie=Lie(WANDA)))
    nora = await browser.open(await way_back(lied, browser, "corp", lie=Lie(NORA)))
    before, mine, theirs = lied.stored(), wanda.form(BUTTON), nora.form(BUTTON)
    body = {"username": "nlindqvist", "password": "north-light"}

    for form, action in ((mine, theirs.action), (theirs, mine.action)):
        status, _, text = await browser.request("POST", action, data=form.fields | body)
        assert (status, R.FORM_FORGED in text) == (403, True)
        assert f"/sso/login?next={quote(NEXT, safe='')}" in text
    for extra in ({"sub": "nora"}, {"email": "nora@acme.example"}, {"tx": nora.query["tx"]}):
        status, _, text = await browser.request(
            "POST", mine.action, data=mine.fields | body | extra
        )
        assert (status, R.REQUEST_MALFORMED in text) == (400, True)
    status, _, text = await browser.request(
        "POST", f"{mine.action}&tx={nora.query['tx']}", data=mine.fields | body
    )
    assert status in {401, 403}
    status, _, text = await other_browser.request("POST", mine.action, data=mine.fields | body)
    assert (status, R.TRANSACTION_UNKNOWN in text) == (400, True)
    assert lied.left_behind(before) == {}
    assert await is_nobody(browser)

    done = await browser.press(nora, BUTTON, **body)
    assert done.url == f"{lied.world.origin}{NEXT}"
    (link,) = lied.left_behind(before)["links"]
    assert link[:3] == (lied.liar["corp"].issuer, "nora", "1005")


# Whatever else may come to the callback.

MALFORMED: dict[str, bytes] = {
    "broken escape": b"GET /sso/callback/google?state=%zz&code=%",
    "half an escape": b"GET /sso/callback/google?state=%e2%82&code=%ff%fe",
    "nul": b"GET /sso/callback/google?state=a%00b&code=%00",
    "line ends": b"GET /sso/callback/google?state=a%0d%0aSet-Cookie:%20x&code=%0d%0a",
    "bytes": b"GET /sso/callback/google?state=\xff\xfe&code=\x80",
    "blank": b"GET /sso/callback/google?state=a b",
    "nothing": b"GET /sso/callback/google?",
    "only signs": b"GET /sso/callback/google?&&&===&;;&",
    "many": b"GET /sso/callback/google?" + b"state=x&" * 900,
    "long": b"GET /sso/callback/google?code=y&state=" + b"x" * 7000,
    "nested": b"GET /sso/callback/google?state[]=x&code[a]=y",
    "fragment": b"GET /sso/callback/google?state=x#&code=y",
    "surrogates": b"GET /sso/callback/google?state=%ed%a0%80.%ed%a0%80&code=x",
    "two slashes": b"GET /sso/callback//google?state=x&code=y",
    "dots": b"GET /sso/callback/../callback/google?state=x&code=y",
    "encoded slash": b"GET /sso/callback%2fgoogle?state=x&code=y",
}

COOKIES: dict[str, bytes] = {
    "huge": b"sonar_tx_AAAAAAAAAAAAAAAA=" + b"A" * 100_000,
    "many of ours": b"; ".join(b"sonar_tx_%016d=x" % number for number in range(400)),
    "no name": b"=x; ; =; sonar_tx_=; ;;;",
    "no value": b"sonar_tx_AAAAAAAAAAAAAAAA; sonar_sso",
    "twice": b"sonar_tx_AAAAAAAAAAAAAAAA=x; sonar_tx_AAAAAAAAAAAAAAAA=y",
    "quoted": b'sonar_tx_AAAAAAAAAAAAAAAA="x; sonar_sso="y"; z="',
    "old style": b'$Version=1; sonar_tx_AAAAAAAAAAAAAAAA=x; $Path="/"',
    "bytes": b"sonar_tx_AAAAAAAAAAAAAAAA=\xff\xfe\x80",
    "reserved": b"path=/; domain=evil.example; expires=x; sonar_sso=x; httponly",
    "in a name": b"sonar_tx_{}[]<>@,=x; sonar_tx_\xe9=y",
    "another gateway's": b"sonar_tx_AAAAAAAAAAAAAAAA=0123456789abcdef." + b"A" * 600,
}


async def sent(lied: LiedTo, head: bytes, *headers: bytes, body: bytes = b"") -> bytes:
    """A raw request, and the whole answer."""
    host = lied.world.origin.removeprefix("http://").encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", lied.world.port)
    lines = (head + b" HTTP/1.1", b"Host: " + host, b"Connection: close", *headers, b"", body)
    writer.write(b"\r\n".join(lines))
    try:
        async with asyncio.timeout(10):
            return await reader.read()
    finally:
        writer.close()


def is_refused(answer: bytes, *statuses: int) -> None:
    assert int(answer[9:12]) in statuses, answer
    assert b"Set-Cookie: sonar_sso=" not in answer
    assert b"Set-Cookie: x" not in answer


@pytest.mark.parametrize("name", MALFORMED)
async def test_a_malformed_callback(lied: LiedTo, name: str) -> None:
    said = len(lied.world.said())
    is_refused(await sent(lied, MALFORMED[name]), 400, 404)
    assert "Traceback" not in lied.world.said()[said:]


@pytest.mark.parametrize("name", COOKIES)
async def test_a_callback_with_malformed_cookies(lied: LiedTo, name: str) -> None:
    said = len(lied.world.said())
    state = b"state=AAAAAAAAAAAAAAAA.x&code=y"
    answer = await sent(lied, b"GET /sso/callback/google?" + state, b"Cookie: " + COOKIES[name])
    is_refused(answer, 400, 431)
    # And at the start of a sign-in, where the cookies are counted.
    answer = await sent(lied, b"GET /sso/login/google", b"Cookie: " + COOKIES[name])
    is_refused(answer, 303, 400, 431)
    assert "Traceback" not in lied.world.said()[said:]


FORM = b"Content-Type: application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ((FORM, b"Content-Length: 13"), b"state=x&code=", 405),
        ((FORM, b"Content-Length: 4"), b"\xff\x00=%", 405),
        ((b"Content-Type: multipart/form-data; boundary=x", b"Content-Length: 3"), b"--y", 405),
        ((b"Content-Type: multipart/form-data", b"Content-Length: 0"), b"", 405),
        ((b"Content-Type: \xff;charset=\xfe", b"Content-Length: 1"), b"x", 405),
        ((b"Content-Type: application/json", b"Content-Length: 1"), b"{", 405),
        ((FORM, b"Content-Length: -1"), b"x", 400),
        ((FORM, b"Content-Length: 1", b"Content-Length: 2"), b"xy", 400),
        ((FORM, b"Content-Length: 1", b"Transfer-Encoding: chunked"), b"0\r\n\r\n", 400),
        ((FORM, b"Transfer-Encoding: chunked, x"), b"0\r\n\r\n", 400),
    ],
)
async def test_a_callback_by_post(
    lied: LiedTo, headers: tuple[bytes, ...], body: bytes, status: int
) -> None:
    """`response_mode=form_post` is never asked for, so there is nothing to read in one."""
    said = len(lied.world.said())
    is_refused(await sent(lied, b"POST /sso/callback/google", *headers, body=body), status)
    assert "Traceback" not in lied.world.said()[said:]


async def test_every_process_goes_on_serving(lied: LiedTo, browser: Browser) -> None:
    async def each_has_served() -> bool:
        await finishes(lied, browser, await way_back(lied, browser))
        return len(processes(lied)) == 3

    await until(each_has_served)
    assert "worker_ended" not in lied.world.said()

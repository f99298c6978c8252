"""Who Sonar believes is asking: password, session cookie, assertion, and nobody else."""

import aiohttp
import pytest
from yarl import URL

from demo.sonar.passwords import Scheme
from demo.sonar.seed import ACCOUNTS, SeedAccount
from demo.sonar.who import COOKIE
from tests.demo.browsing import me, sign_in
from tests.demo.conftest import GatewayKeys


class TestPassword:
    async def test_signs_in_with_a_cookie_of_its_own_and_leads_back(
        self, browser: aiohttp.ClientSession
    ) -> None:
        answer = await sign_in(browser, return_to="/voicemail?page=2")
        assert answer.status == 302
        assert answer.headers["Location"] == "/voicemail?page=2"
        assert answer.headers["Set-Cookie"].startswith(f"{COOKIE}=")
        assert await me(browser) == (200, "jmarch")

    @pytest.mark.parametrize(
        "account",
        [next(a for a in ACCOUNTS if a.scheme is scheme and a.active) for scheme in Scheme],
        ids=list(Scheme),
    )
    async def test_verifies_every_scheme(
        self, browser: aiohttp.ClientSession, account: SeedAccount
    ) -> None:
        assert (await sign_in(browser, account.username, "not it")).status == 200
        assert await me(browser) == (401, None)
        assert (await sign_in(browser, account.username, account.password)).status == 302
        assert await me(browser) == (200, account.username)

    @pytest.mark.parametrize(
        ("username", "password"),
        [
            ("jmarch", "March-Hare"),
            ("jmarch", ""),
            ("nobody", "march-hare"),
            ("", ""),
            ("ipetrov", "left-in-may"),  # inactive
            ("jo@acme.example", "march-hare"),  # an address is not a username
            ("' OR 1=1 --", "x"),
        ],
    )
    async def test_refuses_and_says_so(
        self, browser: aiohttp.ClientSession, username: str, password: str
    ) -> None:
        answer = await sign_in(browser, username, password, "/calls")
        page = await answer.text()
        assert "The username or the password is wrong." in page
        assert 'value="/calls"' in page
        assert "Set-Cookie" not in answer.headers

    @pytest.mark.parametrize(
        "away",
        ["//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil.example", "evil"],
    )
    async def test_never_leads_away(self, browser: aiohttp.ClientSession, away: str) -> None:
        assert (await sign_in(browser, return_to=away)).headers["Location"] == "/"

    async def test_escapes_what_was_typed(self, browser: aiohttp.ClientSession) -> None:
        answer = await sign_in(browser, '"><script>alert(1)</script>')
        assert "<script>alert" not in await answer.text()

    async def test_changes_the_password(self, browser: aiohttp.ClientSession) -> None:
        await sign_in(browser)
        for old, new, again, said in (
            ("wrong", "n", "n", "old password is wrong"),
            ("march-hare", "n", "m", "typed twice"),
            ("march-hare", "wörld", "wörld", "password is changed"),
        ):
            form = {"old": old, "new": new, "again": again}
            async with browser.post("/profile", data=form) as answer:
                assert said in await answer.text()
        assert (await sign_in(browser)).status == 200
        assert (await sign_in(browser, password="wörld")).status == 302


class TestWithoutSigningIn:
    @pytest.mark.parametrize("path", ["/", "/calls", "/voicemail?page=2&x=a%2Fb", "/profile"])
    async def test_pages_lead_to_the_sign_in_page_and_back(
        self, browser: aiohttp.ClientSession, path: str
    ) -> None:
        answer = await browser.get(URL(path, encoded=True), allow_redirects=False)
        assert answer.status == 302
        form = await browser.get(answer.headers["Location"])
        back = path.replace("&", "&amp;")
        assert f'name="return_to" value="{back}"' in await form.text()

    @pytest.mark.parametrize(
        ("path", "headers"),
        [
            ("/api/v1/calls", {}),
            ("/api/v1/me", {}),
            ("/calls", {"X-Requested-With": "XMLHttpRequest"}),
            ("/calls/live", {"Upgrade": "websocket", "Connection": "Upgrade"}),
        ],
    )
    async def test_programs_get_401_json(
        self, browser: aiohttp.ClientSession, path: str, headers: dict[str, str]
    ) -> None:
        answer = await browser.get(path, headers=headers, allow_redirects=False)
        assert answer.status == 401
        assert await answer.json() == {"error": "not_signed_in"}

    @pytest.mark.parametrize(
        ("path", "kind"),
        [
            ("/static/sonar.css", "css"),
            ("/static/calls.js", "javascript"),
            ("/favicon.ico", "svg"),
        ],
    )
    async def test_public_files_are_public(
        self, browser: aiohttp.ClientSession, path: str, kind: str
    ) -> None:
        answer = await browser.get(path)
        assert answer.status == 200
        assert kind in answer.content_type

    async def test_a_made_up_session_is_nobody(self, browser: aiohttp.ClientSession) -> None:
        assert await me(browser, Cookie=f"{COOKIE}={'0' * 32}") == (401, None)

    async def test_after_sign_out_the_old_cookie_is_nobody(
        self, browser: aiohttp.ClientSession
    ) -> None:
        cookie = (await sign_in(browser)).headers["Set-Cookie"].partition(";")[0]
        answer = await browser.get("/logout", allow_redirects=False)
        assert answer.headers["Location"] == "/login"
        assert "Max-Age=0" in answer.headers["Set-Cookie"]
        assert await me(browser, Cookie=cookie) == (401, None)


class TestAssertion:
    async def test_signs_in_and_opens_a_session_of_its_own(
        self, browser: aiohttp.ClientSession, gateway_keys: GatewayKeys
    ) -> None:
        answer = await browser.get(
            "/calls", headers={"X-Sonar-Assertion": gateway_keys.assertion()}
        )
        assert "Jo March" in await answer.text()
        assert answer.headers["Set-Cookie"].startswith(f"{COOKIE}=")
        # From here on the cookie alone is enough: why the gateway must seal it.
        async with browser.get("/api/v1/me") as again:
            assert (await again.json())["signed_in_with"] == "google"
            assert "Set-Cookie" not in again.headers

    async def test_another_account_opens_another_session(
        self, browser: aiohttp.ClientSession, gateway_keys: GatewayKeys
    ) -> None:
        first = {"X-Sonar-Assertion": gateway_keys.assertion(1002)}
        second = {"X-Sonar-Assertion": gateway_keys.assertion(1003)}
        assert await me(browser, **first) == (200, "srivera")
        assert await me(browser, **second) == (200, "acme-support")
        assert await me(browser) == (200, "acme-support")

    @pytest.mark.parametrize(
        "headers",
        [
            {
                "X-Sonar-Account-Id": "1001",
                "X-Sonar-Username": "jmarch",
                "X-Sonar-Email": "jo@acme.example",
                "X-Sonar-Provider": "google",
            },
            {"X-Sonar-Assertion": ""},
            {"X-Sonar-Assertion": "jmarch"},
        ],
    )
    async def test_plain_headers_are_nobody(
        self, browser: aiohttp.ClientSession, headers: dict[str, str]
    ) -> None:
        assert await me(browser, **headers) == (401, None)

    async def test_a_bad_assertion_is_not_saved_by_a_good_cookie(
        self, browser: aiohttp.ClientSession, gateway_keys: GatewayKeys
    ) -> None:
        await sign_in(browser)
        expired = gateway_keys.assertion(changes={"exp": 1})
        assert await me(browser, **{"X-Sonar-Assertion": expired}) == (401, None)
        assert await me(browser) == (200, "jmarch")

    async def test_two_assertions_are_nobody(
        self, browser: aiohttp.ClientSession, gateway_keys: GatewayKeys
    ) -> None:
        token = gateway_keys.assertion()
        headers = [("X-Sonar-Assertion", token), ("X-Sonar-Assertion", token)]
        async with browser.get("/api/v1/me", headers=headers) as answer:
            assert answer.status == 401

    @pytest.mark.parametrize("account_id", [1004, 9999])
    async def test_inactive_and_unknown_accounts_are_nobody(
        self, browser: aiohttp.ClientSession, gateway_keys: GatewayKeys, account_id: int
    ) -> None:
        token = gateway_keys.assertion(account_id)
        assert await me(browser, **{"X-Sonar-Assertion": token}) == (401, None)

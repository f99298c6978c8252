"""Bad input and broken parts: a clear answer, and nothing changed."""

import asyncio

import pytest

from gateway.explanations import EXPLANATIONS
from gateway.reasons import Reason
from tests.journeys.world import World, a_world, until
from tests.servers.node import running_oidc_provider

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    ("method", "address", "status"),
    [
        ("GET", "/sso/callback/google?code=x&state=unknown", 400),
        ("GET", "/sso/callback/google?code=x&state=a&state=b", 400),
        ("GET", "/sso/callback/google?code=x&code=y&state=a", 400),
        ("GET", "/sso/callback/google", 400),
        ("GET", "/sso/callback/nobody?code=x&state=a", 404),
        ("POST", "/sso/callback/google", 405),
        ("GET", "/sso/login/nobody", 404),
        ("GET", "/sso/pilot", 404),
        ("GET", "/sso/../admin", 400),
        ("GET", "/sso%2fme", 400),
        ("POST", "/sso/link", 401),
        ("POST", "/sso/accounts", 401),
        ("POST", "/sso/link?tx=unknown", 400),
        ("POST", "/sso/settings/links/add", 401),
        ("POST", "/sso/settings/links/remove", 401),
    ],
)
async def test_bad_requests_get_a_clear_answer(
    shared_world: World, method: str, address: str, status: int
) -> None:
    # yarl would tidy the path up before it is sent.
    host, port = shared_world.origin.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    body = b"\xff\x00garbage" if method == "POST" else b""
    writer.write(
        f"{method} {address} HTTP/1.1\r\nHost: {host}:{port}\r\nAccept: text/html\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
        + body
    )
    answer = (await reader.read()).decode(errors="replace")
    writer.close()
    await writer.wait_closed()
    assert answer.startswith(f"HTTP/1.1 {status} ")
    assert "Set-Cookie: sonar_sso=" not in answer
    assert "Traceback" not in answer


async def test_100_kb_cookie_header_is_refused(shared_world: World) -> None:
    async with shared_world.browser() as browser:
        status, _headers, text = await browser.request(
            "GET", "/calls", headers={"Cookie": "a=" + "b" * 100_000}
        )
        assert status == 431
        assert "request_too_large" in text


async def test_expired_transaction_starts_over(shared_world: World) -> None:
    """A transaction the browser no longer has, which is what becomes of it after ten minutes."""
    async with shared_world.browser() as browser:
        page = await browser.open("/sso/login?next=/calls")
        picker = await browser.click(page, "Google")
        browser.jar.clear(lambda morsel: morsel.key.startswith("sonar_tx"))
        page = await shared_world.pick(browser, picker, "jo")
        assert page.status == 400
        assert "transaction_unknown" in page.text
        assert (await browser.request("GET", "/sso/me"))[0] == 401


async def test_provider_says_no(shared_world: World) -> None:
    async with shared_world.browser() as browser:
        page = await browser.open("/sso/login?next=/calls")
        page = await browser.click(page, "Google")
        page = await browser.press(page, "Cancel")
        assert page.status == 403
        assert "provider_denied" in page.text
        page = await browser.click(page, "Start over")
        assert page.query == {"next": "/calls"}
        page = await browser.click(page, "Google")
        assert "Pick an account" in page.text


async def test_wrong_passwords_are_counted(shared_world: World) -> None:
    async with shared_world.browser() as browser:
        page = await shared_world.google(browser, "vera")
        for _ in range(5):
            page = await browser.press(page, "Link", username="vnovak", password="wrong")
            assert page.status == 403
            assert EXPLANATIONS[Reason.PASSWORD_WRONG].title in page.text
        page = await browser.press(page, "Link", username="vnovak", password="nova-scotia")
        assert page.status == 429
        assert EXPLANATIONS[Reason.PASSWORD_THROTTLED].title in page.text
        assert (await browser.request("GET", "/sso/me"))[0] == 401


async def test_nothing_secret_is_logged(shared_world: World) -> None:
    async with shared_world.browser() as browser:
        await shared_world.google(browser, "kim")
        cookies = browser.cookies()
    text = shared_world.said() + (shared_world.folder / "access.log").read_text()
    assert "sign_in" in text
    for value in (*cookies.values(), *shared_world.environment.values(), "code=", "nova-scotia"):
        assert value not in text


async def test_provider_down_leaves_the_password_working(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with running_oidc_provider() as provider:
        async with a_world(tmp_path_factory.mktemp("down"), provider) as world:
            provider.stop()
            async with world.browser() as browser:
                page = await browser.open("/sso/login?next=/calls")
                page = await browser.click(page, "Google")
                assert page.status == 503
                assert "provider_unavailable" in page.text
                page = await world.password(browser, "jmarch", "march-hare")
                assert "Jo March" in page.text
            async with world.browser() as browser:
                page = await world.microsoft(browser, "mara", "/calls")
                assert page.path == "/calls"


async def test_keys_rolled_while_somebody_is_at_the_provider(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with running_oidc_provider() as provider:
        async with a_world(tmp_path_factory.mktemp("rolled"), provider) as world:
            async with world.browser() as first:
                assert (await world.google(first, "jo", "/calls")).path == "/calls"
            async with world.browser() as second:
                page = await second.open("/sso/login?next=/voicemail")
                picker = await second.click(page, "Google")
                provider.roll_keys()
                page = await world.pick(second, picker, "jo")
                assert (page.status, page.path) == (200, "/voicemail")


async def test_upstream_down_is_told(
    tmp_path_factory: pytest.TempPathFactory, world: World
) -> None:
    await world.sonar.cleanup()
    async with world.browser() as browser:
        page = await browser.open("/login")
        assert page.status == 502
        assert "upstream_unavailable" in page.text
        assert (await browser.open("/sso/login")).status == 200


async def test_turning_a_domain_off_ends_its_sessions_within_a_second(world: World) -> None:
    async with world.browser() as jo, world.browser() as hank:
        await world.google(jo, "jo")
        await world.google(hank, "hank")
        world.policy("acme.example", sso="off")

        async def refused() -> bool:
            return (await jo.request("GET", "/api/v1/me"))[0] == 401

        await until(refused, world.said, 1.5)
        assert (await hank.request("GET", "/api/v1/me"))[0] == 200
        page = await world.google(jo, "jo")
        assert "domain_off" in page.text
        world.policy("acme.example", sso="on")

        async def reopened() -> bool:
            return (await world.google(jo, "jo", "/calls")).path == "/calls"

        await until(reopened, world.said)


async def test_blocking_a_person_ends_their_sessions_and_websockets(world: World) -> None:
    async with world.browser() as jo, world.browser() as mara:
        await world.google(jo, "jo")
        await world.microsoft(mara, "mara")
        async with jo.websocket("/calls/live") as calls:
            assert (await calls.receive(timeout=10)).data
            world.policy("acme.example", blocked_users=["jo@acme.example"])
            async with asyncio.timeout(2):
                while not calls.closed:
                    await calls.receive()
        assert (await jo.request("GET", "/api/v1/me"))[0] == 401
        assert (await mara.request("GET", "/api/v1/me"))[0] == 200
        page = await world.google(jo, "jo")
        assert "blocked_user" in page.text


async def test_bad_policy_leaves_the_last_good_set_in_force(world: World) -> None:
    world.policy("acme.example", ssso="off", blocked_users=["jo@acme.example"])

    async def told() -> bool:
        return "policies_rejected" in world.said()

    await until(told, world.said)
    assert "did you mean `sso`" in world.said()
    assert "sonar_gateway_policy_problems 1.0" in await world.metrics()
    async with world.browser() as browser:
        assert (await world.google(browser, "jo", "/calls")).path == "/calls"


async def test_session_survives_a_restart(world: World) -> None:
    async with world.browser() as browser:
        await world.google(browser, "jo")
        assert await world.stop() == 0
        await world.start()
        assert (await browser.request("GET", "/api/v1/me"))[0] == 200

"""Every form that somebody signed in sends: what each of them refuses, in the same way."""

import pytest
from structlog.testing import capture_logs

from tests.journeys.browser import Browser
from tests.portal.world import World

# Where a form goes, where its page stands, what it says.
FORMS = {
    "/sso/confirm": ("/sso/confirm", {"password": "x"}),
    "/sso/notices/read": ("/sso/notices", {"notice": "x"}),
    "/sso/notices/undo": ("/sso/notices", {"notice": "x"}),
    "/sso/settings/links/add": ("/sso/settings", {"username": "x", "password": "x"}),
    "/sso/settings/links/remove": ("/sso/settings", {"account": "x"}),
}
EVERY = pytest.mark.parametrize("action", FORMS)


async def token_of(world: World, browser: Browser, person: str) -> str:
    await world.arrive(browser, "google", person)
    return (await browser.open("/sso/settings")).form("Remove").fields["token"]


@EVERY
async def test_nobody_is_signed_in(browser: Browser, action: str) -> None:
    page, fields = FORMS[action]

    status, _, text = await browser.request("POST", action, data={**fields, "token": "x"})

    assert status == 401
    assert "session_expired" in text
    assert f"next={page.replace('/', '%2F')}" in text


@EVERY
async def test_a_form_that_is_not_this_sessions(
    world: World, browser: Browser, other_browser: Browser, action: str
) -> None:
    page, fields = FORMS[action]
    theirs = await token_of(world, other_browser, "alex")
    mine = await token_of(world, browser, "jo")
    for data, headers, reason in (
        (fields, {}, "form_forged"),
        ({**fields, "token": "x"}, {}, "form_forged"),
        ({**fields, "token": theirs}, {}, "form_forged"),
        ({**fields, "token": mine}, {"Origin": "https://evil.example"}, "form_forged"),
        ({"token": mine}, {}, "request_malformed"),
        ({**fields, "token": mine, "more": "x"}, {}, "request_malformed"),
    ):
        with capture_logs() as logs:
            _, _, text = await browser.request("POST", action, data=data, headers=headers)

        assert reason in text, (data, headers)
        assert f'href="{page}"' in text
        (event,) = (line for line in logs if line["event"] == "form_refused")
        assert (event["reason"], event["detail"]["path"]) == (reason, action)
    assert len(await world.live()) == 2


@EVERY
async def test_the_way_back_goes_on_to_where_it_was_meant_to(
    world: World, browser: Browser, action: str
) -> None:
    page, fields = FORMS[action]
    await world.arrive(browser, "google", "jo")

    _, _, text = await browser.request("POST", f"{action}?next=/calls", data=fields)

    assert f'href="{page}?next=%2Fcalls"' in text

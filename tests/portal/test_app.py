"""What every answer has in common: headers, error pages, methods."""

import re
from pathlib import Path
from urllib.parse import urlencode

import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from gateway.edge.coding import Coding, encode
from gateway.portal import app as portal_app
from gateway.reasons import Reason
from gateway.session.cookie import mint
from tests.journeys.browser import Browser
from tests.portal.world import World
from tests.session.samples import ring_in

STATIC = Path(portal_app.__file__).parent / "static"
PAGES = ["/sso/login", "/sso/logout", "/sso/nothing", "/sso/callback/google", "/sso/login/none"]


@pytest.mark.parametrize("path", PAGES)
async def test_every_page_is_protected_and_never_cached(browser: Browser, path: str) -> None:
    _, headers, _ = await browser.request("GET", path)

    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "form-action 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "base-uri 'none'" in policy
    assert "unsafe" not in policy
    assert "script-src" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] in {"same-origin", "no-referrer"}
    assert headers["Cache-Control"] == "no-store"


# Without a form of ours, or not for people at all.
WITHOUT_FORMS = {
    "/sso/login",
    "/sso/login/{provider}",
    "/sso/callback/{provider}",
    "/sso/unsent",
    "/sso/logout/backchannel/{provider}",
    "/sso/logout/risc/{provider}",
    "/sso/logout/frontchannel/{provider}",
    "/sso/me",
    "/sso/jwks.json",
    "/sso/static",
}
BY_SCRIPT = {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty", "Sec-Fetch-Site": "same-origin"}
IN_A_FRAME = {**BY_SCRIPT, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}


@pytest.mark.parametrize("headers", [BY_SCRIPT, IN_A_FRAME])
async def test_no_script_of_our_own_origin_gets_a_form(
    world: World, browser: Browser, headers: dict[str, str]
) -> None:
    """One in a page of Sonar's could read the token in it."""
    await world.arrive(browser, "google", "jo")
    asked = 0
    for route in world.app.router.routes():
        path = "" if route.resource is None else route.resource.canonical
        if route.method == "HEAD" or not path.startswith("/sso/") or path in WITHOUT_FORMS:
            continue
        status, _, text = await browser.request(route.method, path, headers=headers)
        assert (status, "script_refused" in text) == (403, True), route
        assert 'name="token"' not in text
        asked += 1
    assert asked == 18
    assert world.counters.sign_ins[Reason.SCRIPT_REFUSED] == asked


async def test_no_script_sends_a_form(world: World, browser: Browser) -> None:
    """Not even with a token that it got somehow."""
    await world.arrive(browser, "google", "jo")
    form = (await browser.open("/sso/settings")).form("Remove")
    sent = {**form.fields, "account": "1001"}

    status, _, text = await browser.request("POST", form.action, data=sent, headers=BY_SCRIPT)

    assert (status, "script_refused" in text) == (403, True)
    assert list(await world.live()) == ["1001"]
    assert "Found by" in (await browser.open("/sso/settings")).text


async def test_a_callback_does_not_tell_sonar_its_address(browser: Browser) -> None:
    """The way to the password is on Sonar, whose log would keep `code` and `state`."""
    _, headers, text = await browser.request("GET", "/sso/callback/google?code=c&state=s")
    assert headers["Referrer-Policy"] == "no-referrer"
    # With which a browser would send our own forms without their origin: there must be none.
    assert "<form" not in text


@pytest.mark.parametrize("path", PAGES)
async def test_every_page_reads_well(browser: Browser, path: str) -> None:
    _, _, text = await browser.request("GET", path)

    assert text.startswith("<!doctype html>")
    assert '<html lang="en">' in text
    assert text.count("<h1>") == 1
    assert "<script" not in text
    assert "style=" not in text
    assert "{{" not in text
    assert re.search(r"\son\w+=", text) is None


async def test_every_field_has_its_label(world: World, browser: Browser) -> None:
    await world.arrive(browser, "google", "jo")
    page = await browser.open("/sso/settings")

    fields = re.findall(r'<input id="([^"]+)"', page.text)
    assert fields
    for field in fields:
        assert f'<label for="{field}">' in page.text


@pytest.mark.parametrize(
    "path",
    ["/sso/", "/sso/nothing", "/sso/pilot", "/sso/review", "/sso/auth",
     "/sso/logout/nothing/google", "/sso/logout/frontchannel", "/sso/login/a/b"],
)  # fmt: skip
async def test_what_is_not_there_says_so(browser: Browser, path: str) -> None:
    page = await browser.open(path)

    assert page.status == 404
    assert "not_found" in page.text


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/sso/login"), ("DELETE", "/sso/accounts"), ("GET", "/sso/settings/links/add"),
     ("PUT", "/sso/link"), ("POST", "/sso/me"), ("OPTIONS", "/sso/logout")],
)  # fmt: skip
async def test_a_wrong_method_says_which_are_right(
    browser: Browser, method: str, path: str
) -> None:
    status, headers, text = await browser.request(method, path)

    assert status == 405
    assert headers["Allow"]
    assert "method_not_allowed" in text


@pytest.mark.parametrize("path", ["/sso/login", "/sso/logout", "/sso/jwks.json", "/sso/settings"])
async def test_head_answers_as_get_would(browser: Browser, path: str) -> None:
    get_status, get_headers, _ = await browser.request("GET", path)
    status, headers, text = await browser.request("HEAD", path)

    assert (status, text) == (get_status, "")
    assert headers.get("Content-Type") == get_headers.get("Content-Type")


async def test_a_body_larger_than_any_form_is_refused(world: World, browser: Browser) -> None:
    await world.arrive(browser, "google", "jo")

    status, _, text = await browser.request(
        "POST", "/sso/settings/links/add", data=b"a" * 200_000,
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )  # fmt: skip

    assert status == 413
    assert "request_too_large" in text


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
async def test_a_body_that_is_compressed_is_not_unpacked(
    world: World, browser: Browser, coding: str
) -> None:
    """60 KB from anybody are 60 MB, and a tenth of a second in which nobody is served."""
    await world.arrive(browser, "google", "jo")
    form = (await browser.open("/sso/logout")).form("Sign out").fields
    packed = encode(urlencode(form).encode(), Coding(coding))

    status, _, text = await browser.request(
        "POST",
        "/sso/logout",
        data=packed,
        headers={
            "Content-Type": "application/x-www-form-urlencoded",
            "Content-Encoding": coding,
        },
    )

    assert (status, "request_malformed" in text) == (400, True)
    assert (await browser.request("GET", "/sso/me"))[0] == 200


async def test_static_files_are_cached_and_nothing_else_is_served(browser: Browser) -> None:
    for name in ("portal.css", "sonar.svg", "google.svg", "microsoft.svg", "oidc.svg"):
        status, headers, _ = await browser.request("GET", f"/sso/static/{name}")

        assert status == 200, name
        assert headers["Cache-Control"] == "public, max-age=3600"
        assert headers["X-Content-Type-Options"] == "nosniff"
    for name in ("", "none.css", "%2e%2e/app.py", "..%2fapp.py", "../templates/base.html"):
        status, headers, _ = await browser.request("GET", f"/sso/static/{name}")

        assert status == 404, name
        assert headers["Cache-Control"] == "no-store"


async def test_every_file_a_page_names_is_there(world: World, browser: Browser) -> None:
    page = await world.arrive(browser, "google", "nora")

    for name in re.findall(r'(?:src|href)="/sso/static/([^"]+)"', page.text):
        assert (STATIC / name).is_file(), name


async def test_a_request_id_is_shown_on_a_refusal(browser: Browser) -> None:
    _, _, text = await browser.request(
        "GET", "/sso/nothing", headers={"X-Request-ID": "<b>quote-me</b>"}
    )

    assert "&lt;b&gt;quote-me&lt;/b&gt;" in text


async def test_every_line_of_the_log_says_which_request_it_is_about(
    world: World, browser: Browser
) -> None:
    await world.change_own("sessions.db", "ALTER TABLE sessions RENAME TO gone")
    cookie = mint(ring_in(world.config.keys.folder)).value
    with capture_logs(processors=[merge_contextvars]) as logs:
        await browser.request(
            "GET",
            "/sso/settings",
            cookies={"sonar_sso": cookie},
            headers={"X-Request-ID": "r-1", "X-Forwarded-For": "192.0.2.7"},
        )
        await browser.request("GET", "/sso/logout", headers={"X-Request-ID": "r-2"})

    assert [entry["event"] for entry in logs] == ["part_down", "portal_unavailable"]
    assert {(entry["request_id"], entry["address"]) for entry in logs} == {("r-1", "192.0.2.7")}


@pytest.mark.parametrize(
    "path",
    ["/sso/login?next=%ff%fe", "/sso/login?next=%00", "/sso/accounts?tx=%ff", "/sso/link?tx=../..",
     "/sso/callback/google?state=%00&code=%ff", "/sso/logout?provider=%00", "/sso/login/%ff",
     "/sso/callback/google?state=a&state=b", "/sso/login?" + "a=b&" * 900],
)  # fmt: skip
async def test_odd_addresses_are_answered(browser: Browser, path: str) -> None:
    status, _, text = await browser.request("GET", path)

    assert status in {200, 303, 400, 404}
    assert "internal_error" not in text

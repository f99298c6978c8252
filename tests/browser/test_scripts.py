"""A script in a page of Sonar's own (cross-site scripting), and the gateway's pages beside it."""

import pytest
from playwright.async_api import expect

from tests.browser.stage import Stage, pick

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("browser")]

# Each way to look into a page of one's own origin; what each of them finds: a token or nothing.
_LOOKS = """async () => {
    const page = "/sso/settings", found = {};
    const token = text => text.match(/name="token" value="([^"]+)"/)?.[1] ?? null;
    const inside = place => {
        try { return token(place.contentDocument.documentElement.outerHTML); }
        catch { return null; }
    };
    found.fetch = token(await (await fetch(page)).text());
    found.xhr = await new Promise(done => {
        const asked = new XMLHttpRequest();
        asked.open("GET", page);
        asked.onloadend = () => done(token(asked.responseText));
        asked.send();
    });
    for (const [tag, from] of [["iframe", "src"], ["object", "data"], ["embed", "src"]]) {
        const place = document.createElement(tag);
        const over = new Promise(done => { place.onload = place.onerror = done; });
        place[from] = page;
        document.body.append(place);
        await over;
        found[tag] = inside(place);
    }
    const opened = window.open(page);
    if (opened === null) throw new Error("no window opened");
    const loaded = () => {
        try {
            return opened.location.pathname === page && opened.document.readyState === "complete";
        } catch { return false; }
    };
    while (!opened.closed && !loaded()) await new Promise(soon => setTimeout(soon, 20));
    found.window = opened.closed ? null : token(opened.document.documentElement.outerHTML);
    return found;
}"""


async def test_a_script_in_a_page_of_sonars_finds_no_form_of_ours(stage: Stage) -> None:
    """With the token it could remove the links of whoever reads the page."""
    context = await stage.chromium.new_context(base_url=stage.origin)
    try:
        page = await context.new_page()
        await page.goto("/sso/login/google?next=/calls")
        await pick(page, "Jo March")
        await expect(page.get_by_role("heading", name="Calls")).to_be_visible()

        found = await page.evaluate(_LOOKS)

        assert found == dict.fromkeys(("fetch", "xhr", "iframe", "object", "embed", "window"), None)
        await page.goto("/sso/settings")
        await expect(page.locator('input[name="token"]').first).to_have_count(1)
    finally:
        await context.close()

"""What tests do in a browser at the stand-in Sonar."""

import aiohttp

from demo.sonar.seed import ACCOUNTS

JOS_PASSWORD = next(a.password for a in ACCOUNTS if a.username == "jmarch")


async def sign_in(
    browser: aiohttp.ClientSession,
    username: str = "jmarch",
    password: str = JOS_PASSWORD,
    return_to: str = "/",
) -> aiohttp.ClientResponse:
    form = {"username": username, "password": password, "return_to": return_to}
    return await browser.post("/login", data=form, allow_redirects=False)


async def me(browser: aiohttp.ClientSession, **headers: str) -> tuple[int, str | None]:
    """The status of /api/v1/me and the username it names."""
    async with browser.get("/api/v1/me", headers=headers) as answer:
        return answer.status, (await answer.json()).get("username")

"""No path of Sonar's without a decision; only a person is led to the sign-in page."""

import pytest

from tests.edge.world import NAVIGATION, World, get

PRIVATE = """
    /calls /calls?/static/a.css /calls?x=/login /static/../calls /static/..;/x /static%2f../calls
    //static/a.css /%2e%2e/calls /static/a;/../calls /login/ /loginx /sso/../calls
    /sso/auth/../../calls /sso/..;/calls /sso%2f../calls /SSO/../calls /favicon.ico/x
    http://sonar.test/calls
""".split()
PROGRAMS: list[tuple[str, ...]] = [
    (),
    ("Accept: application/json",),
    ("Accept: */*",),
    ("X-Requested-With: XMLHttpRequest", "Accept: text/html"),
    ("Sec-Fetch-Mode: cors", "Accept: text/html"),
    ("Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image"),
    ("Sec-Fetch-Mode: same-origin", "Sec-Fetch-Dest: empty", "Accept: text/html"),
    ("Sec-Fetch-Mode: websocket", "Connection: Upgrade", "Upgrade: websocket", "Accept: text/html"),
    ("Accept: text/event-stream",),
    ("User-Agent: kube-probe/1.30",),
    ("Authorization: Bearer abc",),
    ("Referer: http://sonar.test/static/a.css",),
]


@pytest.mark.parametrize("lines", PROGRAMS)
async def test_programs_that_nobody_signed_in_get_json_and_no_redirect(
    world: World, lines: tuple[str, ...]
) -> None:
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"):
        request = get("/calls", *lines).replace(b"GET ", f"{method} ".encode())
        reply = await world.ask(request)
        assert (reply.status, reply.headers.get("location")) == (401, None)
        assert reply.headers["content-type"] == "application/json"
        if method != "HEAD":
            assert reply.json["error"] == "not_signed_in"
    assert world.sonar.calls == []


@pytest.mark.parametrize("path", PRIVATE)
async def test_no_path_of_sonars_without_a_decision(world: World, path: str) -> None:
    """Whatever it looks like, and whoever asks: nothing reaches Sonar."""
    for lines in (*PROGRAMS, NAVIGATION):
        for cookie in ("", "Cookie: sonar_sso=made-up", "Cookie: SONARSESSID=~sonar~made.up"):
            reply = await world.ask(get(path, *lines, *([cookie] if cookie else [])))
            assert reply.status in {302, 400, 401, 404}, path
    assert world.sonar.calls == []

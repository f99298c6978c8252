"""Behind Traefik, by its wire protocol and docs/forward-auth/traefik.yaml."""

import pytest
import yaml

from gateway.config import IdentityHeaders
from tests.edge.conftest import MakeWorld
from tests.forward_auth.front import FILES
from tests.forward_auth.traefik import FILE, Traefik

SERVER = {
    "public_url": "https://sonar.test",
    "trusted_proxies": ["127.0.0.0/8"],
    "forward_auth": "traefik",
}
NAVIGATION = {"Sec-Fetch-Mode": "navigate", "Accept": "text/html"}
UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
           "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}  # fmt: skip
IDENTITY = {*IdentityHeaders().model_dump().values()}


async def test_who_is_signed_in_passes_with_an_identity(make_world: MakeWorld) -> None:
    world = await make_world(server=SERVER)
    cookie, _ = await world.sign_in()
    headers = {
        "Cookie": f"a=b; {cookie}",
        "X-Sonar-Username": "evil",
        "X-Forwarded-Uri": "/static/a",
    }
    outcome = await Traefik(world).handle("POST", "/calls?page=2", headers)
    assert outcome.upstream is not None
    assert outcome.upstream["X-Sonar-Username"] == "jo"
    assert outcome.upstream["Cookie"] == "a=b"
    assert "evil" not in outcome.upstream.values()
    (line,) = world.lines_of(1)
    assert (line["method"], line["path"], line["client"]) == ("POST", "/calls", "192.0.2.7")


@pytest.mark.parametrize(
    ("uri", "cookie"), [("/static/a.css", ""), ("/calls", "SONARSESSID=own; sonar_x=1")]
)
async def test_everybody_else_passes_as_nobody(
    make_world: MakeWorld, uri: str, cookie: str
) -> None:
    world = await make_world(server=SERVER)
    headers = dict.fromkeys(IDENTITY, "evil") | ({"Cookie": cookie} if cookie else {})
    outcome = await Traefik(world).handle("GET", uri, headers)
    assert outcome.upstream is not None
    assert not IDENTITY & set(outcome.upstream)
    assert outcome.upstream.get("Cookie", "") == cookie


@pytest.mark.parametrize("name", ["X_Sonar_Username", "x.sonar.username", "X-Sonar_Username"])
async def test_a_spelling_that_traefik_does_not_remove_is_refused(
    make_world: MakeWorld, name: str
) -> None:
    world = await make_world(server=SERVER)
    for uri in ("/static/a.css", "/calls"):
        outcome = await Traefik(world).handle("GET", uri, {name: "evil"})
        assert (outcome.upstream, outcome.answer.status) == (None, 400)


async def test_a_person_is_led_to_the_sign_in_page(make_world: MakeWorld) -> None:
    """Traefik takes a Location that is a path for one of the gateway's own address."""
    world = await make_world(server=SERVER)
    outcome = await Traefik(world).handle("GET", "/calls?page=2", NAVIGATION)
    assert outcome.reply is not None
    assert outcome.reply.status == 302
    expected = "https://sonar.test/sso/login?next=/calls%3Fpage%3D2"
    assert outcome.reply.headers["location"] == expected


async def test_programs_get_401(make_world: MakeWorld) -> None:
    world = await make_world(server=SERVER)
    for headers in ({"Accept": "application/json"}, {**UPGRADE, **NAVIGATION}, {}):
        outcome = await Traefik(world).handle("GET", "/calls", headers)
        assert outcome.reply is not None
        assert outcome.reply.status == 401
        assert "location" not in outcome.reply.headers
        assert outcome.reply.json["error"] == "not_signed_in"


async def test_a_foreign_origins_websocket_is_refused(make_world: MakeWorld) -> None:
    """Traefik's question has no `Upgrade`; the key of a WebSocket, which no script can set, has."""
    world = await make_world(server=SERVER)
    cookie, _ = await world.sign_in()
    for origin, status in (("https://sonar.test", 200), ("https://evil.example", 403)):
        headers = {**UPGRADE, "Cookie": cookie, "Origin": origin}
        outcome = await Traefik(world).handle("GET", "/live", headers)
        assert outcome.answer.status == status


def test_the_file_says_it_all() -> None:
    content = yaml.safe_load(FILE.read_text())
    asks = content["http"]["middlewares"]["sonar-question"]["forwardAuth"]
    assert asks["trustForwardHeader"] is False
    assert set(asks["authResponseHeaders"]) == IDENTITY | {"Cookie", "X-Request-ID"}
    assert "addAuthCookiesToResponse" not in asks
    removed = content["http"]["middlewares"]["sonar-ours"]["headers"]["customRequestHeaders"]
    assert set(removed) >= IDENTITY
    routers = content["http"]["routers"]
    assert {*routers} == {"sonar", "sonar-gateway", "sonar-websocket"}
    # Whatever matches nothing more particular is asked about.
    others = [router["priority"] for name, router in routers.items() if name != "sonar"]
    assert routers["sonar"]["priority"] < min(others)
    assert "sonar-question" in routers["sonar"]["middlewares"]
    assert [r["service"] for r in routers.values() if "sonar-question" not in r["middlewares"]] == [
        "sonar-gateway",
        "sonar-gateway",
    ]
    cookies = content["http"]["middlewares"]["sonar-cookies"]["headers"]["customResponseHeaders"]
    assert cookies == {"Set-Cookie": ""}
    assert "sonar-cookies" in routers["sonar"]["middlewares"]


@pytest.mark.parametrize("file", ["nginx.conf", "Caddyfile", "traefik.yaml"])
def test_every_identity_header_is_in_every_file(file: str) -> None:
    """Envoy's names them by their beginning."""
    text = (FILES / file).read_text()
    assert [name for name in IDENTITY if name not in text] == []

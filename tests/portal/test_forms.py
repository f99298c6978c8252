"""A form is believed only from our own page, whole, each field once."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from urllib.parse import urlencode

import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer

from gateway.portal.forms import LONGEST_FORM, Unreadable, form_token, read_form
from gateway.session.seal import Sealer
from tests.session.samples import ring_in

ORIGIN = "https://sonar.example"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
BOUND = "session:one"


@pytest.fixture(scope="module")
def sealer(tmp_path_factory: pytest.TempPathFactory) -> Sealer:
    return Sealer(ring_in(tmp_path_factory.mktemp("keys") / Path("keys")))


@pytest.fixture
async def client(sealer: Sealer) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    """A server that reads one form and says what it understood."""

    async def read(request: web.Request) -> web.Response:
        fields = await read_form(
            request,
            sealer,
            bound_to=BOUND,
            origin=ORIGIN,
            expected=frozenset({"username", "password"}),
        )
        if isinstance(fields, Unreadable):
            return web.json_response({"reason": fields.reason, "detail": fields.detail})
        return web.json_response({"fields": dict(fields)})

    app = web.Application(client_max_size=LONGEST_FORM)
    app.router.add_post("/", read)
    async with TestClient(TestServer(app)) as client:
        yield client


async def send(
    client: TestClient[web.Request, web.Application],
    body: str | bytes,
    headers: Mapping[str, str] | None = None,
) -> ClientResponse:
    return await client.post("/", data=body, headers=FORM if headers is None else headers)


def good(sealer: Sealer, **changed: str) -> dict[str, str]:
    return {
        "token": form_token(sealer, BOUND),
        "username": "jo",
        "password": "pass word+&=é",
    } | changed


async def test_a_form_of_ours_is_read_as_it_was_typed(
    client: TestClient[web.Request, web.Application], sealer: Sealer
) -> None:
    reply = await send(client, urlencode(good(sealer)))

    assert await reply.json() == {"fields": {"username": "jo", "password": "pass word+&=é"}}


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"},
        {"Origin": ORIGIN},
        {"Sec-Fetch-Site": "same-origin"},
        {},
    ],
)
async def test_our_own_origin_is_let_in_however_the_browser_says_it(
    client: TestClient[web.Request, web.Application], sealer: Sealer, headers: dict[str, str]
) -> None:
    reply = await send(client, urlencode(good(sealer)), FORM | headers)

    assert "fields" in await reply.json()


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://sonar.example"},
        {"Origin": "https://sonar.example.evil.example"},
        {"Origin": "https://sonar.example:8443"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": ORIGIN, "Sec-Fetch-Site": "cross-site"},
    ],
)
async def test_another_site_is_refused_even_with_a_good_token(
    client: TestClient[web.Request, web.Application], sealer: Sealer, headers: dict[str, str]
) -> None:
    reply = await send(client, urlencode(good(sealer)), FORM | headers)

    assert (await reply.json())["reason"] == "form_forged"


async def test_a_token_of_another_session_or_made_up_is_refused(
    client: TestClient[web.Request, web.Application], sealer: Sealer
) -> None:
    real = form_token(sealer, BOUND)
    for token in (
        form_token(sealer, "session:two"),
        "",
        "x",
        real[:-1],
        sealer.seal("a", BOUND, b""),
    ):
        reply = await send(client, urlencode(good(sealer, token=token)))

        assert (await reply.json())["reason"] == "form_forged", token


async def test_no_token_at_all_is_refused(
    client: TestClient[web.Request, web.Application],
) -> None:
    reply = await send(client, "username=jo&password=x")

    assert (await reply.json())["reason"] == "form_forged"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("&username=eve", "a field twice"),
        ("&token=x", "the token twice"),
        ("&account=7", "a field nobody asked for"),
        ("&&", "empty pairs"),
        ("&password", "a field without a value"),
        ("&x=%FF", "bytes that are no text"),
    ],
)
async def test_what_can_be_read_in_two_ways_is_refused(
    client: TestClient[web.Request, web.Application], sealer: Sealer, change: str, why: str
) -> None:
    reply = await send(client, urlencode(good(sealer)) + change)

    assert (await reply.json())["reason"] == "request_malformed", why


@pytest.mark.parametrize("value", ["x" * (16 * 1024 + 1)])
async def test_values_that_no_field_holds_are_refused(
    client: TestClient[web.Request, web.Application], sealer: Sealer, value: str
) -> None:
    reply = await send(client, urlencode(good(sealer, username=value)))

    assert (await reply.json())["reason"] == "request_malformed"


async def test_a_missing_field_is_refused(
    client: TestClient[web.Request, web.Application], sealer: Sealer
) -> None:
    reply = await send(client, urlencode({"token": form_token(sealer, BOUND), "username": "jo"}))

    assert (await reply.json())["reason"] == "request_malformed"


@pytest.mark.parametrize(
    "kind", ["text/plain", "multipart/form-data; boundary=x", "application/json"]
)
async def test_only_the_one_way_of_writing_a_form_is_read(
    client: TestClient[web.Request, web.Application], sealer: Sealer, kind: str
) -> None:
    reply = await send(client, urlencode(good(sealer)), {"Content-Type": kind})

    assert (await reply.json())["reason"] == "request_malformed"


@pytest.mark.parametrize("body", [b"\xff\xfe\x00", b"", b"=", b"a" * 1000])
async def test_garbage_is_refused(
    client: TestClient[web.Request, web.Application], body: bytes
) -> None:
    reply = await send(client, body)

    assert (await reply.json())["reason"] in {"request_malformed", "form_forged"}


async def test_a_form_larger_than_any_of_ours_is_not_read(
    client: TestClient[web.Request, web.Application],
) -> None:
    reply = await send(client, b"a=" + b"x" * LONGEST_FORM)

    assert reply.status == 413

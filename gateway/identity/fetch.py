"""HTTP to a provider: what goes wrong there becomes `ProviderUnavailable` here and nowhere else.

A provider's answer is JSON of a sane size from the URL we asked, or it is no answer. Redirects are
not followed: a client secret must not travel to wherever a `Location` header says.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp

from gateway.errors import ProviderUnavailable
from gateway.urls import is_loopback

# A person is waiting. Providers answer within a second; what takes ten is down.
TIMEOUT = aiohttp.ClientTimeout(total=10.0, connect=5.0)

# One that has been idle for longer may be dead without a sign, and whoever took it would wait for
# their whole time. Within it the questions of one sign-in share a connection.
_IDLE_SECONDS = 1.0

# Entra's key set, the largest document in question, has some 20 KiB.
_LARGEST_REPLY = 512 * 1024


# There was no connection yet to send anything on.
_NEVER_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)


@dataclass(frozen=True, slots=True)
class Reply:
    """A provider's JSON object with its status, below 500 and not 429."""

    status: int
    content: Mapping[str, object]


def open_http(timeout: aiohttp.ClientTimeout = TIMEOUT) -> aiohttp.ClientSession:
    """The session all providers share: no cookies between people, no redirects, bounded time."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(keepalive_timeout=_IDLE_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=timeout,
    )


def is_safe_url(url: str) -> bool:
    """Whether codes, secrets and keys may travel by this URL: https, or plain http within this
    machine, and nothing in it that makes two programs read two hosts."""
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return False
    if parts.username is not None or parts.password is not None or parts.fragment:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))


async def get_json(http: aiohttp.ClientSession, url: str) -> Reply:
    return await _request(http, "GET", url, {}, None)


async def post_form(
    http: aiohttp.ClientSession, url: str, headers: Mapping[str, str], body: str
) -> Reply:
    """Post an `application/x-www-form-urlencoded` body."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    return await _request(http, "POST", url, {**headers, **form}, body.encode())


async def get_page(http: aiohttp.ClientSession, url: str) -> tuple[int, str, str]:
    """Status, `Location` and text of a page, as far as the largest reply."""
    try:
        async with http.get(url, allow_redirects=False) as response:
            content = await _read(response)
            location = response.headers.get("Location", "")
            return response.status, location, content.decode("utf-8", "replace")
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise _unavailable(url, _told(error)) from error


async def _request(
    http: aiohttp.ClientSession,
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes | None,
) -> Reply:
    if not is_safe_url(url):
        raise _unavailable(url, "the URL is neither https nor on this machine")
    try:
        async with http.request(
            method,
            url,
            data=body,
            headers={"Accept": "application/json", **headers},
            allow_redirects=False,
        ) as response:
            content = await _read(response)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        sent = method == "POST" and not isinstance(error, _NEVER_SENT)
        raise _unavailable(url, _told(error), may_have_been_done=sent) from error
    if response.status >= 500 or response.status == 429 or 300 <= response.status < 400:
        done = method == "POST" and response.status >= 500 and response.status != 503
        raise _unavailable(url, f"status {response.status}", may_have_been_done=done)
    try:
        return Reply(response.status, _document(url, response, content))
    except ProviderUnavailable as error:
        error.may_have_been_done = method == "POST"
        raise


def _document(url: str, response: aiohttp.ClientResponse, content: bytes) -> Mapping[str, object]:
    if len(content) > _LARGEST_REPLY:
        raise _unavailable(url, "the reply is too large")
    if not _is_json(response.content_type):
        raise _unavailable(url, f"status {response.status}, and not JSON")
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise _unavailable(url, f"status {response.status}, and broken JSON") from error
    if not isinstance(document, dict):
        raise _unavailable(url, f"status {response.status}, and not a JSON object")
    return document


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The body, or as much of it as shows that it is too large. Counted after decompression, so
    that a small reply cannot become a large one."""
    content = bytearray()
    async for chunk in response.content.iter_chunked(65536):
        content += chunk
        if len(content) > _LARGEST_REPLY:
            break
    return bytes(content)


def _is_json(content_type: str) -> bool:
    return content_type == "application/json" or content_type.endswith("+json")


def _told(error: Exception) -> str:
    """With the port and why, where nobody was reached; what else aiohttp says may hold a URL whole,
    with its query."""
    name = type(error).__name__
    return f"{name}: {error}" if isinstance(error, aiohttp.ClientConnectorError) else name


def _unavailable(url: str, what: str, *, may_have_been_done: bool = False) -> ProviderUnavailable:
    """Told with host and path only: a query may hold what no log should."""
    try:
        parts = urlsplit(url)
        place = f"{parts.hostname}{parts.path}"
    except ValueError:
        place = "the provider"
    return ProviderUnavailable(f"{place}: {what}", may_have_been_done=may_have_been_done)

"""A browser without a script engine: cookies, redirects, links and forms, over real sockets.

What a person does is a line of a journey: open an address, click what the page calls something,
fill in a form. The cookie jar follows the same rules as a browser's; redirects across origins are
followed one by one and kept, so that a test can look at each hop.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, urljoin, urlsplit

import aiohttp
from yarl import URL

# A journey has at most a handful of redirects; more is a loop.
MOST_REDIRECTS = 12
NAVIGATION = {
    "Accept": "text/html,application/xhtml+xml,*/*;q=0.8",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Site": "same-origin",
    "User-Agent": "Mozilla/5.0 (journey)",
}


@dataclass
class Form:
    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: dict[str, tuple[str, str]] = field(default_factory=dict)
    choices: dict[str, list[str]] = field(default_factory=dict)


class _Reader(HTMLParser):
    """Collects links by their text and forms with their fields and buttons."""

    def __init__(self) -> None:
        super().__init__()
        self.links: dict[str, str] = {}
        self.forms: list[Form] = []
        self._href: str | None = None
        self._button: dict[str, str | None] | None = None
        self._text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag == "a":
            self._href, self._text = attributes.get("href"), ""
        elif tag == "form":
            method = (attributes.get("method") or "get").lower()
            self.forms.append(Form(attributes.get("action") or "", method))
        elif tag == "button":
            self._button, self._text = attributes, ""
        elif tag == "input" and self.forms:
            self._input(attributes)
        elif tag == "textarea" and self.forms:
            self.forms[-1].fields[attributes.get("name") or ""] = ""

    def _input(self, attributes: dict[str, str | None]) -> None:
        name, value = attributes.get("name"), attributes.get("value") or ""
        kind, form = attributes.get("type") or "text", self.forms[-1]
        if kind == "submit":
            form.buttons[value] = (name or "", value)
        elif name is not None and kind in {"radio", "checkbox"}:
            form.choices.setdefault(name, []).append(value)
            if "checked" in attributes:
                form.fields[name] = value
        elif name is not None:
            form.fields[name] = value

    def handle_data(self, data: str) -> None:
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        text = " ".join(self._text.split())
        if tag == "a" and self._href is not None:
            self.links.setdefault(text, self._href)
            self._href = None
        elif tag == "button" and self._button is not None and self.forms:
            name, value = self._button.get("name"), self._button.get("value")
            self.forms[-1].buttons[text] = (name or "", value or "")
            self._button = None


@dataclass(frozen=True)
class Page:
    """One page as a person sees it, and the hops that led to it (status, address)."""

    url: str
    status: int
    text: str
    headers: Mapping[str, str]
    hops: tuple[tuple[int, str], ...]

    def _read(self) -> _Reader:
        reader = _Reader()
        reader.feed(self.text)
        return reader

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.url).query))

    def link(self, text: str) -> str:
        """The address of the first link whose text contains `text`."""
        links = self._read().links
        for label, href in links.items():
            if text in label:
                return urljoin(self.url, href)
        raise AssertionError(f"no link {text!r} on {self.url}: {sorted(links)}")

    def offers(self, button: str) -> bool:
        """Whether there is a button with `button` in its text."""
        return any(button in label for form in self._read().forms for label in form.buttons)

    def form(self, button: str) -> Form:
        """The form that has a button with `button` in its text."""
        forms = self._read().forms
        for form in forms:
            if any(button in label for label in form.buttons):
                return form
        labels = [sorted(form.buttons) for form in forms]
        raise AssertionError(f"no button {button!r} on {self.url}: {labels}")


class Browser:
    """One person's browser. `async with Browser(origin) as browser:`

    Unless it `keeps_connections`, each request goes to whichever worker accepts it.
    """

    def __init__(
        self, origin: str, tls: ssl.SSLContext | None = None, *, keeps_connections: bool = True
    ) -> None:
        self.origin = origin
        # `unsafe` only lets the jar take cookies of IP addresses, as browsers do.
        self.jar = aiohttp.CookieJar(unsafe=True)
        self._http = aiohttp.ClientSession(
            cookie_jar=self.jar,
            timeout=aiohttp.ClientTimeout(total=20),
            connector=aiohttp.TCPConnector(ssl=tls or True, force_close=not keeps_connections),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.close()

    async def open(self, address: str) -> Page:
        return await self._go("GET", urljoin(self.origin, address))

    async def click(self, page: Page, text: str) -> Page:
        return await self._go("GET", page.link(text))

    async def press(self, page: Page, button: str, **fields: str) -> Page:
        """Press a button of a form, with `fields` filled in."""
        form = page.form(button)
        unknown = set(fields) - set(form.fields) - set(form.choices)
        assert not unknown, f"{page.url} has no field {unknown}"
        label = next(label for label in form.buttons if button in label)
        name, value = form.buttons[label]
        data = form.fields | fields | ({name: value} if name else {})
        action = urljoin(page.url, form.action)
        if form.method == "get":
            return await self._go("GET", str(URL(action).update_query(data)))
        return await self._go("POST", action, data)

    async def request(
        self, method: str, address: str, **options: object
    ) -> tuple[int, Mapping[str, str], str]:
        """One bare request without following anything: what a script in the page would send."""
        url = urljoin(self.origin, address)
        async with self._http.request(method, url, allow_redirects=False, **options) as reply:  # type: ignore[arg-type]
            return reply.status, reply.headers, await reply.text()

    def get(
        self, address: str, headers: Mapping[str, str] | None = None
    ) -> aiohttp.client._RequestContextManager:
        """A reply to be read as bytes."""
        return self._http.get(urljoin(self.origin, address), headers=headers)

    def websocket(self, address: str) -> aiohttp.client._WSRequestContextManager:
        return self._http.ws_connect(urljoin(self.origin, address))

    def cookies(self) -> dict[str, str]:
        """The cookies the gateway's origin would get, by name."""
        return {
            name: morsel.value for name, morsel in self.jar.filter_cookies(URL(self.origin)).items()
        }

    async def _go(self, method: str, url: str, data: Mapping[str, str] | None = None) -> Page:
        hops: list[tuple[int, str]] = []
        headers = dict(NAVIGATION)
        if method == "POST":
            parts = urlsplit(url)
            headers["Origin"] = f"{parts.scheme}://{parts.netloc}"
        for _ in range(MOST_REDIRECTS):
            async with self._http.request(
                method, URL(url, encoded=True), data=data, headers=headers, allow_redirects=False
            ) as reply:
                hops.append((reply.status, url))
                location = reply.headers.get("Location")
                if reply.status not in {301, 302, 303, 307, 308} or location is None:
                    text = await reply.text(errors="replace")
                    return Page(url, reply.status, text, reply.headers.copy(), tuple(hops))
                url = urljoin(url, location)
                if reply.status not in {307, 308}:
                    method, data = "GET", None
                    headers.pop("Origin", None)
        raise AssertionError(f"redirects without end: {hops}")

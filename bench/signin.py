"""Signs in at the stand-in provider through a proxy, as a browser would."""

import http.client
from email.message import Message
from urllib.parse import urlencode, urlsplit

from bench.process import CannotMeasure
from bench.requests import PAGE
from bench.upstream.pages import BODY

# Somebody the stand-in knows (demo/people.py).
_PERSON = "jo"


class _Browser:
    """Keeps the cookies of one site and follows nothing by itself."""

    def __init__(self) -> None:
        self.cookies: dict[str, str] = {}

    def ask(self, method: str, url: str, form: dict[str, str] | None = None) -> tuple[int, Message]:
        """Status and head of the answer; its body is read and forgotten."""
        parts = urlsplit(url)
        connection = http.client.HTTPConnection("127.0.0.1", parts.port or 80, timeout=10)
        headers = {"Host": parts.netloc, "Accept": "text/html"}
        if self.cookies:
            headers["Cookie"] = self.cookie()
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            target = f"{parts.path}?{parts.query}" if parts.query else parts.path
            connection.request(method, target, urlencode(form) if form else None, headers)
            reply = connection.getresponse()
            self.body = reply.read()
            self._keep(reply.headers)
            return reply.status, reply.headers
        finally:
            connection.close()

    def cookie(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())

    def _keep(self, head: Message) -> None:
        for line in head.get_all("Set-Cookie", ()):
            pair, *attributes = (part.strip() for part in line.split(";"))
            name, _, value = pair.partition("=")
            ended = {"max-age=0", "expires=thu, 01 jan 1970 00:00:00 gmt"}
            if ended & {attribute.lower() for attribute in attributes}:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value


def sign_in(origin: str) -> str:
    """Sign in at the proxy that browsers know as `origin`; the value of the Cookie header."""
    site, elsewhere = _Browser(), _Browser()
    page = origin + PAGE
    authorize = _location(site.ask("GET", page), "the sign-in began with")
    callback = _location(elsewhere.ask("POST", authorize, {"person": _PERSON}), "the provider")
    _location(site.ask("GET", callback), "the callback")
    status, _ = site.ask("GET", page)
    if status != 200 or site.body != BODY:
        raise CannotMeasure(f"signed in at {origin}, and yet {page} gives {status}: {site.body!r}")
    return site.cookie()


def _location(answer: tuple[int, Message], whose: str) -> str:
    status, head = answer
    if status not in {302, 303} or "Location" not in head:
        raise CannotMeasure(f"no redirect: {whose} {status} {head.as_string()}")
    return str(head["Location"])

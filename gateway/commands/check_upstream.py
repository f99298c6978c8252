"""Does Sonar answer, at each of its addresses, and have its pages a place for the fragments?"""

import time
from functools import partial

from gateway.commands.lines import Line, Lines
from gateway.config import Config, Fragment
from gateway.edge.connecting import ways_to_sonar
from gateway.edge.cookies import Place, passing_set_cookie
from gateway.edge.health_check import Heard, answer_to, is_healthy, question
from gateway.edge.inject import Injection, NotFound, find_place
from gateway.edge.page import LARGEST_AS_SENT
from gateway.edge.pool import Pool
from gateway.edge.reply_heads import ReplyHeads
from gateway.edge.rules import Rules
from gateway.errors import UpstreamUnavailable
from gateway.settings.upstream import LoginFields

# Longer than a sign-in page takes; somebody is waiting.
_PATIENCE = 10.0


async def check_upstream(config: Config) -> Lines:
    """The sign-in page at each address, its place for the buttons, its fields, and the health
    check; on the connections that `serve` makes."""
    upstream, rules = config.upstream, Rules.of(config)
    page: bytes | None = None
    lines: list[Line] = []
    unnamed: set[Place] = set()
    for way in ways_to_sonar(upstream, time.monotonic):
        pool = Pool(way, upstream.connect_timeout, time.monotonic, ReplyHeads(rules))
        shown = upstream.url if not upstream.addresses else f"{upstream.url} at {way.name}: "
        get = partial(_get, pool, rules.public_host)
        sign_in = await get(upstream.login_path)
        if sign_in.status == 200 and page is None:
            page = sign_in.body
        lines.append(_answers(shown, upstream.login_path, sign_in))
        unnamed |= _unnamed(sign_in, upstream.login_path, rules)
        if upstream.health is not None and not sign_in.wrong:
            healthy = await get(upstream.health.path)
            lines.append(_healthy(shown, upstream.health.path, healthy))
        pool.close()
    if page is not None:
        lines.append(_anchor("sign-in buttons", page, upstream.login_buttons))
        lines += _lacking(page, upstream.login_fields)
    lines += [_elsewhere(place) for place in sorted(unnamed)]
    return tuple(lines)


async def _get(pool: Pool, host: str, path: str) -> Heard:
    try:
        connection = await pool.dial()
    except UpstreamUnavailable as error:
        return Heard(0, b"", str(error))
    return await answer_to(connection, question(path, host), _PATIENCE, most=LARGEST_AS_SENT + 1)


def _answers(shown: str, path: str, heard: Heard) -> Line:
    if heard.wrong:
        return Line("FAIL", "upstream", f"{shown}{path}: {heard.wrong}")
    detail = f"{shown}{path} answers {heard.status}"
    if heard.status != 200:
        return Line("FAIL", "upstream", f"{detail}, a sign-in page answers 200")
    return Line("ok", "upstream", detail)


def _unnamed(heard: Heard, path: str, rules: Rules) -> set[Place]:
    """Where the page sets session cookies that config does not name; nothing else of Sonar's is
    seen here, as nobody signs in."""
    found = [passing_set_cookie(cookie, None, path, rules.cookies) for cookie in heard.cookies]
    return {cookie.unnamed for cookie in found if cookie is not None and cookie.unnamed is not None}


def _elsewhere(place: Place) -> Line:
    domain = f", domain: {place.domain}" if place.domain else ""
    entry = f"{{name: {place.name}, path: {place.path}{domain}}}"
    wrong = "the sign-in page sets one that would outlive a sign-out"
    return Line("warn", "session cookies", f"{wrong}; add {entry} to upstream.session_cookies")


def _healthy(shown: str, path: str, heard: Heard) -> Line:
    if heard.wrong:
        return Line("FAIL", "health check", f"{shown}{path}: {heard.wrong}")
    detail = f"{shown}{path} answers {heard.status}"
    if not is_healthy(heard.status):
        return Line("FAIL", "health check", f"{detail}, so this address would be down")
    return Line("ok", "health check", detail)


def _anchor(part: str, page: bytes, fragment: Fragment) -> Line:
    """Whether the place for a fragment is on the page, and `serve` would look for it there."""
    if len(page) > LARGEST_AS_SENT:
        most = LARGEST_AS_SENT // (1024 * 1024)
        return Line("FAIL", part, f"nothing goes into a page of more than {most} MiB")
    if isinstance(find_place(page, Injection(fragment.selector, fragment.place)), int):
        return Line("ok", part, f"go {fragment.place} the first {fragment.selector!r}")
    return Line(
        "FAIL",
        part,
        f"no place for them: nothing on the page is {fragment.selector!r}; "
        "set upstream.login_buttons.selector to a CSS selector of Sonar's sign-in form",
    )


def _lacking(page: bytes, fields: LoginFields) -> Lines:
    """Fields of the sign-in form that the page does not have, as far as it can be read."""
    if len(page) > LARGEST_AS_SENT:
        return ()
    names = (("username", fields.username), ("password", fields.password))
    return tuple(
        Line(
            "warn",
            "sign-in fields",
            f"the page has none called {name}: who uses the Sonar password is not shown a new "
            f"link; set upstream.login_fields.{key} to the field's name",
        )
        for key, name in names
        if isinstance(find_place(page, Injection(f"[name={_quoted(name)}]", "before")), NotFound)
    )


def _quoted(text: str) -> str:
    """As a string of CSS (https://drafts.csswg.org/css-syntax/#consume-string-token)."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'

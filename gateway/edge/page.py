"""A legacy page on its way through inject.py: collected whole, given its fragment, passed on.

What cannot be done is not done by half: a page that is too large, not HTML, not readable or without
the place for the fragment goes to the browser as it came.
"""

from enum import StrEnum
from urllib.parse import parse_qs

import structlog

from gateway.edge.fragments import profile_section, sign_in_buttons
from gateway.edge.headers import Outbound
from gateway.edge.inbound import Inbound
from gateway.edge.inject import Injected, Injection, Obstacle, Unreadable, inject
from gateway.edge.names import without
from gateway.edge.rules import Rules
from gateway.edge.shared import Shared
from gateway.identity.next_path import safe_next
from gateway.operate.metrics import InjectionOutcome

_log = structlog.get_logger()

# As it comes, in its coding: far above any sign-in or profile page, far below what could fill
# memory. Decoded it may be `coding.LARGEST_PAGE`.
LARGEST_AS_SENT = 2 * 1024 * 1024

# These vouch for the bytes as upstream sent them.
_ABOUT_THE_BYTES = frozenset(
    "accept-ranges content-digest content-md5 digest etag last-modified repr-digest".split()
)


class Spot(StrEnum):
    """Where a fragment goes; the name of the key in config.yaml."""

    LOGIN = "login_buttons"
    PROFILE = "profile_section"


class Page:
    """One page and the fragment for it. `outcome`: what became of it, and `why` not."""

    __slots__ = ("_fragment", "_injection", "_parts", "_size", "outcome", "spot", "why")

    def __init__(self, spot: Spot, fragment: str, injection: Injection) -> None:
        self.spot = spot
        self.outcome: InjectionOutcome | None = None
        self.why = ""
        self._fragment = fragment
        self._injection = injection
        self._parts: list[bytes] = []
        self._size = 0

    @staticmethod
    def fits(reply: Outbound) -> bool:
        """Whether a reply is a page that a fragment could go into."""
        html = reply.content_type.partition(b";")[0].strip().lower() == b"text/html"
        return html and reply.has_body and (reply.length or 0) <= LARGEST_AS_SENT

    def add(self, data: bytes) -> bool:
        """Keep a part; false when the page has become too large and must go as it is."""
        self._parts.append(data)
        self._size += len(data)
        if self._size <= LARGEST_AS_SENT:
            return True
        self.outcome, self.why = InjectionOutcome.UNREADABLE, Obstacle.TOO_LARGE
        return False

    def collected(self) -> bytes:
        """What has come so far, unchanged."""
        return b"".join(self._parts)

    def finish(self, reply: Outbound) -> tuple[Outbound, bytes]:
        """The page is complete: its head and body for the browser."""
        page = self.collected()
        encoding = reply.encoding.decode("latin-1")
        result = inject(page, encoding, self._fragment, self._injection)
        if isinstance(result, Injected):
            self.outcome = InjectionOutcome.DONE
            fields = without(reply.fields, _ABOUT_THE_BYTES)
            return reply._replace(fields=fields, length=len(result.page)), result.page
        unreadable = isinstance(result, Unreadable)
        self.outcome = InjectionOutcome.UNREADABLE if unreadable else InjectionOutcome.NOT_FOUND
        self.why = result.why
        return reply._replace(length=len(page)), page


def head_only(reply: Outbound) -> Outbound:
    """The head of a page that would get a fragment, asked for with HEAD: nothing in it may speak
    of bytes that GET would change."""
    return reply._replace(fields=without(reply.fields, _ABOUT_THE_BYTES), length=None)


def report(page: Page, shared: Shared) -> None:
    """Count what became of a page, and say so when its fragment had no place."""
    if page.outcome is None:
        return
    shared.counters.injections[page.spot, page.outcome] += 1
    if page.outcome is not InjectionOutcome.DONE:
        _log.warning("injection_anchor_missing", fragment=page.spot, why=page.why)


def page_for(inbound: Inbound, shared: Shared, *, signed_in: bool) -> Page | None:
    """The fragment for the page that is asked for, if it gets one."""
    rules = shared.rules
    if inbound.path != rules.login_path and inbound.path != rules.profile_path:
        return None
    if inbound.method not in {"GET", "HEAD", "POST"}:
        return None
    if inbound.path == rules.profile_path:
        return Page(Spot.PROFILE, profile_section(), shared.injections[Spot.PROFILE])
    if signed_in:
        return None
    buttons = [(name, provider.label) for name, provider in shared.config.providers.items()]
    fragment = sign_in_buttons(buttons, _way_back(inbound, rules))
    return Page(Spot.LOGIN, fragment, shared.injections[Spot.LOGIN])


def _way_back(inbound: Inbound, rules: Rules) -> str:
    """Where Sonar's own sign-in page would lead back to; anybody may have written it."""
    values = parse_qs(inbound.query.removeprefix("?")).get(rules.return_parameter, [])
    way_back = values[0] if len(values) == 1 else None
    return safe_next(way_back, str(rules.public), (rules.login_path, rules.logout_path))

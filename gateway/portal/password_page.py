"""A page with a form for a Sonar password, also when what was sent before proved nothing."""

from collections.abc import Callable
from typing import Any

from aiohttp import web

from gateway.portal.pages import STATUS, Message, explain, page, retry_after
from gateway.portal.proof import NotProved
from gateway.portal.visit import Visit
from gateway.reasons import Reason


def password_page(
    visit: Visit,
    template: str,
    refused: NotProved | None,
    *,
    said: Callable[[Reason, float], Message] = explain,
    **values: Any,
) -> web.Response:
    """`template` with its form standing, and, with `refused`, why: as a `message`, as a status, and
    to who reads headers as how long to wait. `said`: in which words."""
    if refused is None:
        return page(visit, template, message=None, **values)
    status, message = STATUS.get(refused.reason, 403), said(refused.reason, refused.wait)
    response = page(visit, template, status=status, message=message, **values)
    return retry_after(response, refused.wait)

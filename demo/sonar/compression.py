"""Pages go out compressed when the browser takes it, so that the gateway must inject into that."""

import gzip

import brotli
from aiohttp import web
from aiohttp.typedefs import Handler


@web.middleware
async def compress_pages(request: web.Request, handler: Handler) -> web.StreamResponse:
    response = await handler(request)
    if (
        not isinstance(response, web.Response)
        or response.content_type != "text/html"
        or not isinstance(response.body, bytes)
    ):
        return response
    response.headers["Vary"] = "Accept-Encoding"
    accepted = _accepted(request.headers.get("Accept-Encoding", ""))
    if "br" in accepted:
        response.body = brotli.compress(response.body, quality=5)
        response.headers["Content-Encoding"] = "br"
    elif "gzip" in accepted:
        response.body = gzip.compress(response.body, compresslevel=6)
        response.headers["Content-Encoding"] = "gzip"
    return response


def _accepted(header: str) -> set[str]:
    """The codings of an Accept-Encoding header (RFC 9110 section 12.5.3), less those at q=0."""
    codings = (item.partition(";") for item in header.lower().split(","))
    refused = {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return {name.strip() for name, _, weight in codings if weight.replace(" ", "") not in refused}

"""The requests that are sent, byte by byte."""

_BROWSER = (
    'sec-ch-ua: "Chromium";v="128", "Not;A=Brand";v="24"',
    "sec-ch-ua-mobile: ?0",
    'sec-ch-ua-platform: "Linux"',
    "Upgrade-Insecure-Requests: 1",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/128.0.0.0 Safari/537.36",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
    "Sec-Fetch-Site: same-origin",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-Dest: document",
    "Referer: http://localhost:8080/dashboard",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Accept-Language: en-US,en;q=0.9",
)

PAGE = "/dashboard"


def page_request(
    port: int,
    cookie: str,
    *extra: str,
    path: str = PAGE,
    connection: str = "keep-alive",
) -> bytes:
    """A browser's GET, with `cookie` unless it is empty, and `extra` lines of the head."""
    return "\r\n".join(
        (
            f"GET {path} HTTP/1.1",
            f"Host: localhost:{port}",
            f"Connection: {connection}",
            *_BROWSER,
            *((f"Cookie: {cookie}",) if cookie else ()),
            *extra,
            "",
            "",
        )
    ).encode()

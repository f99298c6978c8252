"""Where to go after signing in: a path of our own origin, or `/`. Pure.

The text comes from a URL that anybody may have written, and ends in a `Location` header. An open
redirect would let a letter say "sign in at Sonar" and end at the writer's site. So the text is read
as a browser reads it (WHATWG URL: `\\` is `/`, tabs and newlines vanish, `//` starts a host), and
whatever has a second reading is dropped (CVE-2020-5233, CVE-2020-4037, CVE-2020-11053).
What comes out is ASCII that every browser takes as it is: tests/browser/test_next.py asks Chromium.
"""

import re
from collections.abc import Collection
from urllib.parse import quote, unquote

HOME = "/"

# As long as every browser, proxy and server takes; three of these in one sealed cookie still fit.
_LONGEST = 2000

# Each round undoes one more encoding by a proxy on the way; nobody honest encodes three times.
_DECODINGS = 3

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SCHEME_AND_HOST_END = ("/", "?", "#")

# RFC 3986 section 2: what may stand in path and query as it is, `%` because it is encoded already.
_KEPT = "/?:@!$&'()*+,;=-._~%[]"
# Browsers escape it there (https://url.spec.whatwg.org/#special-query-percent-encode-set).
_KEPT_IN_QUERY = _KEPT.replace("'", "")

# Going there after signing in would sign out again, or never end.
_LOOPS = ("/sso/login", "/sso/logout", "/sso/callback")


def safe_next(text: str | None, own_origin: str, loops: Collection[str] = ()) -> str:
    """The path and query of `text` if it is a place in `own_origin`, else `/`.

    `own_origin` is scheme, host and port (`https://sonar.example`), no slash at the end. An
    absolute URL is taken when it begins with exactly that. Fragments are dropped. `loops`: paths
    of Sonar's that nobody means to reach by signing in: its sign-in page and its sign-out.

    >>> safe_next("/voicemail?box=7", "https://sonar.example")
    '/voicemail?box=7'
    >>> safe_next("//evil.example/", "https://sonar.example")
    '/'
    """
    if not text or len(text) > _LONGEST or _CONTROL.search(text):
        return HOME
    target = _without_origin(text, own_origin).partition("#")[0]
    # A backslash is a slash to browsers as far as the path goes; in a query it is itself.
    path, question, query = target.partition("?")
    if not _one_reading(path) or _decoded(path) in loops:
        return HOME
    try:
        kept = quote(path, safe=_KEPT) + question + quote(query, safe=_KEPT_IN_QUERY)
    except UnicodeEncodeError:
        return HOME
    return kept if len(kept) <= _LONGEST else HOME


def _without_origin(text: str, own_origin: str) -> str:
    """`https://sonar.example/x` -> `/x`. The host must end where ours ends: after it, `@` would
    make ours a user name, a letter or digit another host or port."""
    rest = text.removeprefix(own_origin)
    if rest == text or (rest and not rest.startswith(_SCHEME_AND_HOST_END)):
        return text
    return rest if rest.startswith("/") else f"/{rest}"


def _one_reading(path: str) -> bool:
    """Whether every browser, proxy and server sees the same place of ours in `path`, however
    often it decodes it."""
    for _ in range(_DECODINGS):
        if not path.startswith("/") or "//" in path or "\\" in path or _CONTROL.search(path):
            return False
        if any(segment.strip(" ") in {".", ".."} for segment in path.split("/")):
            return False
        if any(path == loop or path.startswith(f"{loop}/") for loop in _LOOPS):
            return False
        path, before = unquote(path, errors="replace"), path
        if path == before:
            return True
    return False


def _decoded(path: str) -> str:
    """`path` as Sonar would look it up, without what a servlet container cuts off."""
    return unquote(path, errors="replace").partition(";")[0]

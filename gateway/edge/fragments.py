"""What the gateway adds to Sonar's own pages. Pure.

ASCII only, everything else as HTML character references, so that a fragment is right whatever
charset the legacy page has. Links and class names only: no script, no inline style, nothing that
Sonar's own Content-Security-Policy could forbid beyond `style-src 'self'`.
"""

from collections.abc import Sequence
from html import escape
from urllib.parse import quote

_STYLE = '<link rel="stylesheet" href="/sso/static/injected.css">'


def sign_in_buttons(providers: Sequence[tuple[str, str]], next_path: str) -> str:
    """A button for each provider, `(name, label)`; `next_path` is where a sign-in leads to, a path
    of our own origin with its query. Nothing at all without a provider."""
    if not providers:
        return ""
    way_back = quote(next_path, safe="/")
    buttons = "".join(
        f'<a class="sonar-sso-button sonar-sso-{name}" '
        f'href="/sso/login/{quote(name, safe="")}?next={way_back}">Sign in with {_text(label)}</a>'
        for name, label in providers
    )
    return (
        f'<div class="sonar-sso" role="group" aria-label="Single sign-on">{_STYLE}'
        f'<span class="sonar-sso-or">or</span>{buttons}</div>'
    )


def profile_section() -> str:
    """The Single Sign-On part of the profile page."""
    return (
        f'<div class="sonar-sso sonar-sso-profile">{_STYLE}'
        '<h3 class="sonar-sso-title">Single Sign-On</h3>'
        '<p class="sonar-sso-text">Sign in to Sonar with the account you already have at work.</p>'
        '<a class="sonar-sso-button" href="/sso/settings">Manage single sign-on</a></div>'
    )


def _text(text: str) -> str:
    return escape(text).encode("ascii", "xmlcharrefreplace").decode("ascii")

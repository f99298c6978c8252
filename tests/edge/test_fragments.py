"""The fragments: links that lead where they should, and nothing that a page could choke on."""

import pytest

from gateway.edge.fragments import profile_section, sign_in_buttons
from tests.journeys.browser import Page

PROVIDERS = [("google", "Google"), ("microsoft", "Microsoft")]


def links(fragment: str) -> dict[str, str]:
    page = Page("http://sonar.example/login", 200, fragment, {}, ())
    return page._read().links


def test_a_button_for_each_provider_with_the_way_back() -> None:
    assert links(sign_in_buttons(PROVIDERS, "/voicemail?folder=new&q=a b")) == {
        "Sign in with Google": "/sso/login/google?next=/voicemail%3Ffolder%3Dnew%26q%3Da%20b",
        "Sign in with Microsoft": "/sso/login/microsoft?next=/voicemail%3Ffolder%3Dnew%26q%3Da%20b",
    }


def test_nothing_without_a_provider() -> None:
    assert sign_in_buttons([], "/") == ""


@pytest.mark.parametrize("label", ["Müller & Söhne", '<script>alert("x")</script>', "会社", "\"'>"])
def test_labels_are_text_in_any_charset(label: str) -> None:
    fragment = sign_in_buttons([("oidc", label)], "/")
    assert fragment.isascii()
    assert "<script" not in fragment
    assert list(links(fragment)) == [f"Sign in with {' '.join(label.split())}"]


@pytest.mark.parametrize(
    "next_path", ['/"><script>', "/a'b", "/caf\u00e9", "/x?y=<z>", "/#fragment", "/%22"]
)
def test_the_way_back_cannot_leave_its_attribute(next_path: str) -> None:
    fragment = sign_in_buttons(PROVIDERS[:1], next_path)
    assert fragment.isascii()
    (href,) = links(fragment).values()
    assert href.startswith("/sso/login/google?next=/")
    assert not set(href) & set("<>\"'# ")


def test_profile_section_leads_to_the_settings() -> None:
    assert profile_section().isascii()
    assert links(profile_section()) == {"Manage single sign-on": "/sso/settings"}


@pytest.mark.parametrize("fragment", [sign_in_buttons(PROVIDERS, "/"), profile_section()])
def test_no_script_and_no_inline_style(fragment: str) -> None:
    assert "<script" not in fragment
    assert "style=" not in fragment
    assert "javascript:" not in fragment

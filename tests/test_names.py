"""Each kind of name: what is one, and what would break out of where it is put."""

from collections.abc import Callable

import pytest

from gateway import names


def guid(digit: str) -> str:
    return "-".join(digit * length for length in (8, 4, 4, 4, 12))


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (
            names.header_name,
            ["X-Sonar-Account-Id", "Remote-User", "X"],
            [
                "",
                "X_Sonar",
                "X.Sonar",
                "X Sonar",
                "X:",
                "-X",
                "1X",
                "é",
                "X\r\n",
                "Host",
                "host",
                "COOKIE",
                "Set-Cookie",
                "Authorization",
                "Connection",
                "Upgrade",
                "Transfer-Encoding",
                "Content-Length",
                "Content-Type",
                "X-Forwarded-For",
                "X-Forwarded-User",
                "X-Request-ID",
                "Forwarded",
                "Via",
                "TE",
                "Trailer",
                "Expect",
                "Proxy",
                "Proxy-Authorization",
                "X-Original-URL",
                "Accept-Encoding",
                "If-Match",
                "Sec-WebSocket-Key",
                "Range",
                "X" * 65,
            ],
        ),
        (
            names.form_field,
            ["username", "user[name]", "login:j_username", "txt$User", "~", "x" * 64],
            ["", " ", "user name", "é", "a\r\n", "a\0", "x" * 65],
        ),
        (
            names.cookie_path,
            ["/", "/app", "/app/", "/a%20b/~c=1"],
            ["", "app", "/a b", "/a;b", "/a\r\n", "/a\x7f", "/é", f"/{'a' * 256}"],
        ),
        (
            names.cookie_name,
            ["SONARSESSID", "JSESSIONID", "laravel_session", "__Secure-x"],
            [
                "",
                "a b",
                "a=b",
                "a;b",
                "é",
                "a\n",
                "__Host-sonar_sso",
                "__host-SONAR_x",
                "sonar_sso",
                "sonar_tx_1",
                "x" * 65,
            ],
        ),
        (
            names.sql_name,
            ["accounts", "sonar.accounts", "_x1", "T$"],
            ["", "a b", "a;b", 'a"b', "a.b.c", "1a", "a-b", "a.", "drop table x", "é"],
        ),
        (names.word, ["contact", "return_to", "a.b-c", "7"], ["", "a b", "-a", "a/b", "é", "a\n"]),
        (
            names.provider_name,
            ["google", "my-idp", "a", "7"],
            ["", "Google", "a_b", "a/b", "-a", "a-", "..", "a b", "é", "a" * 33, "google\n"],
        ),
        (
            names.algorithm,
            ["RS256", "ES256", "PS512", "EdDSA"],
            ["", "none", "None", "HS256", "HS512", "rs256", "RS1", "RSA-OAEP", "dir"],
        ),
        (
            names.tenant,
            ["organizations", "common", "consumers", guid("a"), "acme.onmicrosoft.com"],
            ["", "everybody", "../common", "a/b", "acme", "{tenantid}", "a b", guid("g")],
        ),
        (
            names.trusted_tenant,
            [guid("a"), guid("0")],
            ["", "organizations", "common", "acme.example", guid("g"), guid("a") + "\n", "8f2c"],
        ),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_names(check: Callable[[str], str], good: list[str], bad: list[str]) -> None:
    for name in good:
        assert check(name) == name
    for name in bad:
        with pytest.raises(ValueError, match=r".{10}"):
            check(name)


def test_guids_are_in_small_letters() -> None:
    assert names.trusted_tenant(guid("A")) == guid("a")
    assert names.tenant(guid("A")) == guid("a")
    assert names.tenant("Organizations") == "organizations"


def test_the_tenant_of_personal_accounts_vouches_for_nobody() -> None:
    with pytest.raises(ValueError, match="personal"):
        names.trusted_tenant("9188040D-6C67-4C5B-B112-36A304B66DAD")

"""What `check` says of Sonar's addresses, each on its own."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.commands.check_upstream import check_upstream
from gateway.config import Config, config_from
from gateway.errors import CannotStart
from tests.certificates import Authority
from tests.edge.test_connecting import serving
from tests.edge.world import Call, Script, Sonar

LARGEST = 2 * 1024 * 1024
PAGE = b"<html><form action=/login><input name=username><input name=password></form></html>"


async def pages(call: Call) -> None:
    """A sign-in page, and nothing else."""
    while True:
        found = (await call.head()).startswith(b"GET /login ")
        body = PAGE if found else b""
        await call.say(
            b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b"
            % (b"200 OK" if found else b"404 Not Found", len(body), body)
        )


def saying_ok(body: bytes) -> Script:
    """Answer one request with this page."""

    async def script(call: Call) -> None:
        await call.head()
        await call.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    return script


@pytest.fixture
async def sonar() -> AsyncIterator[Sonar]:
    made = Sonar()
    made.script = pages
    yield made
    await made.stop()


def config(folder: Path, **upstream: Any) -> Config:
    return config_from(
        {
            "server": {"public_url": "https://sonar.example"},
            "upstream": upstream,
            "directory": {"kind": "file", "path": "accounts.yaml"},
        },
        folder,
    )


async def said(config: Config) -> list[tuple[str, str]]:
    return [(line.state, line.part) for line in await check_upstream(config)]


async def test_each_address_is_tried(sonar: Sonar, tmp_path: Path) -> None:
    await sonar.start()
    works, gone = f"127.0.0.1:{sonar.port}", "127.0.0.1:1"
    made = config(tmp_path, url="http://sonar.test", addresses=[gone, works])
    lines = await check_upstream(made)
    assert [(line.state, line.part) for line in lines] == [
        ("FAIL", "upstream"),
        ("ok", "upstream"),
        ("ok", "sign-in buttons"),
    ]
    assert gone in lines[0].detail
    assert works in lines[1].detail
    assert b"\r\nHost: sonar.example\r\n" in sonar.heads[0]


async def test_the_page_for_the_health_check_must_be_there(sonar: Sonar, tmp_path: Path) -> None:
    await sonar.start()
    url = f"http://127.0.0.1:{sonar.port}"
    good, bad = (
        config(tmp_path, url=url, health={"path": path}) for path in ("/login", "/nowhere")
    )
    assert ("ok", "health check") in await said(good)
    assert ("FAIL", "health check") in await said(bad)


@pytest.mark.parametrize(("size", "state"), [(LARGEST, "ok"), (LARGEST + 1, "FAIL")])
async def test_a_page_too_large_for_serve_is_too_large_here(
    sonar: Sonar, tmp_path: Path, size: int, state: str
) -> None:
    sonar.script = saying_ok(PAGE.ljust(size))
    await sonar.start()
    lines = await check_upstream(config(tmp_path, url=f"http://127.0.0.1:{sonar.port}"))
    assert [(line.state, line.part) for line in lines] == [
        ("ok", "upstream"),
        (state, "sign-in buttons"),
    ]


async def test_by_tls_and_through_a_unix_socket(sonar: Sonar, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    await sonar.start(tmp_path / "sonar.sock", tls=serving(authority.issue("sonar.test")))
    for ca, state in ((authority, "ok"), (Authority(tmp_path, "other"), "FAIL")):
        made = config(
            tmp_path,
            url="https://sonar.test",
            addresses=["unix:sonar.sock"],
            tls={"ca": str(ca.file)},
        )
        assert (await said(made))[0] == (state, "upstream")


async def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    made = config(tmp_path, url="https://sonar.test", tls={"ca": "none.pem"})
    with pytest.raises(CannotStart, match=r"upstream\.tls: .*none\.pem: No such file"):
        await check_upstream(made)


async def test_a_session_cookie_that_config_does_not_name(sonar: Sonar, tmp_path: Path) -> None:
    async def script(call: Call) -> None:
        await call.head()
        await call.say(
            b"HTTP/1.1 200 OK\r\nSet-Cookie: SONARSESSID=hunter2; Path=/app; "
            b"Domain=sonar.example\r\nContent-Length: %d\r\n\r\n%b" % (len(PAGE), PAGE)
        )

    sonar.script = script
    await sonar.start()
    url = f"http://127.0.0.1:{sonar.port}"
    lines = await check_upstream(config(tmp_path, url=url))
    named = {"name": "SONARSESSID", "path": "/app", "domain": "sonar.example"}
    after = await said(config(tmp_path, url=url, session_cookies=[named]))

    assert [(line.state, line.detail) for line in lines if line.part == "session cookies"] == [
        (
            "warn",
            "the sign-in page sets one that would outlive a sign-out; add {name: SONARSESSID, "
            "path: /app, domain: sonar.example} to upstream.session_cookies",
        )
    ]
    assert after == [("ok", "upstream"), ("ok", "sign-in buttons")]


@pytest.mark.parametrize(
    ("fields", "lacking"),
    [
        ({}, []),
        ({"username": "user[name]"}, ["username"]),
        ({"username": 'a"b\\c', "password": "j_password"}, ["username", "password"]),
        ({"username": "password", "password": "username"}, []),
    ],
)
async def test_fields_that_the_sign_in_page_does_not_have(
    sonar: Sonar, tmp_path: Path, fields: dict[str, str], lacking: list[str]
) -> None:
    await sonar.start()
    made = config(tmp_path, url=f"http://127.0.0.1:{sonar.port}", login_fields=fields)
    lines = [line for line in await check_upstream(made) if line.part == "sign-in fields"]
    assert [line.state for line in lines] == ["warn"] * len(lacking)
    for line, key in zip(lines, lacking, strict=True):
        assert f"upstream.login_fields.{key}" in line.detail
        assert fields[key] in line.detail


async def test_fields_are_found_by_the_letter(sonar: Sonar, tmp_path: Path) -> None:
    page = PAGE.replace(b"=username", b"='a\"b\\c'").replace(b"=password", b"=user[secret]")
    sonar.script = saying_ok(page)
    await sonar.start()
    fields = {"username": 'a"b\\c', "password": "user[secret]"}
    made = config(tmp_path, url=f"http://127.0.0.1:{sonar.port}", login_fields=fields)
    assert await said(made) == [("ok", "upstream"), ("ok", "sign-in buttons")]

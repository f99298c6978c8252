"""Real connections to a real mail server: encryption, login, refusals."""

import asyncio
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

from gateway.config import Mail
from gateway.mail.letter import compose
from gateway.mail.smtp import Never, NotNow, Outcome, Sent, send
from gateway.secret import Secret
from tests.certificates import Authority
from tests.mail.conftest import Serve
from tests.mail.test_letter import LETTER, SENDER, URL


def a_mail(port: int, **settings: Any) -> Mail:
    return Mail.model_construct(
        **{
            "host": "localhost",
            "port": port,
            "security": "none",
            "ca": None,
            "username": None,
            "password": None,
            "sender": SENDER,
            "timeout": 5.0,
            "give_up": 3600.0,
            **settings,
        }
    )


async def sending(mail: Mail, recipient: str = LETTER.recipient) -> Outcome:
    message = compose(LETTER, "Google", SENDER, URL)
    message.replace_header("To", recipient)
    return await asyncio.to_thread(send, mail, message, "sonar.test")


def server_tls(authority: Authority, *names: str) -> ssl.SSLContext:
    files = authority.issue(*(names or ("localhost",)))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.certificate, files.key)
    return context


async def test_in_the_clear_on_this_machine(serve: Serve) -> None:
    async with serve() as server:
        assert await sending(a_mail(server.port)) == Sent()
    (envelope,) = server.envelopes
    assert (envelope.mail_from, envelope.rcpt_tos) == (str(SENDER), [LETTER.recipient])
    assert server.messages[0]["Message-ID"] == "<abc-1@acme.example>"


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_encrypted_and_logged_in(serve: Serve, tmp_path: Path, security: str) -> None:
    authority = Authority(tmp_path)
    login = {"username": "sonar", "password": Secret("Pass wort %\\")}
    options = {"tls": server_tls(authority), "implicit": security == "tls"}
    async with serve(**options, logins=True, auth_require_tls=security != "tls") as server:
        mail = a_mail(server.port, security=security, ca=authority.file, **login)
        outcome = await sending(mail)
    assert outcome == Sent()
    assert server.logins == [("sonar", "Pass wort %\\")]
    assert server.encrypted == [True]


@pytest.mark.parametrize("security", ["starttls", "tls"])
@pytest.mark.parametrize("wrong", ["authority", "name"])
async def test_a_server_that_is_not_the_one_gets_nothing(
    serve: Serve, tmp_path: Path, security: str, wrong: str
) -> None:
    authority = Authority(tmp_path)
    trusted = Authority(tmp_path, "other") if wrong == "authority" else authority
    names = ("mail.evil.example",) if wrong == "name" else ("localhost",)
    context = server_tls(authority, *names)
    async with serve(tls=context, implicit=security == "tls") as server:
        outcome = await sending(
            a_mail(
                server.port,
                security=security,
                ca=trusted.file,
                username="sonar",
                password=Secret("x"),
            )
        )
    assert isinstance(outcome, NotNow)
    assert (server.envelopes, server.logins) == ([], [])


async def test_a_server_that_offers_no_encryption_gets_nothing(serve: Serve) -> None:
    """As one does from which somebody in between takes the offer away."""
    async with serve() as server:
        outcome = await sending(
            a_mail(server.port, security="starttls", username="sonar", password=Secret("x"))
        )
    assert outcome == NotNow("SMTPNotSupportedError")
    assert (server.envelopes, server.logins) == ([], [])


async def test_a_wrong_login_may_be_mended(serve: Serve, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with serve(tls=server_tls(authority), logins=True) as server:
        server.may_log_in = False
        mail = a_mail(server.port, security="starttls", ca=authority.file)
        mail = mail.model_copy(update={"username": "sonar", "password": Secret("s3cret")})
        outcome = await sending(mail)
    assert outcome == NotNow("SMTPAuthenticationError 535")
    assert "s3cret" not in repr(outcome)


@pytest.mark.parametrize("at", ["to_rcpt", "to_data"])
@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ("421 closing", NotNow("421")),
        ("450 mailbox busy nora@home.example", NotNow("450")),
        ("451 try later", NotNow("451")),
        ("550 no such user nora@home.example", Never("550")),
        ("554 looks like spam", Never("554")),
    ],
)
async def test_4xx_is_for_now_and_5xx_for_good(
    serve: Serve, at: str, answer: str, outcome: Outcome
) -> None:
    async with serve() as server:
        setattr(server, at, answer)
        assert await sending(a_mail(server.port)) == outcome


async def test_a_server_that_is_down_or_silent() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        assert isinstance(await sending(a_mail(port)), NotNow)
        listening.listen()
        assert isinstance(await sending(a_mail(port, timeout=0.1)), NotNow)


async def test_an_address_that_the_server_cannot_take(serve: Serve) -> None:
    async with serve(enable_SMTPUTF8=False) as server:
        assert isinstance(await sending(a_mail(server.port), "jürgen@home.example"), Never)
    async with serve(enable_SMTPUTF8=True) as server:
        assert await sending(a_mail(server.port), "jürgen@home.example") == Sent()

"""A real mail server (aiosmtpd) that does what a test tells it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any, cast

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@dataclass
class MailServer:
    """What came, and what is answered: to RCPT and to DATA."""

    port: int = 0
    envelopes: list[Envelope] = field(default_factory=list)
    to_rcpt: str = "250 OK"
    to_data: str = "250 OK"
    logins: list[tuple[str, str]] = field(default_factory=list)
    may_log_in: bool = True
    encrypted: list[bool] = field(default_factory=list)

    @property
    def messages(self) -> list[EmailMessage]:
        return [
            message_from_bytes(cast(bytes, each.content), policy=default) for each in self.envelopes
        ]

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.to_rcpt.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.to_rcpt

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        if self.to_data.startswith("250"):
            self.envelopes.append(envelope)
            assert server.transport is not None
            self.encrypted.append(server.transport.get_extra_info("ssl_object") is not None)
        return self.to_data

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        login = cast(LoginPassword, data)
        self.logins.append((login.login.decode(), login.password.decode()))
        return AuthResult(success=self.may_log_in, handled=False)


Serve = Callable[..., Any]


@pytest.fixture
def serve() -> Serve:
    @asynccontextmanager
    async def serving(
        *,
        tls: ssl.SSLContext | None = None,
        implicit: bool = False,
        logins: bool = False,
        **options: Any,
    ) -> AsyncIterator[MailServer]:
        mail = MailServer()

        def protocol() -> SMTP:
            return SMTP(
                mail,
                hostname="mail.test",
                tls_context=None if implicit else tls,
                authenticator=mail.authenticate if logins else None,
                loop=asyncio.get_running_loop(),
                **options,
            )

        server = await asyncio.get_running_loop().create_server(
            protocol, "127.0.0.1", 0, ssl=tls if implicit else None
        )
        mail.port = server.sockets[0].getsockname()[1]
        yield mail
        server.close()
        await server.wait_closed()

    return serving

"""How a letter is sent: the only place that speaks SMTP (RFC 5321). It blocks; call it in a thread.

The password and the letter never go over a connection that is not what the configuration asks for:
with `starttls` a server that does not offer it, or whose certificate does not fit, gets neither
(RFC 3207 section 6: whoever stands between could have removed the offer).
"""

import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage

from gateway.config import Mail


@dataclass(frozen=True, slots=True)
class Sent:
    """The server has it."""


@dataclass(frozen=True, slots=True)
class NotNow:
    """It may work another time: nobody answers, the server is busy, or the set-up is wrong and will
    be mended. `why` names no recipient and no password."""

    why: str


@dataclass(frozen=True, slots=True)
class Never:
    """The server will not take this letter, or not for this recipient."""

    why: str


Outcome = Sent | NotNow | Never


def send(mail: Mail, message: EmailMessage, own_name: str) -> Outcome:
    """Hand the message to the server. `own_name`: what we call ourselves (EHLO)."""
    try:
        with _connected(mail, own_name) as server:
            refused = _prepared(mail, server)
            return refused or _handed_over(server, message)
    except smtplib.SMTPException as error:
        return NotNow(_told(error))
    except OSError as error:
        return NotNow(f"{type(error).__name__}: {error.strerror or error}")


def _connected(mail: Mail, own_name: str) -> smtplib.SMTP:
    if mail.security == "tls":
        return smtplib.SMTP_SSL(
            mail.host, mail.port, own_name, timeout=mail.timeout, context=_tls(mail)
        )
    return smtplib.SMTP(mail.host, mail.port, own_name, timeout=mail.timeout)


def _prepared(mail: Mail, server: smtplib.SMTP) -> NotNow | None:
    """Encrypt and log in, as configured."""
    if mail.security == "starttls":
        code, _ = server.starttls(context=_tls(mail))
        if code != 220:
            return NotNow(f"the server refused STARTTLS with {code}")
    if mail.username is not None and mail.password is not None:
        server.login(mail.username, mail.password.reveal())
    return None


def _handed_over(server: smtplib.SMTP, message: EmailMessage) -> Outcome:
    try:
        server.send_message(message)
    except smtplib.SMTPRecipientsRefused as error:
        ((code, text),) = error.recipients.values()
        return _refused(code, text)
    except smtplib.SMTPDataError as error:
        return _refused(error.smtp_code, error.smtp_error)
    except (smtplib.SMTPNotSupportedError, UnicodeError, ValueError):
        # An address in letters that the server does not take (RFC 6531).
        return Never("the server does not take this kind of address")
    return Sent()


def _refused(code: int, text: bytes | str) -> NotNow | Never:
    """RFC 5321 section 4.2.1: 4xx is for now, 5xx for good."""
    return Never(f"{code}") if code >= 500 else NotNow(f"{code}")


def _tls(mail: Mail) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=None if mail.ca is None else str(mail.ca))


def _told(error: smtplib.SMTPException) -> str:
    """What went wrong, without what the server said, which may name anybody."""
    code = getattr(error, "smtp_code", None)
    return type(error).__name__ if code is None else f"{type(error).__name__} {code}"

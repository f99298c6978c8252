"""What a letter says; all its words are here. Pure.

Whatever comes from people or providers (a username, an email address) stands in the text alone, on
one line and not too long: in no header, so that nothing can be added to those (header injection,
CWE-93), and not as a sentence of ours.
"""

from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from gateway.account.model import Letter
from gateway.email import Email

_LONGEST = 200

_SUBJECT = "A new way to sign in to your Sonar account"
_TEXT = """\
Somebody has linked a new way to sign in to your Sonar account, with the account's password.

    Sonar account:  {username}
    Signs in with:  {provider}, as {email}
    When:           {when}
    From:           {address}

If that was you, there is nothing to do.

If it was not you, somebody knows your Sonar password:

 1. Change it in Sonar, or ask your Office Manager to.
 2. Sign in at {url}/sso/login in the way that you use, with the Sonar password or
    another. You are shown the new way to sign in, and can take it away there.
 3. If you cannot do that yourself, send this letter to your Office Manager.

You get this letter because the Sonar account has this email address.
"""


def compose(letter: Letter, provider: str, sender: Email, public_url: str) -> EmailMessage:
    """The whole message. `provider`: its label. Its Message-ID is the letter's own, so that a
    mailbox that gets it twice can tell."""
    when = datetime.fromtimestamp(letter.created, UTC)
    message = EmailMessage(policy=SMTP)
    message["Subject"] = _SUBJECT
    message["From"] = f"Sonar <{sender}>"
    message["To"] = letter.recipient
    message["Date"] = format_datetime(when)
    message["Message-ID"] = f"<{letter.id}@{sender.domain}>"
    # RFC 3834: no out-of-office answers.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(
        _TEXT.format(
            username=_line(letter.username),
            provider=_line(provider),
            email=_line(letter.email) or "somebody without an email address",
            when=f"{when.day} {when:%B %Y, %H:%M} UTC",
            address=_line(letter.address) or "an unknown address",
            url=public_url,
        )
    )
    return message


def _line(text: str) -> str:
    """As one line of printable letters."""
    shown = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(shown.split())[:_LONGEST]

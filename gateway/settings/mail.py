"""How letters are sent to the owners of accounts."""

from typing import Literal, Self

from pydantic import Field, model_validator

from gateway.secret_values import SecretText
from gateway.section import Section
from gateway.values import Duration, Mailbox, PathOnDisk

_LOOPBACK = frozenset(("localhost", "127.0.0.1", "::1"))


class Mail(Section):
    """A mail server that takes letters to the owners of accounts; without it none are written."""

    host: str = Field(min_length=1, max_length=253)
    """The mail server (SMTP)."""
    port: int = Field(587, ge=1, le=65535, strict=True)
    """Its port: 587 for starttls, 465 for tls."""
    security: Literal["starttls", "tls", "none"] = "starttls"
    """How the connection is encrypted; `none` for a server on this machine only."""
    ca: PathOnDisk | None = None
    """PEM: who vouches for the server's certificate, if not who the system trusts."""
    username: str | None = None
    """With what we log in, if it has to be."""
    password: SecretText | None = None
    """And the password: env:NAME or file:PATH."""
    sender: Mailbox
    """The address that letters come from."""
    timeout: Duration = 20.0
    """How long each step with the server may take."""
    give_up: Duration = 2 * 86400.0
    """How long a letter is tried that cannot be sent."""

    @model_validator(mode="after")
    def _safe(self) -> Self:
        if (self.username is None) is not (self.password is None):
            raise ValueError("username and password belong together")
        if self.username is not None and self.password is not None:
            login = self.username + self.password.reveal()
            if not login.isascii():
                raise ValueError("username and password must be in ASCII")
        if self.security == "none" and self.host not in _LOOPBACK:
            raise ValueError("security: none is for a server on this machine only")
        if not self.sender.domain.isascii() or not self.sender.local.isascii():
            raise ValueError("sender must be in ASCII")
        return self

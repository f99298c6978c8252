"""How connections to Sonar are made, and how it is found out which of its addresses work."""

from typing import Self

from pydantic import model_validator

from gateway.section import Section
from gateway.urls import HostName, UrlPath
from gateway.values import Duration, PathOnDisk


class UpstreamTls(Section):
    """Whose word counts that it is Sonar, and what tells Sonar that it is the gateway. Changed
    files count for new connections within a second."""

    ca: PathOnDisk | None = None
    """Certificates (PEM) that may vouch for Sonar's; then those of the system may not."""
    certificate: PathOnDisk | None = None
    """The gateway's own certificate (PEM, with the chain), for a Sonar that asks for one."""
    key: PathOnDisk | None = None
    """The private key (PEM) of `certificate`."""
    server_name: HostName | None = None
    """The name in Sonar's certificate, when it is not the host of `url`."""

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together")
        return self


class HealthCheck(Section):
    """A page of Sonar that says whether it works."""

    path: UrlPath
    """Asked with GET, without a session; a status of 2xx or 3xx says that this address works."""
    interval: Duration = 5.0
    """How often each address is asked."""

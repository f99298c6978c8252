"""Real servers for the tests, from wheels: Valkey, PostgreSQL, Node with oidc-provider."""

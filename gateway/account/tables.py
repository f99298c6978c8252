"""The gateway's own tables, as the newest revision in migrations/ leaves them.

Every identity is the exact pair (issuer, subject), compared byte by byte: SQLite's and
PostgreSQL's default for text. Nothing is cut off (`TEXT` has no length), so that no two people can
meet in one row (CVE-2026-57580).
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

links = Table(
    "links",
    metadata,
    Column("issuer", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("account_id", Text, primary_key=True, index=True),
    Column("provider", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("created", Double, nullable=False),
    Column("last_used", Double),
)

removals = Table(
    "removals",
    metadata,
    Column("issuer", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("account_id", Text, primary_key=True, index=True),
    Column("removed", Double, nullable=False),
)

preferences = Table(
    "preferences",
    metadata,
    Column("issuer", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("account_id", Text, nullable=False),
)

pins = Table(
    "pins",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("email", Text, primary_key=True),
    Column("issuer", Text, nullable=False),
    Column("subject", Text, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("time", Double, nullable=False, index=True),
    Column("event", Text, nullable=False),
    Column("reason", Text),
    Column("provider", Text),
    Column("issuer", Text),
    Column("subject", Text),
    Column("email", Text, index=True),
    Column("domain", Text),
    Column("account", Text, index=True),
    Column("address", Text),
    Column("request_id", Text),
    Column("session", Text),
    Column("detail", Text),
    Column("hash", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("mac", Text, nullable=False),
)

# One row, or none before the first record.
audit_head = Table(
    "audit_head",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
    Column("hash", Text, nullable=False),
    Column("trimmed", BigInteger, nullable=False),
    Column("trimmed_hash", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("mac", Text, nullable=False),
)

# What encrypts `sealed` is never in this database (session/keys/database.py). `after` is the name
# of the key before, so that of two rotations at once only one is.
keys = Table(
    "keys",
    metadata,
    Column("name", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("after", Text, nullable=False),
    Column("sealed", Text, nullable=False),
    UniqueConstraint("kind", "after", name="uq_keys_kind_after"),
)

notices = Table(
    "notices",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", Text, nullable=False, index=True),
    Column("username", Text, nullable=False),
    Column("issuer", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("created", Double, nullable=False, index=True),
    Column("posted", Double),
)

# Who has read which notice (`Reader.name`).
readings = Table(
    "readings",
    metadata,
    Column("notice_id", Text, primary_key=True),
    Column("reader", Text, primary_key=True),
)

letters = Table(
    "letters",
    metadata,
    Column("id", Text, primary_key=True),
    Column("recipient", Text, nullable=False),
    Column("username", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("created", Double, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("due", Double, nullable=False, index=True),
)

alembic_version = Table("alembic_version", MetaData(), Column("version_num", Text))

"""The keys of cookies, seals and assertions, encrypted."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "keys",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("after", sa.Text, nullable=False),
        sa.Column("sealed", sa.Text, nullable=False),
        sa.UniqueConstraint("kind", "after", name="uq_keys_kind_after"),
    )


def downgrade() -> None:
    op.drop_table("keys")

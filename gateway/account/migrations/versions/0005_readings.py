"""Each reader has read a notice, or not; and when letters were last written of one."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Who it was that had heard was not kept: what anybody had is told once more.
    with op.batch_alter_table("notices") as notices:
        notices.drop_column("heard")
        notices.add_column(sa.Column("posted", sa.Double))
    op.create_table(
        "readings",
        sa.Column("notice_id", sa.Text, primary_key=True),
        sa.Column("reader", sa.Text, primary_key=True),
    )


def downgrade() -> None:
    op.drop_table("readings")
    with op.batch_alter_table("notices") as notices:
        notices.drop_column("posted")
        notices.add_column(sa.Column("heard", sa.Double))

"""What was used, hour by hour."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "usage",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("starts_s", sa.Integer(), nullable=False, index=True),
        sa.Column("span_s", sa.Integer(), nullable=False, index=True),
        sa.Column("covered_s", sa.Float(), nullable=False),
        sa.Column("head", sa.JSON(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
    )


def downgrade() -> None:
    """Drop it: what was used is forgotten, and with it what it cost."""
    op.drop_table("usage")

"""Drills and their timelines."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the two tables."""
    op.create_table(
        "drill",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("level", sa.Integer(), nullable=False, index=True),
        sa.Column("loss", sa.String(), nullable=False, index=True),
        sa.Column("outcome", sa.String(), nullable=False, index=True),
        sa.Column("began_wall_s", sa.Float(), nullable=False, index=True),
        sa.Column("ended_wall_s", sa.Float(), nullable=True),
        sa.Column("body", sa.JSON(), nullable=False),
    )
    op.create_table(
        "drill_event",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("drill", sa.String(), nullable=False, index=True),
        sa.Column("wall_s", sa.Float(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("previous_hash", sa.String(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
    )


def downgrade() -> None:
    """Drop them; what was drilled is forgotten."""
    for table in ("drill_event", "drill"):
        op.drop_table(table)

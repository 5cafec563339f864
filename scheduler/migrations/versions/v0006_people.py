"""What people ordered, and what they changed."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Overrides and the audit."""
    op.create_table(
        "override",
        sa.Column("id", sa.String(), primary_key=True),
        *(sa.Column(name, sa.String(), nullable=False) for name in ("kind", "service", "origin", "cluster")),
        sa.Column("ratio", sa.Float(), nullable=False),
        *(sa.Column(name, sa.String(), nullable=False) for name in ("reason", "by")),
        sa.Column("made_wall_s", sa.Float(), nullable=False),
        sa.Column("expires_wall_s", sa.Float(), nullable=False, index=True),
        sa.Column("revision", sa.Integer(), nullable=False),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("wall_s", sa.Float(), nullable=False, index=True),
        sa.Column("who", sa.String(), nullable=False, index=True),
        sa.Column("action", sa.String(), nullable=False, index=True),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("previous_hash", sa.String(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
    )


def downgrade() -> None:
    """Drop them: overrides end, and who changed what is forgotten."""
    op.drop_table("audit")
    op.drop_table("override")

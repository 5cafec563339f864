"""Who holds the lease and for how long: several controllers may share a ledger."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Name the holder; the row exists from now on, so that it can be locked."""
    with op.batch_alter_table("lease") as lease:
        lease.add_column(sa.Column("holder", sa.String(), nullable=False, server_default=""))
        lease.add_column(sa.Column("expires_at_s", sa.Float(), nullable=False, server_default="0"))
    row = sa.table("lease", sa.column("id"), sa.column("epoch"), sa.column("taken_at_s"))
    if op.get_bind().execute(sa.select(sa.func.count()).select_from(row)).scalar_one() == 0:
        op.execute(row.insert().values(id=1, epoch=0, taken_at_s=0.0))


def downgrade() -> None:
    """Forget the holder."""
    with op.batch_alter_table("lease") as lease:
        lease.drop_column("expires_at_s")
        lease.drop_column("holder")

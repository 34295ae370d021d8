"""Whether the holder of an account agreed to calls by machine."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column: of debtors that are there already nobody said anything."""
    op.add_column("targets", sa.Column("consent", sa.Boolean(), nullable=True))

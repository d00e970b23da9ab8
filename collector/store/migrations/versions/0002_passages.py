"""Sites and passages; what reads say of travel, marks, the overview and the vehicle; which import may publish.

Reads that are here already stand at the site that bears their device's name and are in no passage: only what comes
from now on is looked at.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply. Columns are added in place: rewriting a table that others refer to would need their rows gone."""
    op.add_column("device", sa.Column("site", sa.String(length=40), nullable=False, server_default=""))
    op.execute("UPDATE device SET site = id")

    for column in (
        sa.Column("travel", sa.String(length=64), nullable=True),
        sa.Column("marks", sa.JSON(), nullable=False, server_default="[]"),
        sa.Column("overview_camera", sa.String(length=64), nullable=True),
        sa.Column("overview_sha256", sa.LargeBinary(length=32), nullable=True),
        sa.Column("overview_offset_ns", sa.BigInteger(), nullable=True),
        sa.Column("vehicle_body", sa.String(length=64), nullable=True),
        sa.Column("vehicle_colour", sa.String(length=64), nullable=True),
        sa.Column("vehicle_make", sa.String(length=64), nullable=True),
        sa.Column("site", sa.String(length=40), nullable=False, server_default=""),
        sa.Column("passed_at_ns", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("passage_id", sa.BigInteger(), nullable=True),
    ):
        op.add_column("read", column)
    op.execute("UPDATE read SET site = device, passed_at_ns = captured_at_ns + first_readable_ns")
    op.create_index("ix_read_site_passed_at_ns", "read", ["site", "passed_at_ns"], unique=False)
    in_one = sa.text("passage_id IS NOT NULL")
    op.create_index(
        "ix_read_passage_id", "read", ["passage_id"], unique=False, sqlite_where=in_one, postgresql_where=in_one
    )

    op.create_table(
        "passage",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("site", sa.String(length=40), nullable=False),
        sa.Column("agency", sa.String(length=40), nullable=False),
        sa.Column("first_at_ns", sa.BigInteger(), nullable=False),
        sa.Column("last_at_ns", sa.BigInteger(), nullable=False),
        sa.Column("text", sa.String(length=24), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.Column("reads", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passage")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "passage_cursor",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_passage_cursor")),
    )
    op.execute("INSERT INTO passage_cursor (number) SELECT coalesce(max(number), 0) FROM feed")

    op.add_column("hotlist", sa.Column("draft", sa.LargeBinary(length=16), nullable=True))

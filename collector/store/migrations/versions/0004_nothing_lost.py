"""Leases; what devices say of their streams and of changes."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "device_change",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("device", sa.String(length=40), nullable=False),
        sa.Column("message_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("ref", sa.String(length=64), nullable=True),
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("before", sa.String(length=64), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], name=op.f("fk_device_change_message_id_message")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device_change")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_device_change_device_id", "device_change", ["device", "id"], unique=False)
    op.create_table(
        "stream_state",
        sa.Column("device", sa.String(length=40), nullable=False),
        sa.Column("epoch", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("stream", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("redelivered", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("stated_next", sa.BigInteger(), nullable=True),
        sa.Column("stated_pending", sa.BigInteger(), nullable=True),
        sa.Column("stated_lowest", sa.BigInteger(), nullable=True),
        sa.Column("stated_at_ns", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("device", "epoch", "stream", name=op.f("pk_stream_state")),
    )
    op.create_table(
        "lease",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("holder", sa.LargeBinary(length=16), nullable=False),
        sa.Column("until_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lease")),
    )
    dead = sa.text("verdict != 1")
    op.create_index(
        "ix_identity_dead_lettered",
        "identity",
        ["device", "epoch", "stream"],
        unique=False,
        sqlite_where=dead,
        postgresql_where=dead,
    )

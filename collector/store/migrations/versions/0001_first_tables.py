"""Every table of the first version, the store's own row, and the triggers that keep the audit log append-only.

A migration is never changed once it has been released: what it made is what stores in the field have.
"""

import secrets
import time

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "audit",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.String(length=64), nullable=False),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "dead_letter",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("device", sa.String(length=40), nullable=True),
        sa.Column("reason", sa.String(length=40), nullable=False),
        sa.Column("detail", sa.String(), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("first_at_ns", sa.BigInteger(), nullable=False),
        sa.Column("last_at_ns", sa.BigInteger(), nullable=False),
        sa.Column("genuine", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dead_letter")),
        sa.UniqueConstraint("digest", name=op.f("uq_dead_letter_digest")),
    )
    op.create_index("ix_dead_letter_device_genuine", "dead_letter", ["device", "genuine"], unique=False)

    op.create_table(
        "device",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("agency", sa.String(length=40), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("added_at_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device")),
    )
    op.create_table(
        "feed",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("ref", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_feed")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "hotlist",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("imported_at_ns", sa.BigInteger(), nullable=False),
        sa.Column("imported_by", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("source_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_hotlist")),
    )
    op.create_table(
        "identity",
        sa.Column("device", sa.String(length=40), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("stream", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("verdict", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("device", "epoch", "stream", "sequence", name=op.f("pk_identity")),
    )
    op.create_table(
        "media_file",
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("device", sa.String(length=40), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("track", sa.BigInteger(), nullable=True),
        sa.Column("sequence", sa.BigInteger(), nullable=True),
        sa.Column("total_bytes", sa.BigInteger(), nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", "device", name=op.f("pk_media_file")),
    )
    op.create_index("ix_media_file_device_epoch_track", "media_file", ["device", "epoch", "track"], unique=False)

    op.create_table(
        "media_piece",
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("device", sa.String(length=40), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("received_at_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", "device", "offset", name=op.f("pk_media_piece")),
    )
    op.create_table(
        "message",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("device", sa.String(length=40), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("stream", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Integer(), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.Column("received_at_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message")),
        sa.UniqueConstraint(
            "device", "epoch", "stream", "sequence", name=op.f("uq_message_device_epoch_stream_sequence")
        ),
    )
    op.create_table(
        "store",
        sa.Column("store_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("created_at_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("store_id", name=op.f("pk_store")),
    )
    op.create_table(
        "user",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=24), nullable=False),
        sa.Column("password_hash", sa.String(), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("added_at_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_user")),
    )
    op.create_table(
        "credential",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("user", sa.String(length=64), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("created_at_ns", sa.BigInteger(), nullable=False),
        sa.Column("expires_at_ns", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["user"], ["user.name"], name=op.f("fk_credential_user_user")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_credential")),
    )
    op.create_table(
        "device_key",
        sa.Column("device", sa.String(length=40), nullable=False),
        sa.Column("kid", sa.LargeBinary(length=8), nullable=False),
        sa.Column("spki", sa.LargeBinary(), nullable=False),
        sa.Column("added_at_ns", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["device"], ["device.id"], name=op.f("fk_device_key_device_device")),
        sa.PrimaryKeyConstraint("device", "kid", name=op.f("pk_device_key")),
    )
    op.create_table(
        "device_link",
        sa.Column("device", sa.String(length=40), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("connection", sa.BigInteger(), nullable=False),
        sa.Column("online", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("heard_at_ns", sa.BigInteger(), nullable=False),
        sa.Column("health", sa.JSON(), nullable=True),
        sa.Column("health_at_ns", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["device"], ["device.id"], name=op.f("fk_device_link_device_device")),
        sa.PrimaryKeyConstraint("device", name=op.f("pk_device_link")),
    )
    op.create_table(
        "epoch",
        sa.Column("device", sa.String(length=40), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("kid", sa.LargeBinary(length=8), nullable=False),
        sa.Column("spki", sa.LargeBinary(), nullable=False),
        sa.Column("boot_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("boot_ns", sa.BigInteger(), nullable=False),
        sa.Column("utc_ns", sa.BigInteger(), nullable=False),
        sa.Column("previous", sa.BigInteger(), nullable=True),
        sa.Column("previous_last", sa.JSON(), nullable=False),
        sa.Column("corrupt", sa.Boolean(), nullable=False),
        sa.Column("received_at_ns", sa.BigInteger(), nullable=False),
        sa.Column("cloned_or_restored", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["device"], ["device.id"], name=op.f("fk_epoch_device_device")),
        sa.PrimaryKeyConstraint("device", "epoch", name=op.f("pk_epoch")),
    )
    op.create_index("ix_epoch_device_previous", "epoch", ["device", "previous"], unique=False)

    op.create_table(
        "hotlist_entry",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("list", sa.String(length=64), nullable=False),
        sa.Column("plate", sa.String(length=24), nullable=False),
        sa.Column("region", sa.String(length=6), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("severity", sa.String(length=16), nullable=False),
        sa.Column("notes", sa.String(), nullable=False),
        sa.Column("first_version", sa.BigInteger(), nullable=False),
        sa.Column("end_version", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["list"], ["hotlist.name"], name=op.f("fk_hotlist_entry_list_hotlist")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hotlist_entry")),
    )
    op.create_index("ix_hotlist_entry_list_end_version", "hotlist_entry", ["list", "end_version"], unique=False)

    op.create_table(
        "loss",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("device", sa.String(length=40), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("stream", sa.Integer(), nullable=False),
        sa.Column("first_sequence", sa.BigInteger(), nullable=False),
        sa.Column("last_sequence", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.Column("uncommitted", sa.BigInteger(), nullable=False),
        sa.Column("message_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], name=op.f("fk_loss_message_id_message")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_loss")),
    )
    op.create_index("ix_loss_device_epoch_stream", "loss", ["device", "epoch", "stream"], unique=False)

    op.create_table(
        "read",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("device", sa.String(length=40), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("track", sa.BigInteger(), nullable=False),
        sa.Column("agency", sa.String(length=40), nullable=False),
        sa.Column("message_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("final", sa.Boolean(), nullable=False),
        sa.Column("text", sa.String(length=24), nullable=False),
        sa.Column("slots", sa.JSON(), nullable=False),
        sa.Column("regions", sa.JSON(), nullable=False),
        sa.Column("calibration", sa.String(length=64), nullable=False),
        sa.Column("camera", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=64), nullable=False),
        sa.Column("pair", sa.String(length=64), nullable=True),
        sa.Column("lane", sa.Integer(), nullable=True),
        sa.Column("direction", sa.String(length=64), nullable=True),
        sa.Column("face", sa.String(length=64), nullable=True),
        sa.Column("deployment", sa.String(length=64), nullable=False),
        sa.Column("box", sa.JSON(), nullable=False),
        sa.Column("detection_score", sa.Float(), nullable=False),
        sa.Column("frames", sa.Integer(), nullable=False),
        sa.Column("crop_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("frame_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("captured_at_ns", sa.BigInteger(), nullable=False),
        sa.Column("captured_boot_ns", sa.BigInteger(), nullable=False),
        sa.Column("clock_error_ns", sa.BigInteger(), nullable=False),
        sa.Column("first_readable_ns", sa.BigInteger(), nullable=False),
        sa.Column("received_at_ns", sa.BigInteger(), nullable=False),
        sa.Column("matched_version", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], name=op.f("fk_read_message_id_message")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_read")),
        sa.UniqueConstraint("device", "epoch", "track", name=op.f("uq_read_device_epoch_track")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_read_captured_at_ns", "read", ["captured_at_ns"], unique=False)
    op.create_index("ix_read_text_captured_at_ns", "read", ["text", "captured_at_ns"], unique=False)

    op.create_table(
        "shot",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("device", sa.String(length=40), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("agency", sa.String(length=40), nullable=False),
        sa.Column("message_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("microphone", sa.String(length=64), nullable=False),
        sa.Column("deployment", sa.String(length=64), nullable=False),
        sa.Column("classes", sa.JSON(), nullable=False),
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("peak_cdbfs", sa.Integer(), nullable=False),
        sa.Column("rms_cdbfs", sa.Integer(), nullable=False),
        sa.Column("clipped", sa.Boolean(), nullable=False),
        sa.Column("clip_sha256", sa.LargeBinary(length=32), nullable=True),
        sa.Column("captured_at_ns", sa.BigInteger(), nullable=False),
        sa.Column("captured_boot_ns", sa.BigInteger(), nullable=False),
        sa.Column("clock_error_ns", sa.BigInteger(), nullable=False),
        sa.Column("onset_error_ns", sa.BigInteger(), nullable=False),
        sa.Column("received_at_ns", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], name=op.f("fk_shot_message_id_message")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shot")),
        sa.UniqueConstraint("device", "epoch", "sequence", name=op.f("uq_shot_device_epoch_sequence")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_shot_captured_at_ns", "shot", ["captured_at_ns"], unique=False)

    op.create_table(
        "alert",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("read_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("entry_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("list_version", sa.BigInteger(), nullable=False),
        sa.Column("rule", sa.String(length=16), nullable=False),
        sa.Column("why", sa.JSON(), nullable=False),
        sa.Column("support", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("historical", sa.Boolean(), nullable=False),
        sa.Column("raised_at_ns", sa.BigInteger(), nullable=False),
        sa.Column("acknowledged_by", sa.String(length=64), nullable=True),
        sa.Column("acknowledged_at_ns", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["entry_id"], ["hotlist_entry.id"], name=op.f("fk_alert_entry_id_hotlist_entry")),
        sa.ForeignKeyConstraint(["read_id"], ["read.id"], name=op.f("fk_alert_read_id_read")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert")),
        sa.UniqueConstraint("read_id", "entry_id", name=op.f("uq_alert_read_id_entry_id")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_alert_state_id", "alert", ["state", "id"], unique=False)

    op.create_table(
        "match_pending",
        sa.Column("read_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("historical", sa.Boolean(), nullable=False),
        sa.Column("age_note", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["read_id"], ["read.id"], name=op.f("fk_match_pending_read_id_read")),
        sa.PrimaryKeyConstraint("read_id", name=op.f("pk_match_pending")),
    )
    op.create_table(
        "read_revision",
        sa.Column("read_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("message_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("text", sa.String(length=24), nullable=False),
        sa.Column("received_at_ns", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], name=op.f("fk_read_revision_message_id_message")),
        sa.ForeignKeyConstraint(["read_id"], ["read.id"], name=op.f("fk_read_revision_read_id_read")),
        sa.PrimaryKeyConstraint("read_id", "message_id", name=op.f("pk_read_revision")),
    )
    store = sa.table("store", sa.column("store_id", sa.LargeBinary), sa.column("created_at_ns", sa.BigInteger))
    op.bulk_insert(store, [{"store_id": secrets.token_bytes(16), "created_at_ns": time.time_ns()}])
    (_append_only_on_postgresql if op.get_bind().dialect.name == "postgresql" else _append_only_on_sqlite)()


def _append_only_on_sqlite() -> None:
    for change in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER audit_refuses_{change.lower()} BEFORE {change} ON audit"
            f" BEGIN SELECT RAISE(ABORT, 'audit is append-only: {change} refused'); END"
        )


def _append_only_on_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION audit_refuses() RETURNS trigger LANGUAGE plpgsql AS $$"
        " BEGIN RAISE EXCEPTION 'audit is append-only: % refused', TG_OP USING ERRCODE = 'restrict_violation'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_refuses BEFORE UPDATE OR DELETE OR TRUNCATE ON audit"
        " FOR EACH STATEMENT EXECUTE FUNCTION audit_refuses()"
    )

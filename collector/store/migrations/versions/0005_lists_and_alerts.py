"""Hotlists with versions, feeds and reviews; alerts with a life of their own, and what is sent about them."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_Serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "back_search",
        sa.Column("id", _Serial, nullable=False),
        sa.Column("list", sa.String(length=64), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("entry_ids", sa.JSON(), nullable=False),
        sa.Column("from_ns", sa.BigInteger(), nullable=False),
        sa.Column("next_read_id", sa.BigInteger(), nullable=False),
        sa.Column("last_read_id", sa.BigInteger(), nullable=False),
        sa.Column("looked_at", sa.BigInteger(), nullable=False),
        sa.Column("raised", sa.Integer(), nullable=False),
        sa.Column("asked_by", sa.String(length=64), nullable=False),
        sa.Column("asked_at_ns", sa.BigInteger(), nullable=False),
        sa.Column("ended_at_ns", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_back_search")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "exclusion",
        sa.Column("id", _Serial, nullable=False),
        sa.Column("true_plate", sa.String(length=24), nullable=False),
        sa.Column("list", sa.String(length=64), nullable=False),
        sa.Column("plate", sa.String(length=24), nullable=False),
        sa.Column("region", sa.String(length=6), nullable=True),
        sa.Column("author", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("alert_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at_ns", sa.BigInteger(), nullable=False),
        sa.Column("expires_at_ns", sa.BigInteger(), nullable=False),
        sa.Column("ended_by", sa.String(length=64), nullable=True),
        sa.Column("ended_at_ns", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exclusion")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_exclusion_list_plate", "exclusion", ["list", "plate"], unique=False)
    op.create_table(
        "demotion",
        sa.Column("exclusion_id", _Serial, nullable=False),
        sa.Column("read_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["exclusion_id"], ["exclusion.id"], name=op.f("fk_demotion_exclusion_id_exclusion")),
        sa.PrimaryKeyConstraint("exclusion_id", "read_id", name=op.f("pk_demotion")),
    )
    op.create_table(
        "follower",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_follower")),
    )
    op.create_table(
        "hotlist_feed",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("tried_at_ns", sa.BigInteger(), nullable=True),
        sa.Column("delivered_at_ns", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=True),
        sa.Column("modified", sa.String(), server_default="", nullable=False),
        sa.Column("made_at_ns", sa.BigInteger(), nullable=True),
        sa.Column("known_since_ns", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("problem", sa.String(), server_default="", nullable=False),
        sa.Column("problem_since_ns", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_hotlist_feed")),
    )
    op.create_table(
        "hotlist_snapshot",
        sa.Column("id", _Serial, nullable=False),
        sa.Column("feed", sa.String(length=64), nullable=False),
        sa.Column("list", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.Column("decided_by", sa.String(length=64), nullable=True),
        sa.Column("decided_at_ns", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hotlist_snapshot")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_hotlist_snapshot_feed_state", "hotlist_snapshot", ["feed", "state"], unique=False)
    op.create_table(
        "mute",
        sa.Column("id", _Serial, nullable=False),
        sa.Column("list", sa.String(length=64), nullable=False),
        sa.Column("plate", sa.String(length=24), nullable=False),
        sa.Column("region", sa.String(length=6), nullable=True),
        sa.Column("reference", sa.String(length=64), nullable=False),
        sa.Column("list_version", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.String(length=64), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mute")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_mute_list_plate", "mute", ["list", "plate"], unique=False)
    op.create_table(
        "hotlist_version",
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("list", sa.String(length=64), nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("source_sha256", sa.LargeBinary(length=32), nullable=True),
        sa.Column("draft", sa.LargeBinary(length=16), nullable=True),
        sa.Column("confirmed_at_ns", sa.BigInteger(), nullable=False),
        sa.Column("written_at_ns", sa.BigInteger(), nullable=True),
        sa.Column("added", sa.Integer(), nullable=False),
        sa.Column("changed", sa.Integer(), nullable=False),
        sa.Column("removed", sa.Integer(), nullable=False),
        sa.Column("unchanged", sa.Integer(), nullable=False),
        sa.Column("rejected", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["list"], ["hotlist.name"], name=op.f("fk_hotlist_version_list_hotlist")),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_hotlist_version")),
    )
    op.create_index("ix_hotlist_version_list_version", "hotlist_version", ["list", "version"], unique=False)
    op.create_table(
        "alert_change",
        sa.Column("id", _Serial, nullable=False),
        sa.Column("alert_id", _Serial, nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.String(length=64), nullable=False),
        sa.Column("action", sa.String(length=24), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["alert_id"], ["alert.id"], name=op.f("fk_alert_change_alert_id_alert")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_change")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_alert_change_alert_id", "alert_change", ["alert_id", "id"], unique=False)
    op.create_table(
        "alert_read",
        sa.Column("alert_id", _Serial, nullable=False),
        sa.Column("read_id", _Serial, nullable=False),
        sa.Column("part", sa.String(length=16), nullable=False),
        sa.Column("site", sa.String(length=40), nullable=False),
        sa.Column("passed_at_ns", sa.BigInteger(), nullable=False),
        sa.Column("probability", sa.Float(), nullable=True),
        sa.Column("latitude", sa.Float(), nullable=True),
        sa.Column("longitude", sa.Float(), nullable=True),
        sa.Column("direction", sa.String(length=64), nullable=True),
        sa.Column("supports", sa.Boolean(), nullable=False),
        sa.Column("attached_at_ns", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["alert_id"], ["alert.id"], name=op.f("fk_alert_read_alert_id_alert")),
        sa.ForeignKeyConstraint(["read_id"], ["read.id"], name=op.f("fk_alert_read_read_id_read")),
        sa.PrimaryKeyConstraint("alert_id", "read_id", name=op.f("pk_alert_read")),
    )
    op.create_index("ix_alert_read_read_id", "alert_read", ["read_id"], unique=False)
    op.create_table(
        "notice",
        sa.Column("id", _Serial, nullable=False),
        sa.Column("alert_id", _Serial, nullable=False),
        sa.Column("route", sa.String(length=64), nullable=False),
        sa.Column("target", sa.String(length=300), nullable=False),
        sa.Column("occasion", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at_ns", sa.BigInteger(), nullable=False),
        sa.Column("problem", sa.String(), nullable=False),
        sa.Column("made_at_ns", sa.BigInteger(), nullable=False),
        sa.Column("ended_at_ns", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["alert_id"], ["alert.id"], name=op.f("fk_notice_alert_id_alert")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice")),
        sa.UniqueConstraint(
            "alert_id", "route", "target", "occasion", name=op.f("uq_notice_alert_id_route_target_occasion")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_notice_state_target_due_at_ns", "notice", ["state", "target", "due_at_ns"], unique=False)
    op.add_column("alert", sa.Column("revision", sa.Integer(), nullable=True))
    op.add_column("alert", sa.Column("probability", sa.Float(), nullable=True))
    op.add_column("alert", sa.Column("match", sa.JSON(), nullable=True))
    op.add_column("alert", sa.Column("site", sa.String(length=40), server_default="", nullable=False))
    op.add_column("alert", sa.Column("passed_at_ns", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("alert", sa.Column("soundings", sa.Integer(), server_default="1", nullable=False))
    op.add_column("alert", sa.Column("escalate_at_ns", sa.BigInteger(), nullable=True))
    op.add_column("alert", sa.Column("escalated_at_ns", sa.BigInteger(), nullable=True))
    op.add_column("alert", sa.Column("recalled_at_ns", sa.BigInteger(), nullable=True))
    op.add_column("alert", sa.Column("recalled_why", sa.String(), nullable=True))
    op.add_column("alert", sa.Column("closed_by", sa.String(length=64), nullable=True))
    op.add_column("alert", sa.Column("closed_at_ns", sa.BigInteger(), nullable=True))
    op.add_column("alert", sa.Column("disposition", sa.String(length=16), nullable=True))
    op.add_column("alert", sa.Column("image_check", sa.JSON(), nullable=True))
    op.add_column("alert", sa.Column("record_check", sa.JSON(), nullable=True))
    op.add_column("alert", sa.Column("field_outcome", sa.JSON(), nullable=True))
    op.add_column("alert", sa.Column("confirm_by_ns", sa.BigInteger(), nullable=True))
    op.create_index("ix_alert_entry_id", "alert", ["entry_id"], unique=False)
    op.create_index(
        "ix_alert_escalate_at_ns",
        "alert",
        ["escalate_at_ns"],
        unique=False,
        sqlite_where=sa.text("escalate_at_ns IS NOT NULL"),
        postgresql_where=sa.text("escalate_at_ns IS NOT NULL"),
    )
    op.add_column("hotlist", sa.Column("draft_mark", sa.BigInteger(), nullable=True))
    for index, column, only in (
        ("ix_alert_confirm_by_ns", "confirm_by_ns", sa.text("confirm_by_ns IS NOT NULL")),
        ("ix_alert_raised_at_ns", "raised_at_ns", sa.text("incident_id IS NOT NULL")),
    ):
        op.create_index(index, "alert", [column], unique=False, sqlite_where=only, postgresql_where=only)
    op.add_column("hotlist", sa.Column("criminal_justice", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("hotlist_entry", sa.Column("reference", sa.String(length=64), server_default="", nullable=False))
    op.add_column("hotlist_entry", sa.Column("is_pattern", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("hotlist_entry", sa.Column("plate_type", sa.String(length=16), server_default="", nullable=False))
    op.add_column("hotlist_entry", sa.Column("category", sa.String(length=32), server_default="other", nullable=False))
    op.add_column("hotlist_entry", sa.Column("case_number", sa.String(length=64), server_default="", nullable=False))
    op.add_column("hotlist_entry", sa.Column("vehicle", sa.JSON(), server_default="{}", nullable=False))
    op.add_column("hotlist_entry", sa.Column("owner", sa.String(length=64), server_default="", nullable=False))
    op.add_column("hotlist_entry", sa.Column("effective_ns", sa.BigInteger(), nullable=True))
    op.add_column("hotlist_entry", sa.Column("expires_ns", sa.BigInteger(), nullable=True))
    op.add_column("hotlist_entry", sa.Column("handling", sa.String(), server_default="", nullable=False))
    op.add_column("hotlist_entry", sa.Column("covert_to", sa.JSON(), nullable=True))
    op.add_column("hotlist_entry", sa.Column("canary", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("hotlist_entry", sa.Column("added_by", sa.String(length=64), server_default="", nullable=False))
    op.add_column("hotlist_entry", sa.Column("added_at_ns", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("hotlist_entry", sa.Column("requester", sa.String(length=64), server_default="", nullable=False))
    op.add_column("hotlist_entry", sa.Column("review_due_ns", sa.BigInteger(), nullable=True))
    op.add_column("hotlist_entry", sa.Column("reviewed_by", sa.String(length=64), nullable=True))
    op.add_column("hotlist_entry", sa.Column("reviewed_at_ns", sa.BigInteger(), nullable=True))
    op.create_index("ix_hotlist_entry_plate", "hotlist_entry", ["plate"], unique=False)
    patterns = sa.text("is_pattern")
    op.create_index(
        "ix_hotlist_entry_is_pattern",
        "hotlist_entry",
        ["list"],
        unique=False,
        sqlite_where=patterns,
        postgresql_where=patterns,
    )
    op.add_column("match_pending", sa.Column("noted_at_ns", sa.BigInteger(), server_default="0", nullable=False))
    op.create_index(
        "ix_hotlist_entry_list_first_version", "hotlist_entry", ["list", "first_version", "id"], unique=False
    )
    op.create_index(
        "ix_hotlist_entry_review_due_ns",
        "hotlist_entry",
        ["review_due_ns"],
        unique=False,
        sqlite_where=sa.text("review_due_ns IS NOT NULL"),
        postgresql_where=sa.text("review_due_ns IS NOT NULL"),
    )
    # What was taken for the same after 0 and O, 1 and I were folded is a likely match by now.
    op.execute("UPDATE alert SET rule = 'likely' WHERE rule = 'folded'")
    _attach_reads()
    _append_only()


def _attach_reads() -> None:
    """Let the alerts that there are have the read that raised them, where and when it passed."""
    op.execute(
        "INSERT INTO alert_read (alert_id, read_id, part, site, passed_at_ns, direction, supports, attached_at_ns)"
        " SELECT alert.id, read.id, 'raised', read.site, read.passed_at_ns, read.direction,"
        " alert.support <> 'unsupported', alert.raised_at_ns FROM alert JOIN read ON read.id = alert.read_id"
    )
    op.execute(
        "UPDATE alert SET site = (SELECT site FROM read WHERE read.id = alert.read_id),"
        " passed_at_ns = (SELECT passed_at_ns FROM read WHERE read.id = alert.read_id) WHERE read_id IS NOT NULL"
    )


def _append_only() -> None:
    if op.get_context().dialect.name == "sqlite":
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER alert_change_refuses_{change.lower()} BEFORE {change} ON alert_change"
                f" BEGIN SELECT RAISE(ABORT, 'alert_change is append-only: {change} refused'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION alert_change_refuses() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION"
        " 'alert_change is append-only: % refused', TG_OP USING ERRCODE = 'restrict_violation'; END $$"
    )
    op.execute(
        "CREATE TRIGGER alert_change_refuses BEFORE UPDATE OR DELETE OR TRUNCATE ON alert_change"
        " FOR EACH STATEMENT EXECUTE FUNCTION alert_change_refuses()"
    )

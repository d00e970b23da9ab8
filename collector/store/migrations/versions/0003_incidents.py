"""Shot incidents: what arrivals and clips say; incidents, their revisions and verdicts; holds; alerts of both kinds.

Shots that are here already belong to no incident: only what comes from now on is looked at.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_Serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply."""
    _shots()
    _incidents()
    _alerts()


def _shots() -> None:
    for column in (
        sa.Column("heard_at_ns", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("historical", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("age_note", sa.String(), nullable=True),
        sa.Column("timed", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("position", sa.JSON(), nullable=True),
        sa.Column("offset", sa.JSON(), nullable=True),
        sa.Column("clock_source", sa.String(length=64), nullable=True),
        sa.Column("fit_error_ns", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("latency_ns", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("snr_cdb", sa.BigInteger(), nullable=True),
        sa.Column("wave", sa.String(length=64), nullable=False, server_default="unknown"),
        sa.Column("alternatives", sa.JSON(), nullable=False, server_default="[]"),
        sa.Column("burst", sa.BigInteger(), nullable=True),
        sa.Column("round", sa.BigInteger(), nullable=True),
        sa.Column("rounds", sa.BigInteger(), nullable=True),
        sa.Column("fire", sa.String(length=64), nullable=True),
        sa.Column("marks", sa.JSON(), nullable=False, server_default="[]"),
        sa.Column("channel", sa.BigInteger(), nullable=True),
        sa.Column("recording_sha256", sa.LargeBinary(length=32), nullable=True),
        sa.Column("clip_ms", sa.BigInteger(), nullable=True),
        sa.Column("incident_id", sa.BigInteger(), nullable=True),
    ):
        op.add_column("shot", column)
    op.execute("UPDATE shot SET heard_at_ns = captured_at_ns")
    op.create_index("ix_shot_agency_heard_at_ns", "shot", ["agency", "heard_at_ns"], unique=False)
    for name in ("incident_id", "clip_sha256", "recording_sha256"):
        known = sa.text(f"{name} IS NOT NULL")
        op.create_index(f"ix_shot_{name}", "shot", [name], sqlite_where=known, postgresql_where=known)

    op.create_table(
        "shot_clip",
        sa.Column("message_id", _Serial, nullable=False),
        sa.Column("first_sequence", sa.BigInteger(), nullable=False),
        sa.Column("last_sequence", sa.BigInteger(), nullable=False),
        sa.Column("device", sa.String(length=40), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("clip_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("recording_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], name=op.f("fk_shot_clip_message_id_message")),
        sa.PrimaryKeyConstraint("message_id", "first_sequence", name=op.f("pk_shot_clip")),
    )
    op.create_index("ix_shot_clip_device_epoch_last_sequence", "shot_clip", ["device", "epoch", "last_sequence"])


def _incidents() -> None:
    op.create_table(
        "incident",
        sa.Column("id", _Serial, nullable=False),
        sa.Column("agency", sa.String(length=40), nullable=False),
        sa.Column("stage", sa.String(length=16), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.Column("rounds", sa.Integer(), nullable=False),
        sa.Column("fire", sa.String(length=64), nullable=False),
        sa.Column("probability", sa.Float(), nullable=True),
        sa.Column("probability_why", sa.JSON(), nullable=False),
        sa.Column("confidence", sa.String(length=16), nullable=True),
        sa.Column("latitude", sa.Float(), nullable=True),
        sa.Column("longitude", sa.Float(), nullable=True),
        sa.Column("ellipses", sa.JSON(), nullable=True),
        sa.Column("twin", sa.JSON(), nullable=True),
        sa.Column("region", sa.JSON(), nullable=True),
        sa.Column("sensors", sa.JSON(), nullable=False),
        sa.Column("silent", sa.JSON(), nullable=False),
        sa.Column("alert_from", sa.Float(), nullable=False),
        sa.Column("historical", sa.Boolean(), nullable=False),
        sa.Column("made_at_ns", sa.BigInteger(), nullable=False),
        sa.Column("listening", sa.JSON(), nullable=False),
        sa.Column("settles_at_ns", sa.BigInteger(), nullable=True),
        sa.Column("merged_into", sa.BigInteger(), nullable=True),
        sa.Column("recordings_asked_at_ns", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incident")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_incident_agency_at_ns", "incident", ["agency", "at_ns"])
    unsettled = sa.text("settles_at_ns IS NOT NULL")
    op.create_index(
        "ix_incident_settles_at_ns", "incident", ["settles_at_ns"], sqlite_where=unsettled, postgresql_where=unsettled
    )

    op.create_table(
        "incident_revision",
        sa.Column("incident_id", _Serial, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("stage", sa.String(length=16), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.Column("known", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incident.id"], name=op.f("fk_incident_revision_incident_id_incident")
        ),
        sa.PrimaryKeyConstraint("incident_id", "revision", name=op.f("pk_incident_revision")),
    )

    op.create_table(
        "incident_verdict",
        sa.Column("id", _Serial, nullable=False),
        sa.Column("incident_id", _Serial, nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("what", sa.String(length=200), nullable=True),
        sa.Column("by", sa.String(length=64), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incident.id"], name=op.f("fk_incident_verdict_incident_id_incident")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incident_verdict")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_incident_verdict_incident_id", "incident_verdict", ["incident_id"])

    op.create_table(
        "incident_cursor",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_incident_cursor")),
    )
    op.execute("INSERT INTO incident_cursor (number) SELECT coalesce(max(number), 0) FROM feed")

    op.create_table(
        "hold",
        sa.Column("read_id", _Serial, nullable=False),
        sa.Column("incident_id", _Serial, nullable=False),
        sa.Column("until_ns", sa.BigInteger(), nullable=False),
        sa.Column("provisional", sa.Boolean(), nullable=False),
        sa.Column("distance_m", sa.Float(), nullable=False),
        sa.Column("offset_ns", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["read_id"], ["read.id"], name=op.f("fk_hold_read_id_read")),
        sa.ForeignKeyConstraint(["incident_id"], ["incident.id"], name=op.f("fk_hold_incident_id_incident")),
        sa.PrimaryKeyConstraint("read_id", "incident_id", name=op.f("pk_hold")),
    )
    op.create_index("ix_hold_incident_id", "hold", ["incident_id"])


def _alerts() -> None:
    """Let an alert be of an incident. SQLite rewrites the table for it, which it can: nothing refers to an alert."""
    sqlite = op.get_bind().dialect.name == "sqlite"
    last = "SELECT seq FROM sqlite_sequence WHERE name = 'alert'"
    given = op.get_bind().exec_driver_sql(last).scalar() if sqlite else None
    with op.batch_alter_table("alert", table_kwargs={"sqlite_autoincrement": True}) as alert:
        for name, kind in (
            ("read_id", _Serial),
            ("entry_id", _Serial),
            ("list_version", sa.BigInteger()),
            ("rule", sa.String(length=16)),
        ):
            alert.alter_column(name, existing_type=kind, existing_nullable=False, nullable=True)
        alert.add_column(sa.Column("incident_id", _Serial, nullable=True))
        alert.create_foreign_key(op.f("fk_alert_incident_id_incident"), "incident", ["incident_id"], ["id"])
        alert.create_unique_constraint(op.f("uq_alert_incident_id"), ["incident_id"])
        alert.create_check_constraint(op.f("ck_alert_of_one"), "(read_id IS NULL) <> (incident_id IS NULL)")
    if given is not None:
        # Ids that people see are never given twice, not even where the highest are gone.
        op.get_bind().exec_driver_sql("DELETE FROM sqlite_sequence WHERE name = 'alert'")
        op.get_bind().exec_driver_sql("INSERT INTO sqlite_sequence (name, seq) VALUES ('alert', ?)", (given,))

"""The tables, as they are after the last migration.

Times are integer nanoseconds, UTC unless the name says otherwise; digests and ids from devices are raw bytes. What a
device sent is kept as received in ``message``; every other table about detections could be made again from it.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    false,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite only counts up a column of exactly the type INTEGER.
_Serial = BigInteger().with_variant(Integer, "sqlite")

store = Table(
    "store",
    metadata,
    # Changes when the store goes back in time (a restore), so that devices offer again what they still hold.
    Column("store_id", LargeBinary(16), primary_key=True),
    Column("created_at_ns", BigInteger, nullable=False),
)

device = Table(
    "device",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("agency", String(40), nullable=False),
    Column("status", String(16), nullable=False),  # enrolled | revoked
    Column("added_at_ns", BigInteger, nullable=False),
    # Where it stands, with others of its agency or alone (then its id). The default only lets SQLite add the column.
    Column("site", String(40), nullable=False, server_default=""),
)

device_key = Table(
    "device_key",
    metadata,
    # Kept for ever: a superseded key still vouches for the epochs that it opened.
    Column("device", ForeignKey("device.id"), primary_key=True),
    Column("kid", LargeBinary(8), primary_key=True),
    Column("spki", LargeBinary, nullable=False),
    Column("added_at_ns", BigInteger, nullable=False),
)

epoch = Table(
    "epoch",
    metadata,
    Column("device", ForeignKey("device.id"), primary_key=True),
    Column("epoch", BigInteger, primary_key=True),
    Column("kid", LargeBinary(8), nullable=False),
    Column("spki", LargeBinary, nullable=False),
    Column("boot_id", LargeBinary(16), nullable=False),
    Column("boot_ns", BigInteger, nullable=False),
    Column("utc_ns", BigInteger, nullable=False),
    Column("previous", BigInteger),
    Column("previous_last", JSON, nullable=False),
    Column("corrupt", Boolean, nullable=False),
    Column("received_at_ns", BigInteger, nullable=False),
    # Another epoch names the same predecessor: a cloned card or a restored backup.
    Column("cloned_or_restored", Boolean, nullable=False, default=False),
    Index("ix_epoch_device_previous", "device", "previous"),
)

identity = Table(
    "identity",
    metadata,
    # Outlives retention, so that a replay does not bring purged detections back.
    Column("device", String(40), primary_key=True),
    Column("epoch", BigInteger, primary_key=True),
    Column("stream", Integer, primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("digest", LargeBinary(32), nullable=False),
    Column("verdict", Integer, nullable=False),  # edge_wire.messages.Verdict
)

# Few rows: the ledger counts them without reading the others.
Index(
    "ix_identity_dead_lettered",
    identity.c.device,
    identity.c.epoch,
    identity.c.stream,
    sqlite_where=identity.c.verdict != 1,
    postgresql_where=identity.c.verdict != 1,
)

message = Table(
    "message",
    metadata,
    Column("id", _Serial, primary_key=True),
    Column("device", String(40), nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("stream", Integer, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("kind", Integer, nullable=False),
    Column("envelope", LargeBinary, nullable=False),
    Column("received_at_ns", BigInteger, nullable=False),
    UniqueConstraint("device", "epoch", "stream", "sequence"),
)

dead_letter = Table(
    "dead_letter",
    metadata,
    Column("id", _Serial, primary_key=True),
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    Column("topic", String, nullable=False),
    Column("device", String(40)),
    Column("reason", String(40), nullable=False),
    Column("detail", String, nullable=False),
    Column("envelope", LargeBinary, nullable=False),
    Column("times", Integer, nullable=False),
    Column("first_at_ns", BigInteger, nullable=False),
    Column("last_at_ns", BigInteger, nullable=False),
    # From an enrolled device, verified: kept for ever. The others only as far as there is room for their device's.
    Column("genuine", Boolean, nullable=False),
    Index("ix_dead_letter_device_genuine", "device", "genuine"),
)

read = Table(
    "read",
    metadata,
    # One row a track, as its latest revision has it.
    Column("id", _Serial, primary_key=True),
    Column("device", String(40), nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("track", BigInteger, nullable=False),
    Column("agency", String(40), nullable=False),
    Column("message_id", ForeignKey("message.id"), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("final", Boolean, nullable=False),
    Column("text", String(24), nullable=False),
    Column("slots", JSON, nullable=False),
    Column("regions", JSON, nullable=False),
    Column("calibration", String(64), nullable=False),
    Column("camera", String(64), nullable=False),
    Column("role", String(64), nullable=False),
    Column("pair", String(64)),
    Column("lane", Integer),
    Column("direction", String(64)),
    Column("face", String(64)),
    Column("deployment", String(64), nullable=False),
    Column("box", JSON, nullable=False),
    Column("detection_score", Float, nullable=False),
    Column("frames", Integer, nullable=False),
    Column("crop_sha256", LargeBinary(32), nullable=False),
    Column("frame_sha256", LargeBinary(32), nullable=False),
    Column("captured_at_ns", BigInteger, nullable=False),
    Column("captured_boot_ns", BigInteger, nullable=False),
    Column("clock_error_ns", BigInteger, nullable=False),
    Column("first_readable_ns", BigInteger, nullable=False),
    Column("received_at_ns", BigInteger, nullable=False),  # of the first revision
    # The hotlist generation that it was matched against.
    Column("matched_version", BigInteger, nullable=False),
    # What follows came with 0002; the defaults only let SQLite add columns that are never empty.
    Column("travel", String(64)),
    Column("marks", JSON, nullable=False, server_default="[]"),
    Column("overview_camera", String(64)),
    Column("overview_sha256", LargeBinary(32)),
    Column("overview_offset_ns", BigInteger),
    Column("vehicle_body", String(64)),
    Column("vehicle_colour", String(64)),
    Column("vehicle_make", String(64)),
    # Where its device stood, and when the plate was first readable as far as the clocks tell: both as of the first
    # revision that came, so that neither a moved device nor a revision takes a read out of its passage.
    Column("site", String(40), nullable=False, server_default=""),
    Column("passed_at_ns", BigInteger, nullable=False, server_default="0"),
    # Of several reads of one vehicle. No foreign key: SQLite adds none to a table that is there.
    Column("passage_id", BigInteger),
    UniqueConstraint("device", "epoch", "track"),
    Index("ix_read_text_captured_at_ns", "text", "captured_at_ns"),
    Index("ix_read_captured_at_ns", "captured_at_ns"),
    Index("ix_read_site_passed_at_ns", "site", "passed_at_ns"),
    # Ids that people see are never given twice, not even after retention took the highest.
    sqlite_autoincrement=True,
)

# Costs nothing while a read is in no passage, which it is in when it is stored.
Index(
    "ix_read_passage_id",
    read.c.passage_id,
    sqlite_where=read.c.passage_id.is_not(None),
    postgresql_where=read.c.passage_id.is_not(None),
)

passage = Table(
    "passage",
    metadata,
    # One vehicle, as several reads of one site saw it within seconds. A row stays when its reads have left it.
    Column("id", _Serial, primary_key=True),
    Column("site", String(40), nullable=False),
    Column("agency", String(40), nullable=False),
    Column("first_at_ns", BigInteger, nullable=False),
    Column("last_at_ns", BigInteger, nullable=False),
    # Of its surest read.
    Column("text", String(24), nullable=False),
    Column("confidence", Float, nullable=False),
    Column("reads", Integer, nullable=False),  # 0: they have left
    sqlite_autoincrement=True,
)

passage_cursor = Table(
    "passage_cursor",
    metadata,
    # One row: up to which feed number reads have been looked at.
    Column("number", BigInteger, primary_key=True, autoincrement=False),
)

match_pending = Table(
    "match_pending",
    metadata,
    # Reads that committed after a newer hotlist than the one they were matched against: to be matched again.
    Column("read_id", ForeignKey("read.id"), primary_key=True),
    # Its age as judged when it came, for the alert that may follow.
    Column("historical", Boolean, nullable=False),
    Column("age_note", String),
    # When that was: came with 0005, and the default only lets SQLite add the column.
    Column("noted_at_ns", BigInteger, nullable=False, server_default="0"),
)

read_revision = Table(
    "read_revision",
    metadata,
    Column("read_id", ForeignKey("read.id"), primary_key=True),
    Column("message_id", ForeignKey("message.id"), primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("text", String(24), nullable=False),
    Column("received_at_ns", BigInteger, nullable=False),
)

shot = Table(
    "shot",
    metadata,
    Column("id", _Serial, primary_key=True),
    Column("device", String(40), nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("agency", String(40), nullable=False),
    Column("message_id", ForeignKey("message.id"), nullable=False),
    Column("microphone", String(64), nullable=False),
    Column("deployment", String(64), nullable=False),
    Column("classes", JSON, nullable=False),
    Column("model", String(64), nullable=False),
    Column("peak_cdbfs", Integer, nullable=False),
    Column("rms_cdbfs", Integer, nullable=False),
    Column("clipped", Boolean, nullable=False),
    Column("clip_sha256", LargeBinary(32)),
    Column("captured_at_ns", BigInteger, nullable=False),
    Column("captured_boot_ns", BigInteger, nullable=False),
    Column("clock_error_ns", BigInteger, nullable=False),
    Column("onset_error_ns", BigInteger, nullable=False),
    Column("received_at_ns", BigInteger, nullable=False),
    # What follows came with 0003; the defaults only let SQLite add columns that are never empty.
    # When it reached the microphone as far as the clocks tell: the device's claim, unless the boot clocks refute it.
    Column("heard_at_ns", BigInteger, nullable=False, server_default="0"),
    Column("historical", Boolean, nullable=False, server_default=false()),
    Column("age_note", String),
    # Whether its time is good enough to locate with (edge_wire.timing, and a claim that the boot clocks do not refute).
    Column("timed", Boolean, nullable=False, server_default=false()),
    Column("position", JSON),  # edge_wire.messages.Position: latitude and longitude in 1e-7 degrees, error in cm
    Column("offset", JSON),  # edge_wire.messages.Offset: from there to the microphone, east, north, up, in mm
    Column("clock_source", String(64)),
    Column("fit_error_ns", BigInteger, nullable=False, server_default="0"),
    Column("latency_ns", BigInteger, nullable=False, server_default="0"),
    Column("snr_cdb", BigInteger),
    Column("wave", String(64), nullable=False, server_default="unknown"),
    Column("alternatives", JSON, nullable=False, server_default="[]"),
    Column("burst", BigInteger),
    Column("round", BigInteger),
    Column("rounds", BigInteger),
    Column("fire", String(64)),
    Column("marks", JSON, nullable=False, server_default="[]"),
    Column("channel", BigInteger),
    # As the ShotClip says that names it, in whichever order the two come.
    Column("recording_sha256", LargeBinary(32)),
    Column("clip_ms", BigInteger),
    # No foreign key: SQLite adds none to a table that is there.
    Column("incident_id", BigInteger),
    UniqueConstraint("device", "epoch", "sequence"),
    Index("ix_shot_captured_at_ns", "captured_at_ns"),
    Index("ix_shot_agency_heard_at_ns", "agency", "heard_at_ns"),
    sqlite_autoincrement=True,
)

Index(
    "ix_shot_incident_id",
    shot.c.incident_id,
    sqlite_where=shot.c.incident_id.is_not(None),
    postgresql_where=shot.c.incident_id.is_not(None),
)

# A file that is here now is asked about by its hash.
for _sound in (shot.c.clip_sha256, shot.c.recording_sha256):
    Index(f"ix_shot_{_sound.name}", _sound, sqlite_where=_sound.is_not(None), postgresql_where=_sound.is_not(None))

shot_clip = Table(
    "shot_clip",
    metadata,
    # The seconds around shots, as a device says that it keeps them: one row a run of sequences of arrivals.
    Column("message_id", ForeignKey("message.id"), primary_key=True),
    Column("first_sequence", BigInteger, primary_key=True),
    Column("last_sequence", BigInteger, nullable=False),
    Column("device", String(40), nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("clip_sha256", LargeBinary(32), nullable=False),
    Column("recording_sha256", LargeBinary(32), nullable=False),
    Column("duration_ms", BigInteger, nullable=False),
    Index("ix_shot_clip_device_epoch_last_sequence", "device", "epoch", "last_sequence"),
)

incident = Table(
    "incident",
    metadata,
    # Shots that belong together, as they stand now; a row stays when its shots have gone to another.
    Column("id", _Serial, primary_key=True),
    Column("agency", String(40), nullable=False),
    Column("stage", String(16), nullable=False),  # raw | located | revised | reviewed
    Column("revision", Integer, nullable=False),
    Column("at_ns", BigInteger, nullable=False),
    Column("rounds", Integer, nullable=False),
    Column("fire", String(64), nullable=False),
    Column("probability", Float),
    Column("probability_why", JSON, nullable=False),
    Column("confidence", String(16)),
    Column("latitude", Float),
    Column("longitude", Float),
    Column("ellipses", JSON),  # of 50 % and of 95 %: semi-major and semi-minor in m, azimuth in degrees
    Column("twin", JSON),  # latitude, longitude
    Column("region", JSON),  # kind, and the outline's latitudes and longitudes
    Column("sensors", JSON, nullable=False),
    Column("silent", JSON, nullable=False),
    Column("alert_from", Float, nullable=False),
    Column("historical", Boolean, nullable=False),
    Column("made_at_ns", BigInteger, nullable=False),
    # Who was listening when it was first made: [device, latitude, longitude, up_m, error_m] each.
    Column("listening", JSON, nullable=False),
    # Until when somebody could still tell of it; None once nobody can.
    Column("settles_at_ns", BigInteger),
    Column("merged_into", BigInteger),
    # When somebody asked for the recordings of the same seconds; None if nobody has.
    Column("recordings_asked_at_ns", BigInteger),
    Index("ix_incident_agency_at_ns", "agency", "at_ns"),
    sqlite_autoincrement=True,
)

Index(
    "ix_incident_settles_at_ns",
    incident.c.settles_at_ns,
    sqlite_where=incident.c.settles_at_ns.is_not(None),
    postgresql_where=incident.c.settles_at_ns.is_not(None),
)

incident_revision = Table(
    "incident_revision",
    metadata,
    Column("incident_id", ForeignKey("incident.id"), primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("stage", String(16), nullable=False),
    Column("at_ns", BigInteger, nullable=False),
    # In the API's words: what was known, or the verdict.
    Column("known", JSON, nullable=False),
)

incident_verdict = Table(
    "incident_verdict",
    metadata,
    # The last one counts; all are kept.
    Column("id", _Serial, primary_key=True),
    Column("incident_id", ForeignKey("incident.id"), nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("what", String(200)),
    Column("by", String(64), nullable=False),
    Column("at_ns", BigInteger, nullable=False),
    Index("ix_incident_verdict_incident_id", "incident_id"),
    sqlite_autoincrement=True,
)

incident_cursor = Table(
    "incident_cursor",
    metadata,
    # One row: up to which feed number shots and reads have been looked at.
    Column("number", BigInteger, primary_key=True, autoincrement=False),
)

hold = Table(
    "hold",
    metadata,
    # Plate reads near an incident, which retention leaves alone until then.
    Column("read_id", ForeignKey("read.id"), primary_key=True),
    Column("incident_id", ForeignKey("incident.id"), primary_key=True),
    Column("until_ns", BigInteger, nullable=False),
    Column("provisional", Boolean, nullable=False),  # not: a person has said that it was a gunshot
    Column("distance_m", Float, nullable=False),
    Column("offset_ns", BigInteger, nullable=False),
    Index("ix_hold_incident_id", "incident_id"),
)

loss = Table(
    "loss",
    metadata,
    # Rows that a device says will never come, one row a run of sequences (0 and 0 where only ``uncommitted`` counts).
    Column("id", _Serial, primary_key=True),
    Column("device", String(40), nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("stream", Integer, nullable=False),
    Column("first_sequence", BigInteger, nullable=False),
    Column("last_sequence", BigInteger, nullable=False),
    Column("reason", String(64), nullable=False),
    Column("uncommitted", BigInteger, nullable=False),
    Column("message_id", ForeignKey("message.id"), nullable=False),
    Index("ix_loss_device_epoch_stream", "device", "epoch", "stream"),
)

media_file = Table(
    "media_file",
    metadata,
    # Bytes live in files named by their hash; the row of a complete file commits after the file is in place.
    Column("sha256", LargeBinary(32), primary_key=True),
    Column("device", String(40), primary_key=True),
    Column("part", Integer, nullable=False),  # edge_wire.messages.Part
    Column("epoch", BigInteger, nullable=False),
    Column("track", BigInteger),
    Column("sequence", BigInteger),
    Column("total_bytes", BigInteger, nullable=False),  # 0: the device no longer holds it
    Column("complete", Boolean, nullable=False),
    Index("ix_media_file_device_epoch_track", "device", "epoch", "track"),
)

media_piece = Table(
    "media_piece",
    metadata,
    Column("sha256", LargeBinary(32), primary_key=True),
    Column("device", String(40), primary_key=True),
    Column("offset", BigInteger, primary_key=True),
    Column("content", LargeBinary, nullable=False),
    Column("received_at_ns", BigInteger, nullable=False),
)

hotlist = Table(
    "hotlist",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("imported_at_ns", BigInteger, nullable=False),
    Column("imported_by", String(64), nullable=False),
    Column("source", String, nullable=False),
    Column("source_sha256", LargeBinary(32), nullable=False),
    # Names the import that may write and publish now; another one that begins takes its place.
    Column("draft", LargeBinary(16)),
    # What the rows of a draft carry, for as long as there may be any: an open one, or one that was broken off.
    Column("draft_mark", BigInteger),
    # What follows came with 0005; the defaults only let SQLite add columns that are never empty.
    # Comes from a criminal-justice system: what it says does not travel by e-mail.
    Column("criminal_justice", Boolean, nullable=False, server_default=false()),
)

hotlist_version = Table(
    "hotlist_version",
    metadata,
    # What each version of a list came from, and what it changed.
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("list", ForeignKey("hotlist.name"), nullable=False),
    Column("action", String(16), nullable=False),  # import | add | edit | withdraw | expire | rollback
    Column("at_ns", BigInteger, nullable=False),
    Column("by", String(64), nullable=False),
    Column("source", String, nullable=False),
    Column("source_sha256", LargeBinary(32)),
    # The draft that became it: whoever has read that ahead has read this.
    Column("draft", LargeBinary(16)),
    # When its source last said that the list is so: single entries and going back to an earlier version say nothing.
    Column("confirmed_at_ns", BigInteger, nullable=False),
    # When its file was last written, where somebody imported one.
    Column("written_at_ns", BigInteger),
    Column("added", Integer, nullable=False),
    Column("changed", Integer, nullable=False),
    Column("removed", Integer, nullable=False),
    Column("unchanged", Integer, nullable=False),
    Column("rejected", Integer, nullable=False),
    Index("ix_hotlist_version_list_version", "list", "version"),
)

hotlist_entry = Table(
    "hotlist_entry",
    metadata,
    # An entry stands in its list's versions from first_version up to and without end_version. Versions are taken
    # from one counter over all lists, so "the generation" of the whole is the highest of them.
    Column("id", _Serial, primary_key=True),
    Column("list", ForeignKey("hotlist.name"), nullable=False),
    Column("plate", String(24), nullable=False),
    Column("region", String(6)),
    Column("reason", String, nullable=False),
    Column("severity", String(16), nullable=False),
    Column("notes", String, nullable=False),
    Column("first_version", BigInteger, nullable=False),
    Column("end_version", BigInteger),
    # What follows came with 0005; the defaults only let SQLite add columns that are never empty.
    # The source's own number of the record (NIC), else the case number: with plate and region what makes it the same
    # entry in the next version.
    Column("reference", String(64), nullable=False, server_default=""),
    Column("is_pattern", Boolean, nullable=False, server_default=false()),
    Column("plate_type", String(16), nullable=False, server_default=""),
    Column("category", String(32), nullable=False, server_default="other"),
    Column("case_number", String(64), nullable=False, server_default=""),
    Column("vehicle", JSON, nullable=False, server_default="{}"),  # make, model, colour, year
    Column("owner", String(64), nullable=False, server_default=""),  # agency
    Column("effective_ns", BigInteger),
    Column("expires_ns", BigInteger),
    Column("handling", String, nullable=False, server_default=""),
    Column("covert_to", JSON(none_as_null=True)),  # names of users who alone may see it; null: not covert
    Column("canary", Boolean, nullable=False, server_default=false()),
    # Of entries made by hand; empty for those of a file.
    Column("added_by", String(64), nullable=False, server_default=""),
    Column("added_at_ns", BigInteger, nullable=False, server_default="0"),
    Column("requester", String(64), nullable=False, server_default=""),
    Column("review_due_ns", BigInteger),
    Column("reviewed_by", String(64)),
    Column("reviewed_at_ns", BigInteger),
    Index("ix_hotlist_entry_list_end_version", "list", "end_version"),
    # What is new in a version, and what a draft has so far.
    Index("ix_hotlist_entry_list_first_version", "list", "first_version", "id"),
    Index("ix_hotlist_entry_plate", "plate"),
)

# Entries made by hand are few among millions, and they are all to be reviewed.
Index(
    "ix_hotlist_entry_is_pattern",
    hotlist_entry.c.list,
    sqlite_where=hotlist_entry.c.is_pattern,
    postgresql_where=hotlist_entry.c.is_pattern,
)
Index(
    "ix_hotlist_entry_review_due_ns",
    hotlist_entry.c.review_due_ns,
    sqlite_where=hotlist_entry.c.review_due_ns.is_not(None),
    postgresql_where=hotlist_entry.c.review_due_ns.is_not(None),
)

hotlist_snapshot = Table(
    "hotlist_snapshot",
    metadata,
    # A delivery of a feed that waits for a person, or what became of it. Its bytes lie in a file named by their hash.
    Column("id", _Serial, primary_key=True),
    Column("feed", String(64), nullable=False),
    Column("list", String(64), nullable=False),
    Column("source", String, nullable=False),
    Column("sha256", LargeBinary(32), nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("why", String, nullable=False),
    Column("state", String(16), nullable=False),  # waiting | approved | imported | refused | superseded
    Column("at_ns", BigInteger, nullable=False),
    Column("decided_by", String(64)),
    Column("decided_at_ns", BigInteger),
    Index("ix_hotlist_snapshot_feed_state", "feed", "state"),
    sqlite_autoincrement=True,
)

hotlist_feed = Table(
    "hotlist_feed",
    metadata,
    # How a feed of the configuration stands.
    Column("name", String(64), primary_key=True),
    Column("tried_at_ns", BigInteger),
    Column("delivered_at_ns", BigInteger),  # the last delivery that came, whatever became of it
    Column("sha256", LargeBinary(32)),
    Column("modified", String, nullable=False, server_default=""),  # what the source says, to ask it for newer only
    Column("made_at_ns", BigInteger),  # how old that delivery was, as far as the source says
    Column("known_since_ns", BigInteger, nullable=False, server_default="0"),
    Column("problem", String, nullable=False, server_default=""),
    Column("problem_since_ns", BigInteger),
)

back_search = Table(
    "back_search",
    metadata,
    # Earlier reads looked through for new entries; goes on where it stood after a restart.
    Column("id", _Serial, primary_key=True),
    Column("list", String(64), nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("entry_ids", JSON, nullable=False),
    Column("from_ns", BigInteger, nullable=False),
    Column("next_read_id", BigInteger, nullable=False),
    Column("last_read_id", BigInteger, nullable=False),
    Column("looked_at", BigInteger, nullable=False),
    Column("raised", Integer, nullable=False),
    Column("asked_by", String(64), nullable=False),
    Column("asked_at_ns", BigInteger, nullable=False),
    Column("ended_at_ns", BigInteger),
    sqlite_autoincrement=True,
)

exclusion = Table(
    "exclusion",
    metadata,
    # A known look-alike: the plate that is truly there is not that entry.
    Column("id", _Serial, primary_key=True),
    Column("true_plate", String(24), nullable=False),
    Column("list", String(64), nullable=False),
    Column("plate", String(24), nullable=False),
    Column("region", String(6)),
    Column("author", String(64), nullable=False),
    Column("reason", String, nullable=False),
    Column("alert_id", BigInteger),
    Column("created_at_ns", BigInteger, nullable=False),
    Column("expires_at_ns", BigInteger, nullable=False),
    Column("ended_by", String(64)),
    Column("ended_at_ns", BigInteger),
    Index("ix_exclusion_list_plate", "list", "plate"),
    sqlite_autoincrement=True,
)

demotion = Table(
    "demotion",
    metadata,
    # A hit that an exclusion held back: counted in reports, also when retention has taken the read.
    Column("exclusion_id", ForeignKey("exclusion.id"), primary_key=True),
    Column("read_id", BigInteger, primary_key=True, autoincrement=False),
    Column("at_ns", BigInteger, nullable=False),
)

mute = Table(
    "mute",
    metadata,
    # An entry of somebody else's list that does not alert until that list's next version.
    Column("id", _Serial, primary_key=True),
    Column("list", String(64), nullable=False),
    Column("plate", String(24), nullable=False),
    Column("region", String(6)),
    Column("reference", String(64), nullable=False),
    Column("list_version", BigInteger, nullable=False),
    Column("by", String(64), nullable=False),
    Column("at_ns", BigInteger, nullable=False),
    Index("ix_mute_list_plate", "list", "plate"),
    sqlite_autoincrement=True,
)

alert = Table(
    "alert",
    metadata,
    Column("id", _Serial, primary_key=True),
    # Of a hit, or
    Column("read_id", ForeignKey("read.id")),
    Column("entry_id", ForeignKey("hotlist_entry.id")),
    Column("list_version", BigInteger),
    Column("rule", String(16)),  # exact | likely | pattern
    # of a shot incident.
    Column("incident_id", ForeignKey("incident.id")),
    Column("why", JSON, nullable=False),
    Column("support", String(16), nullable=False),  # raised | strengthened | unsupported
    Column("state", String(16), nullable=False),  # new | acknowledged | closed
    Column("historical", Boolean, nullable=False),
    Column("raised_at_ns", BigInteger, nullable=False),
    Column("acknowledged_by", String(64)),
    Column("acknowledged_at_ns", BigInteger),
    # What follows came with 0005; the defaults only let SQLite add columns that are never empty.
    # Of a hit: the revision of the read that it was matched by last, P(this plate is that entry), and all that the
    # matcher said of it, with which it can be replayed.
    Column("revision", Integer),
    Column("probability", Float),
    Column("match", JSON(none_as_null=True)),
    # Where its latest read was, and when that passed.
    Column("site", String(40), nullable=False, server_default=""),
    Column("passed_at_ns", BigInteger, nullable=False, server_default="0"),
    # How often it has called for attention: once when raised, once for every further site, once when escalated.
    Column("soundings", Integer, nullable=False, server_default="1"),
    Column("escalate_at_ns", BigInteger),
    Column("escalated_at_ns", BigInteger),
    Column("recalled_at_ns", BigInteger),
    Column("recalled_why", String),
    Column("closed_by", String(64)),
    Column("closed_at_ns", BigInteger),
    Column("disposition", String(16)),
    # Three facts that people add; each null until somebody has.
    Column("image_check", JSON(none_as_null=True)),
    Column("record_check", JSON(none_as_null=True)),
    Column("field_outcome", JSON(none_as_null=True)),
    # By when the agency that owns the record is to confirm it, after a detention.
    Column("confirm_by_ns", BigInteger),
    # The key of PROTOCOL: matching may be repeated, an alert exists once.
    UniqueConstraint("read_id", "entry_id"),
    UniqueConstraint("incident_id"),
    CheckConstraint("(read_id IS NULL) <> (incident_id IS NULL)", name="ck_alert_of_one"),
    Index("ix_alert_state_id", "state", "id"),
    sqlite_autoincrement=True,
)

Index(
    "ix_alert_escalate_at_ns",
    alert.c.escalate_at_ns,
    sqlite_where=alert.c.escalate_at_ns.is_not(None),
    postgresql_where=alert.c.escalate_at_ns.is_not(None),
)
Index(
    "ix_alert_confirm_by_ns",
    alert.c.confirm_by_ns,
    sqlite_where=alert.c.confirm_by_ns.is_not(None),
    postgresql_where=alert.c.confirm_by_ns.is_not(None),
)
# Of incidents, which carry no time to escalate of their own.
Index(
    "ix_alert_raised_at_ns",
    alert.c.raised_at_ns,
    sqlite_where=alert.c.incident_id.is_not(None),
    postgresql_where=alert.c.incident_id.is_not(None),
)
Index("ix_alert_entry_id", alert.c.entry_id)

alert_read = Table(
    "alert_read",
    metadata,
    # The reads of an alert: the one that raised it, those at the same site that were suppressed, its trail elsewhere.
    Column("alert_id", ForeignKey("alert.id"), primary_key=True),
    Column("read_id", ForeignKey("read.id"), primary_key=True),
    Column("part", String(16), nullable=False),  # raised | suppressed | trail
    Column("site", String(40), nullable=False),
    Column("passed_at_ns", BigInteger, nullable=False),
    Column("probability", Float),
    Column("latitude", Float),
    Column("longitude", Float),
    Column("direction", String(64)),
    # Whether the read's latest revision still says that it is the entry.
    Column("supports", Boolean, nullable=False),
    Column("attached_at_ns", BigInteger, nullable=False),
    Index("ix_alert_read_read_id", "read_id"),
)

alert_change = Table(
    "alert_change",
    metadata,
    # Append-only: who did what to an alert, and when. The machine's own steps have an empty `who`.
    Column("id", _Serial, primary_key=True),
    Column("alert_id", ForeignKey("alert.id"), nullable=False),
    Column("at_ns", BigInteger, nullable=False),
    Column("who", String(64), nullable=False),
    Column("action", String(24), nullable=False),
    Column("detail", JSON, nullable=False),
    Index("ix_alert_change_alert_id", "alert_id", "id"),
    sqlite_autoincrement=True,
)

notice = Table(
    "notice",
    metadata,
    # One message about an alert to one target of a route.
    Column("id", _Serial, primary_key=True),
    Column("alert_id", ForeignKey("alert.id"), nullable=False),
    Column("route", String(64), nullable=False),
    Column("target", String(300), nullable=False),
    Column("occasion", String(32), nullable=False),
    Column("state", String(16), nullable=False),  # waiting | sent | dead
    Column("attempts", Integer, nullable=False),
    Column("due_at_ns", BigInteger, nullable=False),
    Column("problem", String, nullable=False),
    Column("made_at_ns", BigInteger, nullable=False),
    Column("ended_at_ns", BigInteger),
    UniqueConstraint("alert_id", "route", "target", "occasion"),
    Index("ix_notice_state_target_due_at_ns", "state", "target", "due_at_ns"),
    sqlite_autoincrement=True,
)

follower = Table(
    "follower",
    metadata,
    # Up to which feed number a follower of the feed has looked.
    Column("name", String(40), primary_key=True),
    Column("number", BigInteger, nullable=False),
)

feed = Table(
    "feed",
    metadata,
    # One ascending number over everything that consoles show: what Last-Event-ID means.
    Column("number", _Serial, primary_key=True),
    Column("kind", String(16), nullable=False),  # alert | read | passage | shot | incident | picture | device
    Column("ref", String, nullable=False),  # the row's id; for a picture device/sha256
    sqlite_autoincrement=True,
)

device_link = Table(
    "device_link",
    metadata,
    # Latest wins: which connection a device last announced, and how it was.
    Column("device", ForeignKey("device.id"), primary_key=True),
    Column("epoch", BigInteger, nullable=False),
    Column("connection", BigInteger, nullable=False),
    Column("online", Boolean, nullable=False),
    Column("reason", String, nullable=False),
    Column("heard_at_ns", BigInteger, nullable=False),
    Column("health", JSON),
    Column("health_at_ns", BigInteger),
)

device_change = Table(
    "device_change",
    metadata,
    # What changed on a device, as it said (edge_wire.messages.Change).
    Column("id", _Serial, primary_key=True),
    Column("device", String(40), nullable=False),
    Column("message_id", ForeignKey("message.id"), nullable=False),
    Column("subject", String(64), nullable=False),
    Column("ref", String(64)),
    Column("state", String(64), nullable=False),
    Column("before", String(64)),
    Column("reason", String, nullable=False),
    Column("at_ns", BigInteger, nullable=False),
    Index("ix_device_change_device_id", "device", "id"),
    sqlite_autoincrement=True,
)

stream_state = Table(
    "stream_state",
    metadata,
    # What is known of a stream beside its rows: how often rows came again, and what the device stated last.
    Column("device", String(40), primary_key=True),
    Column("epoch", BigInteger, primary_key=True),
    Column("stream", Integer, primary_key=True),
    Column("redelivered", BigInteger, nullable=False, server_default="0"),
    # All None until a Statement has come that names the stream.
    Column("stated_next", BigInteger),
    Column("stated_pending", BigInteger),
    Column("stated_lowest", BigInteger),
    Column("stated_at_ns", BigInteger),
)

lease = Table(
    "lease",
    metadata,
    # What only one collector may do at a time: who does it, and until when unless renewed, on the database's clock.
    Column("name", String(40), primary_key=True),
    Column("holder", LargeBinary(16), nullable=False),
    Column("until_ns", BigInteger, nullable=False),
)

user = Table(
    "user",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("role", String(24), nullable=False),
    Column("password_hash", String),  # None: this user has tokens or login codes only
    Column("active", Boolean, nullable=False),
    Column("added_at_ns", BigInteger, nullable=False),
)

credential = Table(
    "credential",
    metadata,
    # Bearer tokens, sessions and one-time login codes; only a SHA-256 of each is kept.
    Column("digest", LargeBinary(32), primary_key=True),
    Column("kind", String(16), nullable=False),  # token | session | code
    Column("user", ForeignKey("user.name"), nullable=False),
    Column("label", String, nullable=False),
    Column("created_at_ns", BigInteger, nullable=False),
    Column("expires_at_ns", BigInteger),
)

audit = Table(
    "audit",
    metadata,
    # Append-only: triggers refuse UPDATE and DELETE.
    Column("number", _Serial, primary_key=True),
    Column("at_ns", BigInteger, nullable=False),
    Column("who", String(64), nullable=False),
    Column("action", String(40), nullable=False),
    Column("subject", String, nullable=False),
    Column("detail", JSON, nullable=False),
    sqlite_autoincrement=True,
)

from collector.ingest.early import LASTS_NS, Early
from collector.ingest.received import Received


def birth(device: str = "lpr-1", payload: bytes = b"birth", agency: str = "pd", boot_ns: int = 0) -> Received:
    return Received(f"nightjar/v1/{agency}/{device}/up/presence", payload, None, False, 0, boot_ns, "ticket")


def test_the_latest_of_each_channel_waits_whatever_agency_the_topic_names() -> None:
    early = Early()
    for number in range(50):
        early.keep(birth(payload=bytes([number]), agency=f"agency{number}"))
    assert len(early) == 1
    (one,) = early.take({"lpr-1"}, 0)
    assert (one.payload, one.ticket) == (b"\x31", None)
    assert early.take({"lpr-1"}, 0) == []


def test_only_what_is_asked_for_is_given_up() -> None:
    early = Early()
    early.keep(birth("lpr-1"))
    early.keep(birth("lpr-2"))
    assert [one.topic for one in early.take({"lpr-2", "lpr-3"}, 0)] == ["nightjar/v1/pd/lpr-2/up/presence"]
    assert len(early) == 1


def test_the_oldest_makes_room_for_the_newest() -> None:
    early = Early(capacity_bytes=10)
    for device in ("lpr-1", "lpr-2", "lpr-3"):
        early.keep(birth(device, b"12345"))
    assert len(early) == 2
    assert early.take({"lpr-1"}, 0) == []
    early.keep(birth("lpr-4", b"12345678901"))
    assert len(early) == 0


def test_what_has_waited_too_long_is_dropped() -> None:
    early = Early()
    early.keep(birth("lpr-1", boot_ns=0))
    early.keep(birth("lpr-2", boot_ns=1))
    assert [one.topic for one in early.take({"lpr-1", "lpr-2"}, LASTS_NS + 1)] == ["nightjar/v1/pd/lpr-2/up/presence"]

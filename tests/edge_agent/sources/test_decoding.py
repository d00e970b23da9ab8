from dataclasses import dataclass, field

import av
import numpy as np
import pytest

from edge_agent.sources import decoding
from edge_agent.sources.decoding import WholePictures, hardware_decoder


@dataclass
class Picture:
    """As much of ``av.VideoFrame`` as is looked at."""

    key_frame: bool = False
    is_corrupt: bool = False


@dataclass
class Packet:
    frames: list[Picture] | None

    def decode(self) -> list[Picture]:
        if self.frames is None:
            raise av.error.InvalidDataError(1094995529, "no key frame yet")
        return self.frames


@dataclass
class Stream:
    lost: int = 0
    whole: WholePictures = field(init=False)

    def __post_init__(self) -> None:
        self.whole = WholePictures(self._count)

    def _count(self) -> None:
        self.lost += 1

    def given(self, *packets: list[Picture] | None) -> list[Picture]:
        return [picture for packet in packets for picture in self.whole.of(Packet(packet))]


KEY, NEXT, TORN = Picture(key_frame=True), Picture(), Picture(is_corrupt=True)
TORN_KEY = Picture(key_frame=True, is_corrupt=True)


def test_what_comes_before_the_first_key_frame_is_no_loss() -> None:
    stream = Stream()
    assert stream.given(None, None, [NEXT], [TORN], [KEY], [], [NEXT]) == [KEY, NEXT]
    assert stream.lost == 0


def test_a_real_decoder_refuses_what_is_no_packet_of_its_own() -> None:
    class Rubbish:
        def decode(self) -> list[av.VideoFrame]:
            return av.CodecContext.create("h264", "r").decode(av.Packet(bytes(50)))

    assert WholePictures(lambda: None).of(Rubbish()) == []


@pytest.mark.parametrize("damage", [None, [TORN]])
def test_after_damage_nothing_is_given_out_until_the_next_key_frame(damage: list[Picture] | None) -> None:
    stream = Stream()
    assert stream.given([KEY], [NEXT], damage, [NEXT], [NEXT], [KEY], [NEXT]) == [KEY, NEXT, KEY, NEXT]
    assert stream.lost == 3


def test_a_torn_key_frame_mends_nothing() -> None:
    stream = Stream()
    assert stream.given([KEY], [TORN], [TORN_KEY], [NEXT], [KEY]) == [KEY, KEY]
    assert stream.lost == 3


def test_a_stream_without_key_frames_is_taken_up_again_after_a_while() -> None:
    stream = Stream()
    given = stream.given([KEY], [TORN], *[[Picture()] for _ in range(300)])
    assert 1 < len(given) < 60
    assert stream.lost + len(given) == 302
    assert stream.whole.decoded == 302


@pytest.fixture(autouse=True)
def _asked_anew() -> None:
    hardware_decoder.cache_clear()


def test_software_is_not_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "hwdevices_available", lambda: pytest.fail("asked"))
    assert hardware_decoder("software") == ("software", "")


def test_what_is_wanted_by_name_and_not_there_is_said() -> None:
    kind, complaint = hardware_decoder("vdpau")
    assert kind == "software"
    assert complaint.startswith("vdpau: this build of FFmpeg has")


def test_auto_takes_what_there_is() -> None:
    kind, complaint = hardware_decoder("auto")
    assert complaint == ""
    assert kind == "software" or av.CodecContext.create("h264", "r", hwaccel=decoding.HWAccel(kind)).is_hwaccel


def test_a_kind_that_cannot_be_opened_falls_back(monkeypatch: pytest.MonkeyPatch) -> None:
    # "opencl" decodes nothing anywhere: FFmpeg knows the kind, and no decoder supports it.
    monkeypatch.setattr(decoding, "hwdevices_available", lambda: ["opencl"])
    assert hardware_decoder("auto") == ("software", "")
    assert hardware_decoder("opencl") == ("software", "opencl: there is none that can be opened on this machine")


def test_a_decoded_picture_is_what_it_always_was() -> None:
    gray = np.full((16, 16), 99, np.uint8)
    picture = av.VideoFrame.from_ndarray(gray, format="gray")
    stream = Stream()
    assert stream.given([picture]) == [picture]

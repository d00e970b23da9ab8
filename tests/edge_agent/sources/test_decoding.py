from dataclasses import dataclass

import av
import numpy as np

from edge_agent.sources.decoding import decoded


@dataclass
class FakePacket:
    frames: list[av.VideoFrame] | None

    def decode(self) -> list[av.VideoFrame]:
        if self.frames is None:
            raise av.error.InvalidDataError(1094995529, "no key frame yet")
        return self.frames


def test_frames_before_the_first_key_frame_cost_only_themselves() -> None:
    picture = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="bgr24")
    packets = [FakePacket(None), FakePacket(None), FakePacket([picture]), FakePacket([]), FakePacket([picture])]
    assert list(decoded(packets)) == [None, None, picture, picture]

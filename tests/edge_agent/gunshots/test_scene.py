import numpy as np

from edge_agent.gunshots.scene import Scene
from edge_agent.records import AudioBlock, CaptureTime

RATE_HZ = 8_000


def block(first: int, count: int, value: float = 0.5) -> AudioBlock:
    at_ns = first * 125_000
    return AudioBlock("street", np.full(count, value, np.float32), RATE_HZ, CaptureTime(at_ns, at_ns, 0), 0)


def test_samples_keep_their_numbers_while_old_ones_go() -> None:
    scene = Scene(block(0, 0))
    for number in range(600):  # a minute, in a room of four seconds
        scene.append(block(number * 800, 800, number / 1000))
        scene.forget(scene.end - 8_000)
        assert scene.end - scene.begin <= 8_000
    assert scene.end == 480_000
    assert scene.between(479_199, 479_201).tolist() == [np.float32(0.598), np.float32(0.599)]
    assert len(scene.between(0, 400_000)) == 0


def test_what_is_handed_out_does_not_change_afterwards() -> None:
    scene = Scene(block(0, 0))
    scene.append(block(0, 800))
    heard = scene.between(0, 800)
    scene.forget(800)
    assert heard.tolist() == [0.5] * 800


def test_what_is_forgotten_is_gone_from_memory() -> None:
    scene = Scene(block(0, 0))
    scene.append(block(0, 800))
    scene.forget(800)
    assert not any(room.any() for room in vars(scene).values() if isinstance(room, np.ndarray))


def test_a_block_longer_than_the_room_fits() -> None:
    scene = Scene(block(0, 0))
    scene.append(block(0, 100))
    scene.append(block(100, 100_000))
    assert len(scene.between(0, 200_000)) == 100_100


def test_times_between_samples_and_of_each_block() -> None:
    scene = Scene(block(0, 0))
    scene.append(block(0, 800))
    late = CaptureTime(200_000_000, 200_000_000, 7)
    scene.append(AudioBlock("street", np.zeros(800, np.float32), RATE_HZ, late, 0))
    assert scene.captured(0.5).utc_ns == 62_500
    assert scene.captured(808) == late.shifted(1_000_000)

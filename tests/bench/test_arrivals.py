import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture(scope="module")
def arrivals() -> ModuleType:
    spec = importlib.util.spec_from_file_location("arrivals", BENCH / "arrivals.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(BENCH))
    sys.modules["arrivals"] = module
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(BENCH))
    return module


def test_what_three_sensors_say_together_is_a_shot_of_first_arrivals(arrivals: ModuleType) -> None:
    heard = [
        arrivals.Fired(sensor, at_s, 0.001)
        for sensor, at_s in [("a", 1.0), ("b", 1.01), ("c", 1.03), ("c", 1.12), ("a", 2.0), ("b", 2.0), ("b", 3.0)]
    ]
    (shot,) = arrivals.shots_of(heard)
    assert [(fired.sensor, fired.at_s) for fired in shot] == [("a", 1.0), ("b", 1.01), ("c", 1.03)]
    assert arrivals.residuals_ms(shot).tolist() == pytest.approx([-10.0, 0.0, 20.0])


def test_the_way_of_the_sound_drops_out_between_rounds(arrivals: ModuleType) -> None:
    def shot(at_s: float) -> tuple[object, ...]:
        late_s = {"a": 0.0, "b": 0.02, "c": -0.01}
        return tuple(arrivals.Fired(sensor, at_s + late, 0.0005) for sensor, late in late_s.items())

    test = arrivals.Heard("test_1", "FP1", 2, 3, 7, (shot(1.0), shot(1.5)))
    figures = arrivals.summary([test])
    assert (figures["shots"], figures["arrivals"], figures["beyond_shots"]) == (2, 6, 1)
    assert (figures["median_ms"], figures["apart_median_ms"], figures["claimed_ms"]) == (10.0, 0.0, 0.5)


def test_a_recording_gets_the_model_that_never_heard_its_position(arrivals: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "folds.json").write_text('{"FP1": "zero.onnx", "FP3": "one.onnx"}')
    with pytest.raises(ValueError, match=r"zero\.onnx.*not there"):
        arrivals.read_folds(tmp_path)
    for name in ("zero.onnx", "one.onnx"):
        (tmp_path / name).touch()
    folds = arrivals.read_folds(tmp_path)
    assert arrivals.model_of(Path("live_fire/FP3/test_040/a.flac"), folds) == tmp_path / "one.onnx"
    with pytest.raises(ValueError, match="expected a folder of one of FP1, FP3"):
        arrivals.model_of(Path("elsewhere/a.flac"), folds)

import re
from importlib import resources

import numpy as np
import pytest

from collector.errors import ConfigurationError
from collector.match.parameters import packaged_parameters, parse

CONTENT = (resources.files("collector.match") / "parameters.toml").read_text(encoding="utf-8")


def test_what_is_shipped_is_sound() -> None:
    known = packaged_parameters()
    assert known is packaged_parameters()
    assert known.confusion.sum(axis=1) == pytest.approx(np.ones(36), abs=1e-3)
    assert (np.diag(known.confusion) == 0).all()
    assert (np.diag(known.bias) == 0).all()
    assert (known.extra < 0.05).all()
    assert known.calibrations[0].id.startswith("t1-8031afb5-")
    # The same bytes have the same id, other values another one.
    assert parse(CONTENT.encode(), "here").id == known.id
    assert parse(CONTENT.replace("floor = ", "floor = 1", 1).encode(), "here").id != known.id


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("sharpness = ", "sharp = "), "here: fitted.sharpness: got None, expected a number."),
        (("[bias]", "[biased]"), "here: bias: expected a row of 36 numbers"),
        (('id = "', 'name = "'), "here: calibrations[0].id: got None, expected text."),
        (("[fitted]", "[fitted"), "here: not TOML"),
    ],
)
def test_errors_name_the_place(change: tuple[str, str], said: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        parse(CONTENT.replace(*change, 1).encode(), "here")


def test_a_file_without_calibrations_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="calibrations: got None"):
        parse(CONTENT[CONTENT.index("[fitted]") :].encode(), "here")

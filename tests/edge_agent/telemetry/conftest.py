from collections.abc import Iterator

import pytest
from private_ups import PrivateUps, running_ups


@pytest.fixture
def private_ups() -> Iterator[PrivateUps]:
    """A UPS that says OL until it is told to say something else."""
    with running_ups() as ups:
        yield ups

"""What a hit must be to be let through, by list and camera. Pure; the configuration's group `matching` makes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

DEFAULT_THRESHOLD = 0.5
"""Chosen from the measured curve: docs/matching.md."""


@dataclass(frozen=True, slots=True)
class ListRule:
    """What holds for one list at one camera.

    Attributes:
        threshold: the probability that a hit must reach.
        exact_only: the likeliest reading has to be the entry itself.
        region_required: the entry has to name a state, and the picture has to show it rather than any other.
        on: whether the list alerts there at all.
    """

    threshold: float = DEFAULT_THRESHOLD
    exact_only: bool = False
    region_required: bool = False
    on: bool = True


@dataclass(frozen=True, slots=True)
class Setting:
    """One rule of the configuration: what it leaves open stays as it was.

    Attributes:
        list: the list that it is about; None for all.
        camera: "device/camera", or "device" for all of its cameras; None for all.
        threshold: as in ``ListRule``, as are the others; None leaves it.
        exact_only: None leaves it.
        region_required: None leaves it.
        on: None leaves it.
    """

    list: str | None = None
    camera: str | None = None
    threshold: float | None = None
    exact_only: bool | None = None
    region_required: bool | None = None
    on: bool | None = None

    def is_about(self, name: str, camera: str) -> bool:
        """Whether it holds for the list ``name`` at ``camera``."""
        there = self.camera in (None, camera, camera.partition("/")[0])
        return there and self.list in (None, name)


@dataclass(frozen=True, slots=True)
class Policy:
    """Which hits are let through.

    Attributes:
        default: where no setting says otherwise.
        settings: applied in order; the last that names a field decides it.
        categories_off: codes of categories that do not alert.
        expire_after_ns: by list: since it was last confirmed, from when on it no longer alerts.
    """

    default: ListRule = ListRule()
    settings: tuple[Setting, ...] = ()
    categories_off: frozenset[str] = frozenset()
    expire_after_ns: Mapping[str, int] = field(default_factory=dict)

    @property
    def lowest(self) -> float:
        """The lowest threshold of any list at any camera."""
        return min([self.default.threshold, *(one.threshold for one in self.settings if one.threshold is not None)])

    def of(self, name: str, camera: str) -> ListRule:
        """Return what holds for the list ``name`` at ``camera`` ("device/camera")."""
        threshold, exact_only = self.default.threshold, self.default.exact_only
        region_required, on = self.default.region_required, self.default.on
        for one in self.settings:
            if one.is_about(name, camera):
                threshold = threshold if one.threshold is None else one.threshold
                exact_only = exact_only if one.exact_only is None else one.exact_only
                region_required = region_required if one.region_required is None else one.region_required
                on = on if one.on is None else one.on
        return ListRule(threshold, exact_only, region_required, on)

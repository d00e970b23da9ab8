"""What hotlists say: an entry, the vehicle it describes, and the categories that entries fall into."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Category(StrEnum):
    """Why a plate is looked for, as far as software must tell it apart; settings go by these codes."""

    STOLEN_VEHICLE = "stolen-vehicle"
    STOLEN_PLATE = "stolen-plate"
    WANTED_PERSON = "wanted-person"
    MISSING_PERSON = "missing-person"
    VIOLENT_PERSON = "violent-person"
    GANG = "gang"
    PROTECTION_ORDER = "protection-order"
    SEX_OFFENDER = "sex-offender"
    SUPERVISED_RELEASE = "supervised-release"
    FELONY_VEHICLE = "felony-vehicle"
    TERROR_WATCH = "terror-watch"
    BE_ON_LOOKOUT = "be-on-lookout"
    CANARY = "canary"
    OTHER = "other"


PERSON_FILES = frozenset(
    {
        Category.WANTED_PERSON,
        Category.MISSING_PERSON,
        Category.VIOLENT_PERSON,
        Category.GANG,
        Category.PROTECTION_ORDER,
        Category.SEX_OFFENDER,
        Category.SUPERVISED_RELEASE,
        Category.TERROR_WATCH,
    }
)
"""Categories that are about a person rather than a vehicle or plate; they alert only where a setting says so."""


@dataclass(frozen=True, slots=True)
class Vehicle:
    """What a list says of the vehicle: shown beside the picture, never part of a match.

    Attributes:
        make: as the source writes it; empty where it says nothing, and so are the others.
        model: as the source writes it.
        colour: as the source writes it.
        year: of the model; None where nobody says.
        vin: vehicle identification number.
    """

    make: str = ""
    model: str = ""
    colour: str = ""
    year: int | None = None
    vin: str = ""


NO_VEHICLE = Vehicle()
"""A list that says nothing of the vehicle."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a hotlist. In the list's next version (plate, region, reference) make it the same one.

    Attributes:
        id: the collector's number.
        list: the hotlist's name.
        plate: normalised; a pattern as it is to be matched.
        region: ISO 3166 code; None for any.
        is_pattern: whether ``plate`` is a pattern (``7AB?1*``).
        plate_type: the source's own code (NCIC's LIT); empty where it says nothing.
        category: a code of ``Category``.
        reason: why it is listed.
        severity: the list's own word for how urgent it is.
        reference: the source's own number of the record, else the case number.
        case_number: of the agency that wants it.
        vehicle: what it is fixed to.
        notes: whatever else the list says.
        owner: the agency that the entry is of; empty where nobody says.
        effective_ns: UTC; not in force before; None for at once.
        expires_ns: UTC; not in force from then on; None for never.
        handling: what whoever meets it is to do or not to do.
        covert_to: names of the users who alone may see it; None for everybody.
        canary: whether it is there to prove that alerts arrive, and to be left out of statistics.
        added_by: who made it by hand; empty for those of a file, and so are the others.
        added_at_ns: UTC; 0 for those of a file.
        requester: who asked for it.
        review_due_ns: UTC, by when a supervisor is to look at it.
        reviewed_by: the supervisor who has.
        reviewed_at_ns: UTC, when.
    """

    id: int
    list: str
    plate: str
    region: str | None
    is_pattern: bool = False
    plate_type: str = ""
    category: str = Category.OTHER
    reason: str = ""
    severity: str = "normal"
    reference: str = ""
    case_number: str = ""
    vehicle: Vehicle = NO_VEHICLE
    notes: str = ""
    owner: str = ""
    effective_ns: int | None = None
    expires_ns: int | None = None
    handling: str = ""
    covert_to: tuple[str, ...] | None = None
    canary: bool = False
    added_by: str = ""
    added_at_ns: int = 0
    requester: str = ""
    review_due_ns: int | None = None
    reviewed_by: str | None = None
    reviewed_at_ns: int | None = None

"""What hotlists want of people."""

from typing import Annotated, Literal

from pydantic import Field

from collector.api.schema.base import Model, Time


class Attention(Model):
    """One thing that somebody has to look at. It never names the plate of a covert entry."""

    subject: Annotated[
        Literal[
            "review-due",
            "review-overdue",
            "expires-soon",
            "snapshot-waits",
            "delivery-missed",
            "feed-fails",
            "list-old",
        ],
        Field(description="what"),
    ]
    urgent: Annotated[bool, Field(description="whether somebody has to act on it now")]
    list: Annotated[str, Field(description="the hotlist concerned")]
    text: Annotated[str, Field(description="what is to be done, in a sentence")]
    since: Annotated[Time, Field(description="since when it is so")]
    due: Annotated[Time | None, Field(description="by when it is to be done; null where that is now")]
    entry: Annotated[int | None, Field(description="the number of the entry that it is about, if it is about one")]
    snapshot: Annotated[int | None, Field(description="the number of the delivery that was held back")]
    feed: Annotated[str | None, Field(description="the feed")]


class Attentions(Model):
    """What is urgent comes first."""

    attention: list[Attention]


class Rejection(Model):
    """Why an entry should not have been made."""

    reason: Annotated[str, Field(min_length=1, max_length=2_000, description="its alerts say so")]


class Reviewed(Model):
    """What became of an entry that was reviewed."""

    entry: Annotated[int, Field(description="its number")]
    stands: Annotated[bool, Field(description="false once it was rejected")]
    reviewed_by: Annotated[str, Field(description="who has: the first, if several have")]
    recalled: Annotated[list[int], Field(description="the open alerts that it had raised, which are recalled")]


class Decided(Model):
    """What becomes of a delivery that was held back."""

    snapshot: Annotated[int, Field(description="its number")]
    feed: str
    list: str
    state: Annotated[
        Literal["approved", "refused"], Field(description="an approved one is put in force within seconds")
    ]

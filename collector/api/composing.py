"""Feed rows as messages of the stream, with their objects as they are now, and who may see them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from collector.alerts.hand_off import with_handling
from collector.alerts.rules import Rules
from collector.alerts.sight import EVERYBODY, Sight, sight_of
from collector.api import present
from collector.store import queries
from collector.store.database import Store
from collector.store.feed import FeedKind, FeedRow


@dataclass(frozen=True, slots=True)
class Composed:
    """A message of the stream.

    Attributes:
        text: as it is sent.
        sight: who may see it, of those whose role is sent such messages.
    """

    text: str
    sight: Sight


def last_of_each(rows: Iterable[FeedRow]) -> list[FeedRow]:
    """Of several rows about one object the last, in the order of the numbers."""
    last = {(row.kind, row.ref): row for row in rows}
    return sorted(last.values(), key=lambda row: row.number)


async def compose(store: Store, rows: Sequence[FeedRow], rules: Rules) -> dict[int, Composed]:
    """Return each row's message by its number; an empty one if its object is gone (retention).

    Args:
        store: where the objects are.
        rows: of the feed.
        rules: who sees which alerts, and what is said with them.

    Raises:
        StoreError: the store cannot be reached.
    """
    refs: dict[FeedKind, list[str]] = {kind: [] for kind in FeedKind}
    for row in rows:
        refs[row.kind].append(row.ref)
    objects: dict[tuple[FeedKind, str], BaseModel] = {}
    sights: dict[str, Sight] = {}
    # One read transaction: all of them are of the same instant.
    async with store.read() as tx:
        for alert_id, alert in (await queries.alerts_by_id(tx, map(int, refs[FeedKind.ALERT]))).items():
            objects[FeedKind.ALERT, str(alert_id)] = present.alert(with_handling(alert, rules.handling_of))
            sights[str(alert_id)] = sight_of(alert, rules.visible_to)
        for read_id, read in (await queries.reads_by_id(tx, map(int, refs[FeedKind.READ]))).items():
            objects[FeedKind.READ, str(read_id)] = present.read(read)
        for passage_id, passage in (await queries.passages_by_id(tx, map(int, refs[FeedKind.PASSAGE]))).items():
            objects[FeedKind.PASSAGE, str(passage_id)] = present.passage(passage)
        for shot_id, shot in (await queries.shots_by_id(tx, map(int, refs[FeedKind.SHOT]))).items():
            objects[FeedKind.SHOT, str(shot_id)] = present.shot(shot)
        for incident_id, incident in (await queries.incidents_by_id(tx, map(int, refs[FeedKind.INCIDENT]))).items():
            objects[FeedKind.INCIDENT, str(incident_id)] = present.incident(incident)
        for device in await queries.devices(tx, refs[FeedKind.DEVICE]):
            objects[FeedKind.DEVICE, device.id] = present.device(device)
        for ref in refs[FeedKind.PICTURE]:
            picture = await queries.picture_arrival(tx, ref)
            if picture is not None:
                objects[FeedKind.PICTURE, ref] = present.picture(picture)
    return {
        row.number: Composed(
            _message(row, objects.get((row.kind, row.ref))),
            sights.get(row.ref, EVERYBODY) if row.kind is FeedKind.ALERT else EVERYBODY,
        )
        for row in rows
    }


def _message(row: FeedRow, shown: BaseModel | None) -> str:
    # JSON escapes line breaks, so one data line holds it.
    return "" if shown is None else f"id: {row.number}\nevent: {row.kind}\ndata: {shown.model_dump_json()}\n\n"

"""The loss ledger in the API's words."""

from collector.api import schema
from collector.api.times import rfc3339
from collector.ledger import records
from edge_wire.messages import Stream

_STREAMS: dict[int, str] = {int(stream): stream.name.lower() for stream in Stream}


def account(value: records.Account) -> schema.Account:
    """One line of the ledger."""
    facts, stated = value.facts, value.facts.stated
    return schema.Account.model_validate(
        {
            "device": facts.device,
            "epoch": str(facts.epoch),
            "stream": _STREAMS[facts.stream],
            "first": facts.first,
            "last": facts.last,
            "received": facts.stored + facts.dead_lettered,
            "stored": facts.stored,
            "dead_lettered": facts.dead_lettered,
            "redelivered": facts.redelivered,
            "gaps": facts.gaps,
            "loss_records": [
                schema.LossRecord(first=one.first, last=one.last, reason=one.reason) for one in facts.lost
            ],
            "lost": value.lost_by_reason,
            "uncommitted": facts.uncommitted or {},
            "in_flight": value.in_flight,
            "missing": value.missing,
            "missing_among": value.missing_among,
            "missing_at_least": value.missing_at_least,
            "unknown_at_most": value.unknown_at_most,
            "beyond_statement": value.beyond_statement,
            "stated": None
            if stated is None
            else schema.Stated(
                next=stated.next_sequence,
                pending=stated.pending,
                lowest_pending=stated.lowest_pending,
                at=rfc3339(stated.at_ns),
            ),
            "identity_conflicts": facts.conflicts,
            "cloned_or_restored": facts.cloned_or_restored,
            "word": value.word.value,
            "verdict": value.verdict,
        }
    )

from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import insert

from collector.errors import StoreError
from collector.fleet.devices import remove_device
from collector.store import intake, tables
from edge_wire.messages import Ack, LossRecord, Resend, Stream, Verdict
from edge_wire.topics import Channel

STORED, DEAD = Verdict.STORED, Verdict.DEAD_LETTERED


async def test_a_read_becomes_rows_and_is_confirmed_before_it_is_acked(bench: Any, make: Any) -> None:
    device = await make.device().enrol(bench.store)
    opening, read = device.open(), device.read()
    await bench.settle(opening, read)
    assert bench.link.order[0] == "confirm"
    assert bench.link.confirmed == [opening, read]
    assert bench.acked() == {(7, Stream.REPORT): {STORED: ((1, 1),)}, (7, Stream.DETECTION): {STORED: ((1, 1),)}}
    (row,) = await bench.rows(tables.read)
    assert (row.text, row.agency, row.device) == ("7ABC123", "springfield", "lpr-1")
    kept = {row.envelope for row in await bench.rows(tables.message)}
    assert kept == {opening.payload, read.payload}


async def test_invariant_3_what_is_acked_is_committed_in_the_store_named(bench: Any, make: Any) -> None:
    device = await make.device().enrol(bench.store)
    await bench.settle(device.open())
    await bench.settle(*(device.read(track=track) for track in range(1, 41)))
    acked = [
        sequence
        for verdicts in bench.acked().values()
        for ranges in verdicts.values()
        for first, last in ranges
        for sequence in range(first, last + 1)
    ]
    committed = [row.sequence for row in await bench.rows(tables.identity)]
    assert sorted(acked) == sorted(committed)
    assert len(committed) == 41


async def test_invariant_3_nothing_is_acked_or_confirmed_while_the_store_refuses_to_commit(
    bench: Any, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = await make.device().enrol(bench.store)
    await bench.settle(device.open())
    bench.acked()
    bench.link.confirmed.clear()
    commit, seen = bench.intake.commit, []

    async def failing_once(outcomes: Any) -> Any:
        if not seen:
            seen.append((list(bench.link.published), list(bench.link.confirmed)))
            raise StoreError("store: database is locked")
        return await commit(outcomes)

    monkeypatch.setattr(bench.intake, "commit", failing_once)
    await bench.settle(device.read())
    assert seen == [([], [])]
    assert bench.acked() == {(7, Stream.DETECTION): {STORED: ((1, 1),)}}
    assert bench.pipeline.counts["store_retries"] == 1


async def test_a_duplicate_is_acked_again_and_stored_once(bench: Any, make: Any) -> None:
    device = await make.device().enrol(bench.store)
    read = device.read()
    await bench.settle(device.open(), read)
    bench.acked()
    await bench.settle(read, read)
    assert bench.acked() == {(7, Stream.DETECTION): {STORED: ((1, 1),)}}
    assert len(await bench.rows(tables.read)) == 1
    assert len(await bench.rows(tables.message)) == 2
    assert await bench.rows(tables.dead_letter) == []


async def test_invariant_1_a_reused_identity_keeps_both_and_is_never_a_duplicate(bench: Any, make: Any) -> None:
    device = await make.device().enrol(bench.store)
    first = device.read("7ABC123")
    device.sequences[Stream.DETECTION] = 0
    second = device.read("9XYZ987", track=2)
    await bench.settle(device.open(), first)
    bench.acked()
    await bench.settle(second)
    assert bench.acked() == {(7, Stream.DETECTION): {DEAD: ((1, 1),)}}
    (letter,) = await bench.rows(tables.dead_letter)
    assert (letter.reason, letter.envelope) == ("identity_conflict", second.payload)
    assert first.payload in {row.envelope for row in await bench.rows(tables.message)}
    assert [row.text for row in await bench.rows(tables.read)] == ["7ABC123"]


async def test_invariant_1_holds_within_one_batch(bench: Any, make: Any) -> None:
    device = await make.device().enrol(bench.store)
    first = device.read("7ABC123")
    device.sequences[Stream.DETECTION] = 0
    second = device.read("9XYZ987", track=2)
    await bench.settle(device.open(), first, second)
    assert [row.text for row in await bench.rows(tables.read)] == ["7ABC123"]
    assert [row.envelope for row in await bench.rows(tables.dead_letter)] == [second.payload]


async def test_invariant_6_nothing_unverifiable_changes_the_store(bench: Any, make: Any) -> None:
    device = await make.device().enrol(bench.store)
    await bench.settle(device.open())
    bench.sent()
    forged = device.read(key=ec.generate_private_key(ec.SECP256R1()))
    await bench.settle(forged)
    await bench.settle(forged)
    (letter,) = await bench.rows(tables.dead_letter)
    assert (letter.digest, letter.times, letter.reason) == (forged.digest, 2, "unknown_key")
    assert await bench.rows(tables.read) == []
    assert len(await bench.rows(tables.identity)) == 1
    assert bench.refusals() == []


async def test_invariant_6_answers_name_the_connection_that_the_row_came_over(bench: Any, make: Any) -> None:
    device = await make.device(connection=3).enrol(bench.store)
    await bench.settle(device.open())
    (message,) = bench.sent()
    assert (message.header.epoch, message.header.connection) == (7, 3)


async def test_rows_before_their_open_ask_for_it_and_are_taken_after_it(bench: Any, make: Any) -> None:
    device = await make.device().enrol(bench.store)
    read = device.read()
    await bench.settle(read)
    assert [message.body for message in bench.sent()] == [Resend(7, Stream.REPORT, ((1, 1),))]
    await bench.settle(device.open())
    await bench.settle(read)
    assert len(await bench.rows(tables.read)) == 1


async def test_an_unknown_device_is_not_answered_lest_it_gives_its_rows_up(bench: Any, make: Any) -> None:
    await bench.settle(make.device().open())
    assert bench.sent() == []
    assert [row.reason for row in await bench.rows(tables.dead_letter)] == ["unknown_key"]


async def test_the_agency_is_the_device_s_assignment_not_the_topic_s(bench: Any, make: Any) -> None:
    device = await make.device(agency="shelbyville").enrol(bench.store)
    device.agency = "elsewhere"
    await bench.settle(device.open(), device.read())
    (row,) = await bench.rows(tables.read)
    assert row.agency == "shelbyville"


async def test_without_correlation_data_it_is_stored_and_counted(bench: Any, make: Any) -> None:
    device = await make.device().enrol(bench.store)
    await bench.settle(device.open(), device.read(correlated=False))
    assert (7, Stream.DETECTION) not in bench.acked()
    assert len(await bench.rows(tables.read)) == 1
    assert bench.pipeline.counts["unaddressed"] == 1


async def test_a_revoked_device_s_messages_are_set_aside(bench: Any, make: Any) -> None:
    device = await make.device().enrol(bench.store)
    await bench.settle(device.open())
    bench.acked()
    await remove_device(bench.store, device.id, who="cli:test", at_ns=1)
    await bench.settle(device.read(), device.publish(make.health()))
    assert bench.acked() == {(7, Stream.DETECTION): {DEAD: ((1, 1),)}}
    (letter,) = await bench.rows(tables.dead_letter)
    assert letter.reason == "revoked"
    assert await bench.rows(tables.read) == []
    assert await bench.rows(tables.feed) != []


async def test_a_dead_letter_is_acked_so_and_a_duplicate_of_it_too(bench: Any, make: Any) -> None:
    device = await make.device().enrol(bench.store)
    await bench.settle(device.open())
    bench.acked()
    misplaced = device.read(channel=Channel.REPORT)
    for _ in range(2):
        await bench.settle(misplaced)
        assert bench.acked() == {(7, Stream.DETECTION): {DEAD: ((1, 1),)}}
    assert [row.reason for row in await bench.rows(tables.dead_letter)] == ["wrong_channel"]


@pytest.mark.parametrize("poisoned", range(7))
async def test_a_poison_message_never_stops_the_stream(
    bench: Any, make: Any, monkeypatch: pytest.MonkeyPatch, poisoned: int
) -> None:
    device = await make.device().enrol(bench.store)
    await bench.settle(device.open())
    bench.acked()
    batch = [device.read(track=track) for track in range(1, 8)]
    poison = batch[poisoned]
    keep = intake.keep_messages

    async def refusing(tx: Any, rows: Any) -> list[int]:
        if any(row.envelope == poison.payload for row in rows):
            await tx.execute(insert(tables.match_pending).values(read_id=4711, historical=False))
        return await keep(tx, rows)

    monkeypatch.setattr(intake, "keep_messages", refusing)
    await bench.settle(*batch)
    assert len(await bench.rows(tables.read)) == 6
    (letter,) = await bench.rows(tables.dead_letter)
    assert (letter.reason, letter.envelope) == ("refused_by_store", poison.payload)
    assert len(await bench.rows(tables.identity)) == 8
    assert bench.link.confirmed[-7:] == batch


async def test_losses_are_kept_by_run(bench: Any, make: Any) -> None:
    device = await make.device().enrol(bench.store)
    lost = LossRecord(7, Stream.MEDIA, ((3, 5), (9, 9)), "evicted", uncommitted=2)
    await bench.settle(device.open(), device.publish(lost))
    rows = [
        (row.first_sequence, row.last_sequence, row.reason, row.uncommitted) for row in await bench.rows(tables.loss)
    ]
    assert rows == [(3, 5, "evicted", 2), (9, 9, "evicted", 0)]


async def test_a_shot_is_kept(bench: Any, make: Any) -> None:
    device = await make.device().enrol(bench.store)
    await bench.settle(device.open(), device.publish(make.shot()))
    (row,) = await bench.rows(tables.shot)
    assert (row.microphone, row.classes[0]) == ("mast", ["gunshot", row.classes[0][1]])
    assert [row.kind for row in await bench.rows(tables.feed)] == ["device", "device", "shot"]


async def test_cloned_epochs_are_flagged_and_nothing_is_dropped(bench: Any, make: Any) -> None:
    device = await make.device().enrol(bench.store)
    one = replace(device, epoch=8, previous=7, epoch_key=ec.generate_private_key(ec.SECP256R1()), sequences={})
    two = replace(device, epoch=9, previous=7, epoch_key=ec.generate_private_key(ec.SECP256R1()), sequences={})
    await bench.settle(device.open())
    await bench.settle(one.open(), one.read(track=1))
    await bench.settle(two.open(), two.read(track=1))
    flagged = {row.epoch: row.cloned_or_restored for row in await bench.rows(tables.epoch)}
    assert flagged == {7: False, 8: True, 9: True}
    assert len(await bench.rows(tables.read)) == 2


async def test_acks_of_many_rows_are_few_and_in_ranges(bench: Any, make: Any) -> None:
    device = await make.device().enrol(bench.store)
    await bench.settle(device.open())
    bench.sent()
    batch = [device.read(track=track) for track in range(1, 31)]
    del batch[9]
    await bench.settle(*reversed(batch))
    (message,) = bench.sent()
    assert message.body.ranges == ((1, 9), (11, 30))


async def test_a_key_that_the_store_does_not_keep_vouches_for_nothing(bench: Any, make: Any) -> None:
    device = await make.device().enrol(bench.store)
    other = replace(device, epoch_key=ec.generate_private_key(ec.SECP256R1()), sequences={})
    await bench.settle(device.open(), other.open(), other.read("9XYZ987"), device.read(track=2))
    assert [row.text for row in await bench.rows(tables.read)] == ["7ABC123"]
    assert bench.refusals() == []
    reasons = {row.reason for row in await bench.rows(tables.dead_letter)}
    assert reasons == {"identity_conflict", "unknown_key"}


async def test_unverifiable_bytes_are_kept_by_their_beginning_and_a_thousand_a_device(
    bench: Any, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "LETTERS_A_DEVICE", 3)
    device = await make.device().enrol(bench.store)
    poison = device.read(channel=Channel.REPORT)
    await bench.settle(device.open(), poison)
    forged = [device.envelope(bytes([number]) * 60_000) for number in range(7)]
    await bench.settle(*forged[:2])
    await bench.settle(*forged[2:])
    await bench.settle(*(device.envelope(b"x", topic_device="lpr-2") for _ in range(2)))
    letters = await bench.rows(tables.dead_letter)
    assert [row.envelope for row in letters if row.genuine] == [poison.payload]
    kept = [row for row in letters if row.device == "lpr-1" and not row.genuine]
    assert len(kept) == 3
    assert {row.digest for row in kept} <= {one.digest for one in forged[2:]}
    assert {len(row.envelope) for row in kept} == {512}
    assert [row.times for row in letters if row.device == "lpr-2"] == [2]


async def test_a_revoked_device_cannot_fill_the_dead_letters(
    bench: Any, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "QUARANTINED_A_DEVICE", 3)
    device = await make.device().enrol(bench.store)
    await bench.settle(device.open())
    await remove_device(bench.store, device.id, who="cli:test", at_ns=1)
    bench.sent()
    batch = [device.read(track=track) for track in range(1, 6)]
    for one in batch:
        await bench.settle(one)
    assert [row.envelope for row in await bench.rows(tables.dead_letter)] == [one.payload for one in batch[2:]]
    assert len([one for one in bench.sent() if isinstance(one.body, Ack)]) == 5


async def test_a_letter_that_turns_out_to_be_genuine_is_kept_whole(bench: Any, make: Any) -> None:
    device = await make.device().enrol(bench.store)
    misplaced = device.publish(make.media(bytes(1_000)), channel=Channel.REPORT)
    await bench.settle(misplaced)
    await bench.settle(device.open())
    await bench.settle(misplaced)
    (letter,) = await bench.rows(tables.dead_letter)
    assert (letter.reason, letter.times, letter.genuine) == ("wrong_channel", 2, True)
    assert letter.envelope == misplaced.payload

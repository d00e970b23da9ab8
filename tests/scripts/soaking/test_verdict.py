"""The judge must see what is wrong, or a soak that ends with zeroes says nothing."""

from __future__ import annotations

from dataclasses import replace

from soaking.captures import Capture
from soaking.verdict import Bound, Holdings, Loss, Missing, StoredDetection, judge

DEVICE, EPOCH = "trailer-1", 7


def a_capture(number: int, *, put: bool = True) -> Capture:
    identity = (EPOCH, 1, number) if put else None
    return Capture(f"t.{number}", 2, f"digest {number}", number, "", identity)


def stored(number: int) -> StoredDetection:
    return StoredDetection((DEVICE, EPOCH, 1, number), f"t.{number}", f"digest {number}")


def holding(*numbers: int) -> Holdings:
    return Holdings([stored(number) for number in numbers], (), (), frozenset(), 0, 0, 0, 0)


def test_all_that_was_captured_is_there() -> None:
    verdict = judge({DEVICE: [a_capture(1), a_capture(2)]}, holding(1, 2))
    assert (verdict.captured, verdict.stored, verdict.named, verdict.lost, verdict.duplicates) == (2, 2, 0, 0, 0)


def test_what_is_neither_stored_nor_named_is_lost_and_named_here() -> None:
    verdict = judge({DEVICE: [a_capture(1), a_capture(2)]}, holding(1))
    assert verdict.lost == 1
    assert verdict.lost_identities == ["trailer-1 7/1/2 t.2"]


def test_a_loss_record_names_and_a_bound_covers() -> None:
    holdings = replace(
        holding(1),
        losses=[Loss(DEVICE, EPOCH, 1, 2, 2, "evicted")],
        bounds=[Bound(DEVICE, EPOCH, 1, 10)],
    )
    verdict = judge({DEVICE: [a_capture(number) for number in (1, 2, 3)]}, holdings)
    assert (verdict.stored, verdict.named, verdict.named_by_bound, verdict.lost) == (1, 2, 1, 0)
    assert verdict.reasons == {"evicted": 1}
    assert verdict.unknown_bound == 8, "ten at most, of which one is stored and one is named"


def test_a_bound_of_another_epoch_or_too_low_covers_nothing() -> None:
    holdings = replace(holding(), bounds=[Bound(DEVICE, EPOCH + 1, 1, 10), Bound(DEVICE, EPOCH, 1, 2)])
    assert judge({DEVICE: [a_capture(3)]}, holdings).lost == 1


def test_other_content_under_an_identity_is_a_loss() -> None:
    holdings = replace(holding(), detections=[replace(stored(1), digest="another")])
    assert judge({DEVICE: [a_capture(1)]}, holdings).lost == 1


def test_one_detection_under_two_identities_is_a_duplicate() -> None:
    again = StoredDetection((DEVICE, EPOCH + 1, 1, 1), "t.1", "digest 1")
    holdings = replace(holding(1), detections=[stored(1), again])
    verdict = judge({DEVICE: [a_capture(1)]}, holdings)
    assert verdict.duplicates == 1
    assert verdict.duplicate_tokens == ["t.1"]


def test_two_alerts_of_one_read_are_a_duplicate() -> None:
    assert judge({DEVICE: [a_capture(1)]}, replace(holding(1), alerted_twice=1)).duplicates == 1


def test_one_that_was_killed_within_its_put_counts_if_it_is_there_and_is_not_lost_if_it_is_not() -> None:
    verdict = judge({DEVICE: [a_capture(1, put=False), a_capture(2, put=False)]}, holding(1))
    assert (verdict.captured, verdict.stored, verdict.uncommitted, verdict.lost) == (1, 1, 1, 0)


def test_a_stored_read_whose_crop_is_not_there_is_told() -> None:
    with_crop = [replace(a_capture(number), crop=f"crop {number}") for number in (1, 2)]
    verdict = judge({DEVICE: with_crop}, replace(holding(1, 2), crops=frozenset({"crop 1"})))
    assert (verdict.crops, verdict.crops_missing) == (2, 1)


def restored(taken: int, *missing: tuple[int, int], epoch: int = EPOCH) -> Holdings:
    """1 is stored; ``taken`` was stored until a restore, and the ledger calls ``missing`` missing."""
    return replace(
        holding(1),
        taken=frozenset({(DEVICE, EPOCH, 1, taken)}),
        missing=[Missing(DEVICE, epoch, 1, first, last) for first, last in missing],
    )


def test_what_a_restore_took_and_the_ledger_calls_missing_is_named() -> None:
    verdict = judge({DEVICE: [a_capture(1), a_capture(4)]}, restored(4, (2, 2), (4, 6)))
    assert (verdict.captured, verdict.stored, verdict.named, verdict.lost) == (2, 1, 1, 0)
    assert (verdict.named_missing_after_restore, verdict.named_by_bound, verdict.reasons) == (1, 0, {})


def test_what_a_restore_took_is_lost_if_the_ledger_does_not_name_that_very_sequence() -> None:
    captures = {DEVICE: [a_capture(1), a_capture(4)]}
    for holdings in (restored(4), restored(4, (2, 3), (5, 6)), restored(4, (4, 4), epoch=EPOCH + 1)):
        verdict = judge(captures, holdings)
        assert (verdict.named, verdict.named_missing_after_restore, verdict.lost) == (0, 0, 1)
        assert verdict.lost_identities == ["trailer-1 7/1/4 t.4"]


def test_what_no_restore_took_is_lost_although_the_ledger_calls_it_missing() -> None:
    verdict = judge({DEVICE: [a_capture(1), a_capture(5)]}, restored(4, (4, 6)))
    assert (verdict.named, verdict.lost) == (0, 1)


def test_what_a_restore_took_and_has_come_back_is_stored() -> None:
    verdict = judge({DEVICE: [a_capture(1)]}, restored(1, (1, 1)))
    assert (verdict.stored, verdict.named, verdict.lost) == (1, 0, 0)


def test_a_loss_record_comes_before_the_ledger() -> None:
    holdings = replace(restored(4, (4, 4)), losses=[Loss(DEVICE, EPOCH, 1, 4, 4, "evicted")])
    verdict = judge({DEVICE: [a_capture(4)]}, holdings)
    assert (verdict.named, verdict.named_missing_after_restore, verdict.reasons) == (1, 0, {"evicted": 1})

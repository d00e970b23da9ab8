import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import insert, select, update
from typer.testing import CliRunner

from collector.alerts.raising import Raising
from collector.commands.deadletter import app
from collector.ingest.downlink import Downlink
from collector.ingest.intake import Intake
from collector.ingest.media import MediaIntake
from collector.ingest.picture_folder import PictureFolder
from collector.ingest.pipeline import Pipeline
from collector.match.matcher import Matcher
from collector.store import tables
from collector.store.database import Store

COMMON = """
data_dir: {folder}
store_url: {url}
broker: {{host: localhost, ca: ca.pem, certificate: c.pem, key: k.pem}}
"""


class Deaf:
    def publish(self, topic: str, payload: bytes) -> None:
        pass

    def confirm(self, batch: Any) -> None:
        pass


@pytest.fixture
async def settle(store: Store, tmp_path: Path, clock: Any, make: Any) -> Any:
    clock.now_utc_ns = make.now_ns + 10_000_000
    matcher = Matcher()
    intake = Intake(
        store, MediaIntake(PictureFolder(tmp_path / "pictures")), lambda: Raising(matcher), clock.utc_ns, 120
    )
    link = Deaf()
    key = ec.generate_private_key(ec.SECP256R1())
    pipeline = Pipeline(store, intake, Downlink(link, key, store.store_id, clock.utc_ns), link, clock.utc_ns)

    async def settle(*batch: Any) -> None:
        await pipeline.settle(batch)

    yield settle
    pipeline.close()


@pytest.fixture
def run(store_url: str, tmp_path: Path) -> Callable[..., Any]:
    config = tmp_path / "collector.yaml"
    config.write_text(COMMON.format(folder=tmp_path / "data", url=store_url))

    async def run(*arguments: str) -> Any:
        return await asyncio.to_thread(CliRunner().invoke, app, [*arguments, "--config", str(config)])

    return run


async def revoke(store: Store, status: str = "revoked") -> None:
    async with store.write() as tx:
        await tx.execute(update(tables.device).values(status=status))


async def rows(store: Store, table: Any) -> list[Any]:
    async with store.read() as tx:
        return list(await tx.execute(select(table)))


async def test_what_a_revoked_device_sent_comes_in_once_it_is_enrolled_again(
    store: Store, settle: Any, run: Any, make: Any
) -> None:
    device = await make.device().enrol(store)
    await settle(device.open())
    await revoke(store)
    read = device.read()
    await settle(read, device.publish(make.shot()))
    listed = await run("list", "--device", "lpr-1", "--reason", "revoked", "--since", "2020-01-01T00:00:00Z", "--json")
    letters = [json.loads(line) for line in listed.stdout.splitlines()]
    assert [(one["reason"], one["genuine"]) for one in letters] == [("revoked", True)] * 2
    still = await run("retry", "--all")
    assert (still.exit_code, "device lpr-1 is revoked" in still.stderr) == (1, True)
    await revoke(store, "enrolled")
    done = await run("retry", "--reason", "revoked")
    assert (done.exit_code, done.stdout) == (0, "2 stored, 0 left as they were\n")
    assert await rows(store, tables.dead_letter) == []
    (stored,) = await rows(store, tables.read)
    assert stored.text == "7ABC123"
    assert {row.verdict for row in await rows(store, tables.identity)} == {1}
    assert [row.action for row in await rows(store, tables.audit)][-2:] == ["dead_letter.retry"] * 2
    await settle(read)
    assert len(await rows(store, tables.read)) == 1
    assert (await run("retry", str(letters[0]["id"]))).exit_code == 2


async def test_a_letter_whose_picture_cannot_be_written_now_is_kept(
    store: Store, settle: Any, run: Any, make: Any, tmp_path: Path
) -> None:
    """PROTOCOL: its device was told "dead_lettered" and has let go of it: this is the only copy."""
    device = await make.device().enrol(store)
    await settle(device.open())
    await revoke(store)
    await settle(device.publish(make.media(b"a picture")))
    await revoke(store, "enrolled")
    before = [await rows(store, table) for table in (tables.dead_letter, tables.identity, tables.audit)]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "pictures").write_bytes(b"no folder")
    done = await run("retry", "--all")
    assert (done.exit_code, "pictures" in done.stderr) == (1, True)
    assert [await rows(store, table) for table in (tables.dead_letter, tables.identity, tables.audit)] == before
    (tmp_path / "data" / "pictures").unlink()
    assert (await run("retry", "--all")).exit_code == 0
    assert await rows(store, tables.dead_letter) == []


async def test_what_is_still_of_no_use_stays_as_it_was(store: Store, settle: Any, run: Any, make: Any) -> None:
    device = await make.device().enrol(store)
    await settle(device.open(), device.read())
    device.sequences.clear()
    await settle(device.read("9XYZ987", track=2, sequence=1))
    forged = device.read(sequence=9)
    await settle(device.envelope(forged.payload[:-1] + bytes([forged.payload[-1] ^ 1])))
    before = await rows(store, tables.dead_letter)
    assert {one.reason for one in before} == {"identity_conflict", "bad_signature"}
    done = await run("retry", *(str(one.id) for one in before), "--json")
    assert done.exit_code == 1
    assert all(not json.loads(line)["stored"] for line in done.stdout.splitlines())
    assert await rows(store, tables.dead_letter) == before
    assert len(await rows(store, tables.read)) == 1


async def test_show_reads_what_can_be_read(store: Store, settle: Any, run: Any, make: Any) -> None:
    device = await make.device().enrol(store)
    await settle(device.open())
    await revoke(store)
    await settle(device.read(), device.envelope(b"\xd2no envelope"))
    found = {one.reason: one.id for one in await rows(store, tables.dead_letter)}
    genuine = found.pop("revoked")
    shown = json.loads((await run("show", str(genuine), "--json")).stdout)
    assert (shown["kind"], shown["body"]["text"], shown["header"]["sequence"]) == ("PlateRead", "7ABC123", 1)
    assert shown["verifies"] is True
    text = (await run("show", str(next(iter(found.values()))))).stdout
    assert "unreadable" in text
    assert (await run("show", "4711")).exit_code == 2


async def test_purge_spares_evidence_and_is_audited(store: Store, settle: Any, run: Any, make: Any) -> None:
    device = await make.device().enrol(store)
    await settle(device.open())
    await revoke(store)
    await settle(device.read(), device.envelope(b"\xd2no envelope"))
    evidence = next(one for one in await rows(store, tables.dead_letter) if one.reason == "revoked")
    assert (await run("purge")).exit_code == 2
    assert (await run("purge", "--older-than", "yesterday")).exit_code == 2
    named = await run("purge", str(evidence.id))
    assert (named.exit_code, "genuine" in named.stderr) == (2, True)
    async with store.write() as tx:
        await tx.execute(update(tables.dead_letter).values(last_at_ns=1))
    assert (await run("purge", "--older-than", "24h", "--device", "lpr-1")).stdout == "purged 1\n"
    assert [one.id for one in await rows(store, tables.dead_letter)] == [evidence.id]
    assert json.loads((await run("purge", str(evidence.id), "--genuine", "--json")).stdout) == {"purged": 1}
    assert [row.verdict for row in await rows(store, tables.identity)].count(2) == 1
    said = sorted(await rows(store, tables.audit), key=lambda row: row.number)
    assert [row.action for row in said][-2:] == ["dead_letter.purge"] * 2


async def test_a_list_says_when_there_is_more(store: Store, run: Any) -> None:
    async with store.write() as tx:
        await tx.execute(
            insert(tables.dead_letter),
            [
                {
                    "digest": bytes([number]) * 32,
                    "topic": "t",
                    "device": None,
                    "reason": "bad_topic",
                    "detail": "",
                    "envelope": b"",
                    "times": 1,
                    "first_at_ns": 1,
                    "last_at_ns": 1,
                    "genuine": False,
                }
                for number in range(3)
            ],
        )
    listed = await run("list", "--limit", "2")
    assert len(listed.stdout.splitlines()) == 2
    assert "2 of 3" in listed.stderr

"""The whole chain with its real programs: broker, collector, agents, browser."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from chain import AGENCY, Chain
from demo_media import Footage, write_hotlist
from support import eventually
from wire_samples import UP

from edge_agent.outbox import Outbox, OutboxSettings
from edge_agent.provisioning import device_key
from edge_agent.records import CaptureTime
from edge_agent.sending import Identity
from edge_agent.uplink import Uplink, UplinkSettings
from edge_wire.clock import SystemClock
from edge_wire.messages import PlateRead

DEVICE = "trailer-1"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "chain"


def ask(chain: Chain, token: str, path: str) -> Any:
    request = urllib.request.Request(f"{chain.url}{path}", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def a_read(track: int) -> PlateRead:
    _, body = UP["plate_read"]
    assert isinstance(body, PlateRead)
    return replace(body, track=track, revision=0, final=True)


def test_a_killed_collector_loses_nothing_and_stores_nothing_twice(folder: Path) -> None:
    """Invariants 1 to 4 of PROTOCOL over a collector that dies without a word while reads come in."""
    with Chain(folder, [DEVICE]) as chain:
        put = asyncio.run(put_while_killing(chain))
    with closing(sqlite3.connect(folder / "collector" / "collector.db")) as database:
        rows = database.execute("SELECT epoch, stream, sequence FROM message WHERE kind = 2").fetchall()
        tracks = database.execute("SELECT track FROM read").fetchall()
        dead = database.execute("SELECT count(*) FROM dead_letter").fetchone()
    assert sorted(rows) == sorted(tuple(identity) for identity in put)
    assert sorted(tracks) == [(track,) for track in range(1, 301)]
    assert dead == (0,)


def test_two_trailers_of_a_site_see_one_vehicle_also_when_the_collector_dies_in_between(folder: Path) -> None:
    devices = [DEVICE, "trailer-2"]
    with Chain(folder, devices) as chain:
        for device in devices:
            command = [str(Path(sys.executable).parent / "collector"), "device", "site", device, "5th-and-main"]
            subprocess.run([*command, "--config", str(chain.collector_config)], check=True, capture_output=True)
        token, _ = chain.operator("ada")
        captured_ns = SystemClock().utc_ns() - 5_000_000_000
        asyncio.run(put_reads(chain, DEVICE, [(1, captured_ns), (2, captured_ns - 60_000_000_000)]))
        chain.kill_collector()
        chain.start_collector()
        asyncio.run(put_reads(chain, "trailer-2", [(1, captured_ns + 3_000_000_000)]))
        eventually(lambda: bool(ask(chain, token, "/api/passages")["passages"]))
        [passage] = ask(chain, token, "/api/passages")["passages"]
        reads = ask(chain, token, "/api/reads")["reads"]
    assert passage["site"] == "5th-and-main"
    assert [(read["device"], read["track"]) for read in passage["reads"]] == [(DEVICE, 1), ("trailer-2", 1)]
    assert {(read["device"], read["track"]): read["passage"] for read in reads} == {
        (DEVICE, 1): passage["id"],
        (DEVICE, 2): None,
        ("trailer-2", 1): passage["id"],
    }


def uplink_of(chain: Chain, device: str, outbox: Outbox, clock: SystemClock) -> Uplink:
    """The uplink of a device of the chain."""
    files = chain.broker.client(device)
    settings = UplinkSettings(
        host=chain.broker.host,
        port=chain.broker.port,
        ca_path=chain.broker.authority,
        cert_path=files.certificate,
        key_path=files.key,
        device=device,
        agency=AGENCY,
        collector_key_paths=(chain.folder / "collector" / "collector-key.pub.pem",),
    )
    return Uplink(settings, outbox, clock)


async def put_reads(chain: Chain, device: str, reads: list[tuple[int, int]]) -> None:
    """Put reads, as (track, capture time), into a device's outbox and wait until all are acknowledged."""
    clock = SystemClock()
    key = device_key.load(chain.broker.client(device).key)
    async with await Outbox.open(OutboxSettings(chain.folder / f"outbox-{device}", device), key, clock) as outbox:
        uplink = uplink_of(chain, device, outbox, clock)
        sending = asyncio.create_task(uplink.run())
        for track, captured_ns in reads:
            boot_ns = clock.boot_ns() - clock.utc_ns() + captured_ns
            await outbox.put(a_read(track), CaptureTime(captured_ns, boot_ns, 1_000_000))
        await until_empty(outbox)
        uplink.stop()
        await sending


async def until_empty(outbox: Outbox) -> None:
    async with asyncio.timeout(60):
        while (await outbox.state()).pending:  # noqa: ASYNC110 - the outbox tells nobody that it is empty
            await asyncio.sleep(0.05)


async def put_while_killing(chain: Chain) -> set[Identity]:
    """Put 300 reads into an outbox, kill the collector after 100 and 200, and wait until all are acknowledged."""
    clock = SystemClock()
    key = device_key.load(chain.broker.client(DEVICE).key)
    put = set()
    async with await Outbox.open(OutboxSettings(chain.folder / "outbox", DEVICE), key, clock) as outbox:
        uplink = uplink_of(chain, DEVICE, outbox, clock)
        sending = asyncio.create_task(uplink.run())
        for track in range(1, 301):
            put.add(await outbox.put(a_read(track), CaptureTime(clock.utc_ns(), clock.boot_ns(), 1_000_000)))
            if track in (100, 200):
                await uplink.wait_until_working()
                await asyncio.to_thread(chain.kill_collector)
                await asyncio.to_thread(chain.start_collector)
        await until_empty(outbox)
        uplink.stop()
        await sending
    return put


@pytest.fixture
def watching(folder: Path, footage: Footage) -> Iterator[tuple[Chain, Path]]:
    """A chain whose one agent is about to watch rendered vehicles, the first one's plate on the hotlist."""
    with Chain(folder, [DEVICE]) as chain:
        write_hotlist(folder / "hotlist.csv", footage.listed)
        chain.import_hotlist(folder / "hotlist.csv", "demo")
        camera = {"id": "lane-1", "url": footage.video, "lane": 1, "direction": "N", "face": footage.face}
        yield chain, chain.agent_config(DEVICE, cameras=[camera])


def utc_s(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def test_a_plate_is_on_the_page_within_a_second_and_a_half_of_being_readable(watching: tuple[Chain, Path]) -> None:
    chain, config = watching
    browser_path = shutil.which("chromium")
    if browser_path is None:
        pytest.skip("no chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    token, code = chain.operator("ada")
    arguments = ["--disable-background-networking", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=arguments)
        page = browser.new_page()
        page.goto(f"{chain.url}/#login={code}")
        page.locator("#connection[data-state=live]").wait_for()
        chain.start_agent(DEVICE, config)
        page.locator("[data-read-id]").wait_for(timeout=60_000)
        seen_s = time.time()
        page.locator("[data-alert-id]").first.wait_for()
        alerted_s = time.time()
        page.locator("#alert-list .picture[data-state=shown] img").first.wait_for()
        pictured_s = time.time()
        assert page.locator("#alert-list .plate-read").first.inner_text().replace("\n", "") == "7ABC482"
        page.keyboard.press("a")
        page.locator("#alert-list > li[data-state=acknowledged]").wait_for()
        browser.close()
    read = ask(chain, token, "/api/reads")["reads"][-1]
    readable_s = first_readable_s(chain)
    figures = {
        name: round(at - readable_s, 3)
        for name, at in (("read", seen_s), ("alert", alerted_s), ("picture", pictured_s))
    }
    print("seconds from the first readable frame to the page:", figures)
    assert read["text"] == "7ABC482"
    assert figures["alert"] <= 1.5
    assert figures["picture"] <= 3.0
    [alert] = ask(chain, token, "/api/alerts?state=acknowledged")["alerts"]
    assert alert["acknowledged_by"] == "ada"
    eventually(lambda: bool(ask(chain, token, "/api/reads")["reads"][-1]["frame_here"]))


def test_a_hit_of_a_pair_brings_the_overview_of_the_same_moment(watching: tuple[Chain, Path]) -> None:
    chain, config = watching
    [lane] = yaml.safe_load(config.read_text(encoding="utf-8"))["cameras"]
    colour = {"id": "lane-1-colour", "url": lane["url"], "role": "overview", "pair": "lane-1"}
    token, _ = chain.operator("ada")
    chain.start_agent(DEVICE, chain.agent_config(DEVICE, cameras=[lane, colour]))

    def overview_here() -> bool:
        reads = ask(chain, token, "/api/reads")["reads"]
        return bool(reads and reads[-1]["overview"] and reads[-1]["overview"]["here"])

    eventually(overview_here, 60)
    reads = ask(chain, token, "/api/reads")["reads"]
    assert {read["camera"] for read in reads} == {"lane-1"}, "an overview camera of a pair is not read"
    assert reads[-1]["pair"] == "lane-1-colour", "only the other one's settings say so"
    overview = reads[-1]["overview"]
    assert overview["camera"] == "lane-1-colour"
    assert abs(overview["offset_ms"]) <= 1_000
    request = urllib.request.Request(
        f"{chain.url}/api/pictures/{overview['sha256']}", headers={"Authorization": f"Bearer {token}"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert hashlib.sha256(answer.read()).hexdigest() == overview["sha256"]


def first_readable_s(chain: Chain) -> float:
    """When the first revision's first readable frame was captured."""
    from edge_wire import codec, cose

    with closing(sqlite3.connect(chain.folder / "collector" / "collector.db")) as database:
        (envelope,) = database.execute("SELECT envelope FROM message WHERE kind = 2 ORDER BY id LIMIT 1").fetchone()
    message = codec.decode_up(cose.parse(envelope).payload)
    assert isinstance(message.body, PlateRead)
    return (message.header.captured_at_ns + message.body.first_readable_ns) / 1e9


def test_doctor_measures_the_way_to_the_collector_with_and_without_an_agent(watching: tuple[Chain, Path]) -> None:
    chain, config = watching

    def doctor() -> dict[str, Any]:
        command = [str(Path(sys.executable).parent / "edge-agent"), "doctor", "--config", str(config), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        checks = {check["name"]: check for check in map(json.loads, done.stdout.splitlines())}
        failed = [check for check in checks.values() if check["verdict"] == "fail"]
        assert not failed, done.stderr
        assert done.returncode == 0
        return checks

    checks = ["clock", "disk", "onnxruntime", "models", "provider", "camera lane-1", "broker", "ack", "outbox"]
    assert list(doctor()) == checks
    agent = chain.start_agent(DEVICE, config)
    status = chain.folder / DEVICE / "uplink.json"
    eventually(lambda: status.exists() and json.loads(status.read_text())["state"] == "working")
    assert "running agent" in doctor()["broker"]["measured"]
    chain.broker.stop()
    eventually(lambda: json.loads(status.read_text())["state"] == "disconnected")
    command = [str(Path(sys.executable).parent / "edge-agent"), "doctor", "--config", str(config), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    [broker] = [check for check in map(json.loads, done.stdout.splitlines()) if check["name"] == "broker"]
    assert broker["verdict"] == "fail"
    assert "is the broker running" in broker["fix"]
    assert agent.poll() is None


def demo(tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "demo_run.py"), "--once", "--json"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize("with_assets", [True, False])
def test_the_demo_brings_the_alerts_that_it_promises(
    tmp_path: Path, with_assets: bool, request: pytest.FixtureRequest
) -> None:
    """Without sample data, the models that came with the package read what the demo renders."""
    done = demo(tmp_path, NIGHTJAR_ASSETS=str(request.getfixturevalue("assets")) if with_assets else "")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    assert lines[-1]["ok"] is True
    assert lines[-1]["alerts"] >= 1
    assert lines[-1]["reads"] >= lines[-1]["alerts"]
    kinds = {line["kind"] for line in lines[:-1]}
    assert kinds >= {"read", "alert"}
    assert "shot" in kinds or not with_assets
    assert all(line["latency_ms"] > 0 for line in lines[:-1])


def test_the_demo_with_a_damaged_model_exits_3_and_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "plate_ocr.onnx").write_bytes(b"cut off while it was copied")
    done = demo(tmp_path, NIGHTJAR_ASSETS="", NIGHTJAR_MODELS_DIR=str(tmp_path))
    assert done.returncode == 3
    assert "plate_ocr.onnx: got SHA-256" in done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["ok"] is False

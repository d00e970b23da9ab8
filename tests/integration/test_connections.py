"""No process of ours opens a connection that its configuration does not name.

The programs run under strace, which sees what libraries do in C as well (FFmpeg, ONNX Runtime, SQLite). A telemetry
ping, a hub download, a name looked up in passing: all of them would be a line in its log.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from chain import Chain
from demo_media import Footage, write_hotlist
from support import eventually

from edge_agent.inference.manifest import packaged_folder
from models.plate_rendering import faces

DEVICE = "trailer-1"
# Where nothing listens: the agent tries for as long as it runs, and that is all it may try.
DEAD_CAMERA = ("127.0.0.1", 9)
_CALLS = "trace=connect,sendto,sendmsg,sendmmsg,getsockname"
_ADDRESS = re.compile(r'(?:sin_port|sin6_port)=htons\((\d+)\).*?(?:inet_addr\("|AF_INET6, ")([^"]+)"')
_OWN = re.compile(r"\bgetsockname(\(| resumed>)")  # where threads take turns, a call is on two lines


def traced(log: Path) -> list[str]:
    """What goes before a command line; with -D the tracer is not its parent, so signals reach the program itself.

    With --seccomp-bpf the program stops at the calls below alone, and not at each of all the others.
    """
    return ["strace", "-D", "-f", "--seccomp-bpf", "-qq", "-s", "64", "-e", _CALLS, "-o", str(log)]


def reached(log: Path) -> set[tuple[str, int]]:
    """Return the addresses (host, port) that a traced program connected or sent to.

    Left out are what stays within the machine by its nature (other families than IP) and within the program: paho wakes
    its own loop through a connection to itself.
    """
    lines = log.read_text(errors="replace").splitlines()
    own = {address for line in lines if _OWN.search(line) for address in _ADDRESS.findall(line)}
    asked = {address for line in lines if not _OWN.search(line) for address in _ADDRESS.findall(line)}
    return {(host, int(port)) for port, host in asked - own}


@pytest.fixture(autouse=True)
def tracer(tmp_path: Path) -> None:
    if shutil.which("strace") is None:
        pytest.skip("no strace: apt-get install strace")
    done = subprocess.run([*traced(tmp_path / "try"), "true"], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"strace may not trace here ({done.stderr.strip()[:100]}): allow ptrace")


def run(folder: Path, name: str, *command: str | Path) -> set[tuple[str, int]]:
    """Run one of our commands to its good end; return what it reached."""
    log = folder / f"{name}.strace"
    program = Path(sys.executable).parent / str(command[0])
    done = subprocess.run(
        [*traced(log), program, *command[1:]], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return reached(log)


def test_the_watch_would_notice(tmp_path: Path) -> None:
    connects = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('192.0.2.7', 4711))"
    asks = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'?', ('127.0.0.1', 4712))"
    assert run(tmp_path, "connects", "python", "-c", connects) == {("192.0.2.7", 4711)}
    assert run(tmp_path, "asks", "python", "-c", asks) == {("127.0.0.1", 4712)}


def test_the_programs_reach_their_broker_and_their_cameras_and_nothing_else(tmp_path: Path, footage: Footage) -> None:
    logs = {name: tmp_path / f"{name}.strace" for name in ("collector", DEVICE)}

    def under(name: str) -> Sequence[str]:
        return traced(logs[name])

    with Chain(tmp_path / "chain", [DEVICE], under=under) as chain:
        write_hotlist(tmp_path / "hotlist.csv", footage.listed)
        chain.import_hotlist(tmp_path / "hotlist.csv", "demo")
        cameras = [
            {"id": "lane-1", "url": footage.video},
            {"id": "dead", "url": f"rtsp://{DEAD_CAMERA[0]}:{DEAD_CAMERA[1]}/stream"},
        ]
        config = chain.agent_config(DEVICE, cameras=cameras, microphones=[{"id": "mast", "source": footage.audio}])
        chain.start_agent(DEVICE, config)
        token, _ = chain.operator("ada")
        eventually(lambda: alerted(chain, token), 60)
        chain.fail_if_any_died()
        broker = (chain.broker.host, chain.broker.port)
    assert reached(logs[DEVICE]) == {broker, DEAD_CAMERA}
    assert reached(logs["collector"]) == {broker}


def alerted(chain: Chain, token: str) -> bool:
    request = urllib.request.Request(f"{chain.url}/api/alerts", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return bool(json.load(answer)["alerts"])


def test_commands_without_a_broker_reach_nothing(tmp_path: Path, footage: Footage) -> None:
    photograph = tmp_path / "plate.png"
    cv2.imwrite(str(photograph), faces.draw(np.random.default_rng(1)).image)
    packaged = packaged_folder()
    assert run(tmp_path, "read", "edge-agent", "read", photograph) == set()
    assert run(tmp_path, "listen", "edge-agent", "listen", footage.audio) == set()
    assert run(tmp_path, "list", "edge-agent", "models", "list") == set()
    assert run(tmp_path, "verify", "edge-agent", "models", "verify") == set()
    assert run(tmp_path, "bench", "edge-agent", "models", "bench", "gunshot", "--seconds", "0.01") == set()
    pulled = run(
        tmp_path, "pull", "edge-agent", "models", "pull", "nightjar", "--from", packaged, "--to", tmp_path / "here"
    )
    assert pulled == set()

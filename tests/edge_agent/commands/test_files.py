"""One line a file on standard output, and on a terminal how far along it is on standard error."""

import io
import sys
from pathlib import Path

import pytest

from edge_agent.commands import files
from edge_agent.commands.files import Progress, print_each
from edge_agent.errors import SourceError

FILES = [(Path("a"), ""), (Path("b"), "holds none"), (Path("c"), "")]


class Terminal(io.StringIO):
    """Standard error as a person has it."""

    def isatty(self) -> bool:
        return True


def look(path: Path) -> str:
    if path.name == "c":
        raise SourceError("torn")
    return f"{path} seen"


def print_three() -> int:
    return print_each(FILES, look, lambda path, error: f"{path} {error}", "photographs")


def test_each_file_has_a_line_and_the_broken_ones_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    assert print_three() == 2
    assert capsys.readouterr().out.splitlines() == ["a seen", "b holds none", "c torn"]


def test_on_a_terminal_progress_follows_each_line_and_is_wiped_by_the_next(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(files, "_PROGRESS_AFTER_S", -1.0)
    print_three()
    wipe = "\r\x1b[K"
    assert terminal.getvalue() == f"1 of 3 photographs{wipe}2 of 3 photographs{wipe}"
    assert capsys.readouterr().out.splitlines() == ["a seen", "b holds none", "c torn"]


def test_a_short_run_and_a_pipe_have_no_progress(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    print_three()
    assert terminal.getvalue() == ""
    monkeypatch.undo()
    monkeypatch.setattr(files, "_PROGRESS_AFTER_S", -1.0)
    print_three()
    assert capsys.readouterr().err == ""


def test_a_long_file_shows_how_far_it_is_and_the_line_is_gone_with_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(files, "_PROGRESS_AFTER_S", -1.0)
    monkeypatch.setattr(files, "_PROGRESS_EVERY_S", 0.0)
    progress = Progress()

    def look_long(path: Path) -> str:
        for second in (1, 2):
            progress.show(f"{path}: {second} s heard")
        return f"{path} heard"

    print_each([(Path("a"), "")], look_long, lambda path, error: error, "recordings", progress)
    wipe = "\r\x1b[K"
    assert terminal.getvalue() == f"a: 1 s heard{wipe}a: 2 s heard{wipe}"
    assert capsys.readouterr().out == "a heard\n"


def test_progress_is_not_written_faster_than_the_eye_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(files, "_PROGRESS_AFTER_S", -1.0)
    monkeypatch.setattr(files, "_PROGRESS_EVERY_S", 1000.0)
    progress = Progress()
    for second in range(100):
        progress.show(f"{second} s heard")
    assert terminal.getvalue() == "0 s heard"

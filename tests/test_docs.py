"""The documentation is true: generated pages are current, links lead somewhere, commands that it names exist."""

import re
from pathlib import Path

import pytest
from generate_docs import generated
from typer.main import get_command

import collector.cli
import edge_agent.cli

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "models").rglob("*.md")])
COMMANDS = {"edge-agent": get_command(edge_agent.cli.app), "collector": get_command(collector.cli.app)}


@pytest.mark.parametrize("path", generated(), ids=lambda path: path.name)
def test_generated_pages_are_current(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == generated()[path], "run: python scripts/generate_docs.py"


@pytest.mark.parametrize("path", [path for path in generated() if path.suffix == ".md"], ids=lambda path: path.name)
def test_every_setting_is_one_whole_row(path: Path) -> None:
    _, *groups = generated()[path].split("\n## ")
    for group in groups:
        _, _, table = group.partition("\n| setting")
        rows = table.strip().splitlines()[2:]
        assert all(re.fullmatch(r"\|( (\\.|[^|\\])* \|){4}", row) for row in rows), rows


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_and_options_that_are_named_exist(page: Path) -> None:
    for program, rest in re.findall(r"[`\n ](edge-agent|collector) ([a-z][^\n`|]*)", page.read_text(encoding="utf-8")):
        words = rest.split()
        command = COMMANDS[program]
        while words and hasattr(command, "get_command") and words[0] in command.list_commands(None):
            command = command.get_command(None, words.pop(0))
        if command is COMMANDS[program]:
            continue  # prose such as "the collector of a small agency"
        known = {name for parameter in command.params for name in parameter.opts} | {"--help"}
        named = {word.split("=")[0].strip("[].,;:)") for word in words if word.startswith("--")}
        assert named <= known, f"{page.name}: {program} {rest}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_are_named_exist(page: Path) -> None:
    pattern = r"`((?:\.?/?)(?:docs|scripts|configs|bench|models|tests|edge_wire|edge_agent|collector)/[\w./-]+)"
    for named in re.findall(pattern, page.read_text(encoding="utf-8")):
        assert (ROOT / named.rstrip(".").removeprefix("./")).exists(), f"{page.name}: {named}"

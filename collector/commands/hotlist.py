"""``collector hotlist``: which plates are looked for."""

import typer

from collector.commands import hotlist_entries
from collector.commands.hotlist_import import import_
from collector.commands.hotlist_lists import diff, list_, rollback, show
from collector.commands.hotlist_search import export, search_

app = typer.Typer(
    name="hotlist",
    help="Which plates are looked for.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


for _name, _command, _example in (
    ("import", import_, "collector hotlist import stolen.csv --list stolen --rejected bad.csv"),
    ("list", list_, "collector hotlist list --json"),
    ("show", show, "collector hotlist show stolen"),
    ("diff", diff, "collector hotlist diff stolen 41 43"),
    ("rollback", rollback, "collector hotlist rollback stolen 41"),
    ("search", search_, "collector hotlist search '7AB?1*' --all"),
    ("export", export, "collector hotlist export stolen --output stolen.csv"),
):
    app.command(_name, epilog=f"Example: {_example}")(_command)
hotlist_entries.register(app)

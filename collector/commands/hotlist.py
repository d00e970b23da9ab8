"""``collector hotlist``: which plates are looked for."""

import typer

from collector.commands.hotlist_entries import add, edit, expire, withdraw
from collector.commands.hotlist_import import import_
from collector.commands.hotlist_lists import diff, list_, rollback, show
from collector.commands.hotlist_review import feeds_, review
from collector.commands.hotlist_search import export, search_
from collector.commands.hotlist_searches import searches

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
    ("add", add, "collector hotlist add 7ABC123 --state TX --reason stolen --case 26-118 --requester 'Sgt. Diaz'"),
    ("edit", edit, "collector hotlist edit 12 --hours 48"),
    ("withdraw", withdraw, "collector hotlist withdraw 12 --reason 'recovered by county'"),
    ("expire", expire, "collector hotlist expire"),
    ("review", review, "collector hotlist review 12 --approve; collector hotlist review --snapshot 3 --refuse"),
    ("feeds", feeds_, "collector hotlist feeds --pull state-stolen"),
    ("searches", searches, "collector hotlist searches --wait 4"),
):
    app.command(_name, epilog=f"Example: {_example}")(_command)

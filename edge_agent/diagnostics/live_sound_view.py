"""A terminal's picture of what a microphone hears: a level meter, what it sounds like, and each shot as it comes.

The picture is drawn anew with every block; shots are printed above it and scroll away like any text. Owned by the
thread that iterates the source; nothing is drawn in the background, so that nothing is left to stop after Ctrl-C.
"""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from edge_agent.diagnostics.live_sound import Meter, Second

_LOWEST_DBFS = -90.0
_WIDTH = 45  # two decibels a cell
_LOUD_DBFS = -3.0  # a shot that comes now will be cut off


class LiveSoundView:
    """Shows one source; a context, in which the terminal belongs to it.

    Args:
        console: the terminal.
        title: what is listened to, with which model.
    """

    def __init__(self, console: Console, title: str) -> None:
        self._title = title
        self._meter: Meter | None = None
        self._second: Second | None = None
        self._live = Live(console=console, auto_refresh=False)

    def __enter__(self) -> LiveSoundView:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def say(self, text: str, style: str = "") -> None:
        """Print a line above the picture, where it stays."""
        self._live.console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)

    def show(self, told: Meter | Second) -> None:
        """Draw what there is now; a ``Second`` is drawn with the ``Meter`` that follows it."""
        if isinstance(told, Second):
            self._second = told
            return
        self._meter = told
        self._live.update(drawn(self._title, told, self._second), refresh=True)


def drawn(title: str, meter: Meter, second: Second | None) -> Table:
    """Return the picture of one moment."""
    table = Table.grid(padding=(0, 1))
    table.title, table.title_justify = f"{title}  {meter.at_s:,.1f} s", "left"
    table.add_row("level", _bar(meter), f"{meter.level_dbfs:6.1f} dBFS, peak {meter.held_dbfs:.1f}")
    floor = "no sound yet" if meter.floor_dbfs is None else f"{meter.floor_dbfs:6.1f} dBFS, where it is quietest"
    table.add_row("floor", "", floor)
    if second is None:
        return table
    for number, (name, share) in enumerate(second.top.items()):
        table.add_row("sounds like" if number == 0 else "", _share(share), f"{share:6.1%} {name}")
    table.add_row("sound", Text(second.condition or "good", "bold red" if second.condition else "green"))
    table.add_row("cost", Text(f"{second.heard_ms:.1f} ms of computing a second", "dim"))
    table.add_row("", Text(f"and {second.shown_ms:.1f} ms for 'sounds like', for this view only", "dim"))
    return table


def _bar(meter: Meter) -> Text:
    """Level as a bar, the noise floor and the held peak as marks on it."""
    cells = ["█" if cell < _cell(meter.level_dbfs) else "·" for cell in range(_WIDTH)]
    if meter.floor_dbfs is not None:
        cells[min(_cell(meter.floor_dbfs), _WIDTH - 1)] = "╎"
    cells[min(_cell(meter.held_dbfs), _WIDTH - 1)] = "│"
    return Text("".join(cells), "red" if meter.held_dbfs > _LOUD_DBFS else "green")


def _share(share: float) -> Text:
    return Text("█" * round(share * _WIDTH), "cyan")


def _cell(dbfs: float) -> int:
    return max(0, min(_WIDTH, round((dbfs - _LOWEST_DBFS) / -_LOWEST_DBFS * _WIDTH)))

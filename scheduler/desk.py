"""The documents and the switches: what people want of the loop. Bad documents never replace good ones."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from config.configuration import Configuration as Documents
from config.load import load
from config.problem import Invalid
from placement.plan import Reason
from scheduler.board import Board
from scheduler.orders import Orders, Override, Return, in_time
from scheduler.ports import Configuration
from scheduler.state import Mode
from scheduler.turn import Turn

RETURN_TRIES_S = 15.0
"""An order to go back that no tick could obey by then is void: the world has changed."""
LOOK_EVERY_S = 0.25
"""How often the files are looked at for changes."""

Apply = Callable[[Documents], Configuration]
"""Makes the loop's configuration of new documents and lets the edges follow. Called between two ticks."""


class Unattended:
    """What a desk says at which nobody sits: the loop is on automatic, and is told nothing."""

    __slots__ = ()

    def mode(self) -> Mode:
        """Always automatic."""
        return Mode.AUTO

    def resumed(self) -> bool:
        """Nobody is there to say so: the loop has to find its own way."""
        return False

    def orders(self, wall_s: float) -> Orders:
        """Nobody orders anything."""
        del wall_s
        return Orders()


class Desk:
    """Reads the documents anew when they change; the newest valid ones are taken up before the next tick."""

    def __init__(self, paths: tuple[Path, ...], documents: Documents, apply: Apply, board: Board, mode: Mode) -> None:
        self.paths, self.apply, self.board = paths, apply, board
        self.documents, self.current = documents, apply(documents)
        self._pending: Documents | None = None
        self._mode, self._resumed = mode, False
        self._closing = asyncio.Event()
        self.overrides: tuple[Override, ...] = ()
        self._back: tuple[Return, float] | None = None
        self.drilling: Callable[[], bool] = lambda: False
        """Whether a drill moves traffic, and the optimizer has to wait."""

    def configuration(self) -> Configuration:
        """The newest that was valid."""
        if self._pending is not None:
            self.documents, self._pending = self._pending, None
            self.current = self.apply(self.documents)
        return self.current

    def renew(self) -> None:
        """Take up the same documents anew before the next tick: what is made of them has changed."""
        self._pending = self._pending or self.documents

    def mode(self) -> Mode:
        """What the loop may do on its own. An operator's word comes before a drill."""
        return Mode.DRILLING if self._mode is Mode.AUTO and self.drilling() else self._mode

    @property
    def wanted(self) -> Mode:
        """What people asked for, whatever a drill makes of it meanwhile."""
        return self._mode

    def set_mode(self, mode: Mode) -> None:
        """Flip the switch."""
        self._mode = mode

    def resume(self) -> None:
        """Let the loop leave SAFE mode and renew its emergency budget: a human has looked."""
        self._resumed = True

    def resumed(self) -> bool:
        """Whether somebody said so since the last question."""
        said, self._resumed = self._resumed, False
        return said

    def go_back(self, back: Return, wall_s: float) -> None:
        """Let the next tick that can go back to weights that were known good."""
        self._back = (back, wall_s + RETURN_TRIES_S)

    def orders(self, wall_s: float) -> Orders:
        """Overrides that are in force, and the way back until a tick took it."""
        back = self._back[0] if self._back is not None and wall_s < self._back[1] else None
        return Orders(in_time(self.overrides, wall_s), back)

    def obeyed(self, turn: Turn) -> None:
        """Look whether a turn took the way back."""
        if self._back is not None and turn.plan.reason is Reason.ROLLBACK and turn.plan.detail == str(self._back[0]):
            self._back = None

    def closing(self) -> bool:
        """Whether to end after this tick."""
        return self._closing.is_set()

    def close(self) -> None:
        """End after this tick."""
        self._closing.set()

    async def closed(self) -> None:
        """Return when it is time to end."""
        await self._closing.wait()

    async def follow(self, changed: Callable[[], None]) -> None:
        """Watch the files until cancelled; `changed` is called when there are new valid documents."""
        seen = await asyncio.to_thread(signature, self.paths)
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            now = await asyncio.to_thread(signature, self.paths)
            if now == seen:
                continue
            seen = now
            try:
                self._pending = await asyncio.to_thread(load, *self.paths)
            except Invalid as invalid:
                self.board.reload_error = str(invalid)
            else:
                self.board.reload_error = ""
                changed()


def signature(paths: tuple[Path, ...]) -> tuple[tuple[str, int, int], ...]:
    """(file, mtime in ns, size) of every document file; a file that is gone is left out."""
    found = []
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            try:
                stat = file.stat()
            except FileNotFoundError:
                continue
            if file.suffix in {".yaml", ".yml", ".json"}:
                found.append((str(file), stat.st_mtime_ns, stat.st_size))
    return tuple(found)

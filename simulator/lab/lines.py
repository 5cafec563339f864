"""A log of another process, read as it grows."""

import time
from pathlib import Path


class Lines:
    """A log as it grows. The offset between the clocks is taken once: a step of the wall clock would show as a jump."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0
        self.offset_s = time.monotonic() - time.time()
        """What the machine's monotonic clock is ahead of the wall clock."""

    def news(self) -> list[str]:
        """Whole lines since the last call."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as log:
            log.seek(self._position)
            text = log.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._position += len(whole)
        return whole.decode(errors="replace").splitlines()

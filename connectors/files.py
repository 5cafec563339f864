"""Files that another program reads: written whole or not at all, by one controller at a time."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from connectors.connector import Unavailable


def replace_file(path: Path, text: str, *, durable: bool = True) -> None:
    """Put a file in the place of another in one step: who reads sees the old one or the new one. OSError.

    What is not `durable` may be lost, though never in part or unnoticed, when the machine dies within seconds.
    """
    descriptor, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as output:
            output.write(text)
            output.flush()
            if durable:
                os.fsync(output.fileno())
        Path(beside).chmod(0o644)
        Path(beside).replace(path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise


def text_of(path: Path) -> str | None:
    """What a file holds; None where there is none. OSError where it cannot be read, ValueError where it is no text."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


@contextmanager
def alone(path: Path, what: str) -> Iterator[None]:
    """While the block lasts no other controller of this machine writes there. Unavailable where one does."""
    try:
        lock = path.open("a", encoding="utf-8")
    except OSError as error:
        raise Unavailable(f"{what}: {error}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unavailable(f"{what}: another controller is writing there now") from None
        yield

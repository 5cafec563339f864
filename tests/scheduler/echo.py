"""What a process of our own does in tests: light, so that it is there at once."""

import os
import threading


class Echo:
    """Says who it is, and all that it was told."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def __call__(self, verb: str, word: object = None) -> object:
        if verb == "raise":
            raise ValueError(str(word))
        if verb == "hang":
            threading.Event().wait()
        self.heard.append(word)
        return os.getpid(), os.getppid(), tuple(self.heard)

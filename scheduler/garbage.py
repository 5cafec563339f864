"""The collector of cyclic garbage, kept from walking over a whole fleet again and again.

A full collection visits every container of the process while nothing else runs: half a second with the documents and
tables of a thousand clusters, several times a turn at Python's own thresholds. What is there when the loop begins stays
until the end, so it is set aside once; reference counts still free of it what is let go.
"""

import gc

YOUNG, MIDDLE, OLD = 5_000, 5, 100
"""Allocations until a collection of the youngest, and how many of each until one of the next. Python's 700, 10 and 10
are for small programs; five thousand take a millisecond or two, and five times as many not much more than ten."""


def set_aside() -> None:
    """Never look again at what is alive now. Takes no time; call it when what stays has been made."""
    gc.set_threshold(YOUNG, MIDDLE, OLD)
    gc.freeze()

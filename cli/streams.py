"""Standard output is for answers."""

import os
import sys


def keep_stdout() -> None:
    """What libraries print past Python goes to standard error: HiGHS writes lines of its own now and then, whatever it
    is told, and they would stand in the JSON of whoever reads an answer.
    """
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    sys.stdout = os.fdopen(kept, "w", buffering=1, encoding=sys.stdout.encoding, errors=sys.stdout.errors)

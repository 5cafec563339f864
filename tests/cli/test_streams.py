"""Standard output is for answers."""

import subprocess
import sys

WRITES = """
import os, sys
from cli.streams import keep_stdout
print("before")
keep_stdout()
os.write(1, b"a library\\n")
print("an answer ä")
"""


def test_stdout_when_kept_has_what_python_prints_and_not_what_a_library_does() -> None:
    ended = subprocess.run([sys.executable, "-c", WRITES], capture_output=True, text=True, check=True)

    assert ended.stdout == "before\nan answer ä\n"
    assert ended.stderr == "a library\n"

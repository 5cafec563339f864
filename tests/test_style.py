"""What can be counted is counted: lengths, names, and a few words that must not occur."""

import ast
import re
import statistics
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = ("placement", "health", "connectors", "config", "scheduler", "simulator", "cli", "benchmarks")
FUNCTION_MAX_LINES = 70
FUNCTION_MEDIAN_LINES = 10
MODULE_MAX_LINES = 300
BANNED_MODULES = {
    "util",
    "utils",
    "helper",
    "helpers",
    "common",
    "manager",
    "base",
    "handler",
    "handlers",
    "misc",
}
TEST_NAME = re.compile(r"test(_[a-z0-9]+){3,}$")
BANNED_IN_TESTS = ("monkeypatch", "unittest.mock", "mock.patch")


def python_files(*folders: str) -> list[Path]:
    """Every module below some folders of the repository."""
    return sorted(
        path for folder in folders for path in (ROOT / folder).rglob("*.py") if "__pycache__" not in path.parts
    )


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """(name, lines) of every function in a module, nested ones too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


@pytest.mark.parametrize("path", python_files(*SOURCES), ids=lambda p: str(p.relative_to(ROOT)))
def test_module_when_measured_is_one_screenful_of_ideas(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= MODULE_MAX_LINES, f"{lines} lines: find the noun that wants out"
    assert path.stem not in BANNED_MODULES, "name the noun it is about"
    long = {name: n for name, n in functions(path) if n > FUNCTION_MAX_LINES and name != "tick"}
    assert not long, f"a function fits a screen of {FUNCTION_MAX_LINES} lines"


def test_tick_when_measured_is_one_readable_page() -> None:
    lengths = dict(functions(ROOT / "scheduler" / "loop.py"))
    assert lengths["tick"] <= 80, "the six verbs, a page with its comments"


def test_functions_of_the_whole_source_are_mostly_short() -> None:
    lengths = [n for path in python_files(*SOURCES) for _, n in functions(path)]
    assert statistics.median(lengths) <= FUNCTION_MEDIAN_LINES
    assert statistics.quantiles(lengths, n=10)[8] <= 40


def test_every_public_function_of_the_source_has_a_docstring() -> None:
    missing = []
    for path in python_files(*SOURCES):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in tree.body:
            public = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name[0] != "_"
            if public and not ast.get_docstring(node):
                missing.append(f"{path.relative_to(ROOT)}: {node.name}")
    assert not missing


def test_tests_are_named_after_what_when_then_and_patch_nothing() -> None:
    faults = []
    for path in python_files("tests"):
        if path == Path(__file__):
            continue
        text = path.read_text(encoding="utf-8")
        faults += [f"{path.name}: {word}" for word in BANNED_IN_TESTS if word in text]
        if any(
            isinstance(node, ast.Call) and ast.unparse(node.func) == "time.sleep" for node in ast.walk(ast.parse(text))
        ):
            faults.append(f"{path.name}: sleeps")
        for name, _ in functions(path):
            if name.startswith("test") and not TEST_NAME.match(name):
                faults.append(f"{path.name}: {name}")
    assert not faults


def test_repository_when_searched_names_no_machine_and_no_session() -> None:
    banned = re.compile(r"/work/|/root/|/home/[a-z]|files\.pythonhosted|pypi\.org/simple|\.\./shared")
    faults = []
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True)
    for name in listed.stdout.decode().splitlines():
        if name == "tests/test_style.py" or not (ROOT / name).is_file():
            continue
        for number, line in enumerate((ROOT / name).read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if banned.search(line):
                faults.append(f"{name}:{number}: {line.strip()[:80]}")
    assert not faults

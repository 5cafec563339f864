"""Which files a configuration is made of."""

from collections.abc import Iterable
from pathlib import Path

from config.problem import Problem
from config.source import FILE_MAX_BYTES

SUFFIXES = (".yaml", ".yml", ".json")
FILES_MAX = 10_000


def files_of(paths: Iterable[Path]) -> tuple[list[Path], list[Problem]]:
    """The files themselves and those in folders, at any depth, sorted; names that begin with a dot are left out.

    (A mounted Kubernetes ConfigMap holds each file twice, once below a hidden folder.)
    """
    files: list[Path] = []
    problems: list[Problem] = []
    for path in paths:
        if path.is_dir():
            inside = [file for file in path.rglob("*") if file.suffix in SUFFIXES and _visible(file, path)]
            files.extend(sorted(file for file in inside if file.is_file()))
            if not inside:
                problems.append(_whole(path, f"no {', '.join(SUFFIXES)} file in this folder"))
        elif path.is_file():
            files.append(path)
        else:
            problems.append(_whole(path, "no such file or folder"))
    if len(files) > FILES_MAX:
        problems.append(_whole(files[FILES_MAX], f"more than {FILES_MAX} files; merge some into multi-document files"))
    return files[:FILES_MAX], problems


def bytes_of(file: Path) -> bytes | Problem:
    """What a file holds, or why it is not read."""
    try:
        with file.open("rb") as stream:
            data = stream.read(FILE_MAX_BYTES + 1)
    except OSError as error:
        return _whole(file, f"cannot be read: {error.strerror or error}")
    if len(data) > FILE_MAX_BYTES:
        return _whole(file, f"larger than {FILE_MAX_BYTES} bytes; use several files in a folder")
    return data


def _visible(file: Path, folder: Path) -> bool:
    return not any(part.startswith(".") for part in file.relative_to(folder).parts)


def _whole(file: Path, reason: str) -> Problem:
    return Problem(file.as_posix(), 0, 0, "", reason)

"""`equipoise token`: what is drawn is known by what is written into the documents, and by nothing else."""

import hashlib
import stat
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from cli.main import app
from config.access import Access
from scheduler.access.role import Principal, Role
from scheduler.access.tokens import whose


def run(*arguments: str, words: str = "", **environment: str) -> Result:
    return CliRunner().invoke(app, ["token", *arguments], input=words, env=environment)


def entry_of(result: Result) -> dict[str, Any]:
    """What it says is to be written into the policy."""
    found = yaml.safe_load(result.stderr)
    assert len(found) == 1
    entry: dict[str, Any] = found[0]
    return entry


def test_create_draws_a_token_that_its_own_entry_knows_and_that_expires() -> None:
    result = run("create", "ada", "--role", "operator", "--expires", "2030-01-31")

    token, entry = result.stdout.strip(), entry_of(result)
    access = Access.model_validate({"tokens": [entry]})
    assert result.exit_code == 0
    assert token.startswith("eqp_")
    assert len(token) >= 43, "256 random bits"
    assert token not in result.stderr
    assert whose(token, access.tokens, date(2030, 1, 30)) == Principal("ada", Role.OPERATOR, "token")
    assert whose(token, access.tokens, date(2030, 1, 31)) is None
    assert whose(token[:-1], access.tokens, date(2030, 1, 30)) is None


def test_create_draws_another_each_time() -> None:
    assert len({run("create", "ada").stdout for _ in range(3)}) == 3


def test_create_into_a_file_is_for_its_owner_alone_and_never_overwrites(tmp_path: Path) -> None:
    file = tmp_path / "token"
    first = run("create", "ada", "--out", str(file))
    kept = file.read_text(encoding="utf-8")
    second = run("create", "ada", "--out", str(file))

    assert (first.exit_code, first.stdout) == (0, "")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert entry_of(first)["sha256"] == hashlib.sha256(kept.strip().encode()).hexdigest()
    assert second.exit_code == 1
    assert "exists" in second.stderr
    assert file.read_text(encoding="utf-8") == kept


@pytest.mark.parametrize(("arguments", "words"), [
    (["Ada Lovelace"], "name"), (["ada", "--expires", "soon"], "expires"), (["ada", "--role", "owner"], "owner"),
])  # fmt: skip
def test_create_of_what_no_document_could_say_is_refused_and_draws_nothing(arguments: list[str], words: str) -> None:
    result = run("create", *arguments)

    assert result.exit_code != 0
    assert words in result.stderr
    assert "eqp_" not in result.stdout + result.stderr


def test_hash_of_a_token_on_stdin_is_what_documents_keep() -> None:
    token = run("create", "ada").stdout

    assert run("hash", words=token).stdout.strip() == hashlib.sha256(token.strip().encode()).hexdigest()
    assert run("hash", words="short\n").exit_code == 1

import hashlib
from pathlib import Path

from typer.testing import CliRunner

from cli.main import app
from cli.vantage import TOKEN_VARIABLE

TOKEN = "a-token-of-sixteen-or-more"  # noqa: S105  of this test alone


def run(*arguments: str, token: str = TOKEN) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["vantage", *arguments], env={TOKEN_VARIABLE: token})
    return result.exit_code, result.output


def test_vantage_prints_the_hash_of_a_token_from_a_file_and_never_the_token(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n", encoding="utf-8")

    code, printed = run("--hash", "--token-file", str(file), token="")

    assert code == 0
    assert printed.strip() == hashlib.sha256(TOKEN.encode()).hexdigest()


def test_vantage_over_plain_http_to_another_machine_is_refused() -> None:
    code, printed = run("--join", "http://equipoise.example:9602")

    assert code == 1
    assert "must be an https URL" in printed


def test_vantage_without_a_token_says_where_it_looks() -> None:
    code, printed = run("--join", "https://equipoise.example:9602", token="short")  # noqa: S106

    assert code == 1
    assert TOKEN_VARIABLE in printed
    assert "short" not in printed

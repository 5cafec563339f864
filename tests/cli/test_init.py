from pathlib import Path

from typer.testing import CliRunner

from cli.main import app

ANSWERS = "eu\naws\neu-central-1\nm6i.xlarge\n3\n4\n16\ny\nus\naws\nus-east-1\nm6i.xlarge\n3\n4\n16\nn\n"


def test_init_by_asking_writes_documents_that_validate_and_are_proved(tmp_path: Path) -> None:
    run, folder = CliRunner(), str(tmp_path / "fleet")

    made = run.invoke(app, ["init", folder], input=ANSWERS)

    assert made.exit_code == 0, made.output
    assert "2 clusters" in made.output
    assert run.invoke(app, ["validate", folder]).exit_code == 0
    assert run.invoke(app, ["readiness", folder, "-o", "json"]).exit_code == 0


def test_init_where_documents_are_already_writes_nothing(tmp_path: Path) -> None:
    run = CliRunner()
    (tmp_path / "policy.yaml").write_text("mine")

    again = run.invoke(app, ["init", str(tmp_path)], input=ANSWERS)

    assert again.exit_code == 1
    assert "policy.yaml already" in again.output
    assert [file.name for file in tmp_path.iterdir()] == ["policy.yaml"]


def test_completion_prints_a_script_for_each_shell_and_names_them_for_another() -> None:
    run = CliRunner()

    for shell in ("bash", "zsh", "fish"):
        assert "_EQUIPOISE_COMPLETE" in run.invoke(app, ["completion", shell]).output
    assert "bash, zsh, fish" in run.invoke(app, ["completion", "csh"]).output

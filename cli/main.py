"""The one command, `equipoise`. Verbs import what they need when they run, so that --help is quick."""

import typer

from cli import deployment, drill, imports, prices, token
from cli.atlas import atlas, sweep
from cli.compare import compare
from cli.connectors import connectors
from cli.doctor import calls, doctor
from cli.documents import bootstrap, schema, validate
from cli.forecast import forecast
from cli.fuzz import fuzz
from cli.init import completion, init
from cli.loop import explain, freeze, place, plan, serve, unfreeze
from cli.meshes import meshes
from cli.play import play
from cli.rbac import rbac
from cli.readiness import readiness, resume
from cli.report import report
from cli.simulate import simulate
from cli.vantage import vantage

app = typer.Typer(
    name="equipoise",
    help="The controller of mesh controllers: weights traffic across clusters, clouds and meshes.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
VERBS = (
    serve,
    plan,
    explain,
    place,
    freeze,
    unfreeze,
    validate,
    schema,
    bootstrap,
    connectors,
    rbac,
    meshes,
    simulate,
    play,
    compare,
    sweep,
    atlas,
    fuzz,
    readiness,
    resume,
    report,
    doctor,
    calls,
    init,
    completion,
    forecast,
)
for verb in VERBS:
    app.command()(verb)

app.add_typer(drill.app)
app.add_typer(imports.app)
app.add_typer(prices.app)
app.add_typer(deployment.app)
app.add_typer(token.app)
app.command()(vantage)


@app.command()
def version() -> None:
    """Print the version."""
    from importlib.metadata import version as installed  # noqa: PLC0415  as above

    typer.echo(f"equipoise {installed('equipoise')}")


def main() -> None:
    """Entry of the `equipoise` script."""
    app()

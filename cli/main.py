"""The one command, `equipoise`. Verbs import what they need when they run, so that --help is quick."""

from collections.abc import Callable

import typer

from cli import deployment, drill, imports, prices, token
from cli.atlas import atlas, sweep
from cli.compare import compare
from cli.connectors import connectors
from cli.doctor import calls, doctor
from cli.documents import bootstrap, schema, validate
from cli.floors import floors
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
from cli.streams import keep_stdout
from cli.vantage import vantage

app = typer.Typer(
    name="equipoise",
    help="The controller of mesh controllers: weights traffic across clusters, clouds and meshes.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
PANELS: dict[str, tuple[Callable[..., None], ...]] = {
    "Run the controller": (serve, init, validate, schema, bootstrap, rbac, vantage),
    "Ask it": (plan, explain, place, meshes, doctor, calls, connectors),
    "Steer it": (freeze, unfreeze, resume, floors),
    "Prove failover": (readiness,),
    "What if": (simulate, play, compare, sweep, atlas, fuzz),
    "What it costs": (report, forecast),
    "Other": (completion,),
}
"""Each verb under the heading where `--help` shows it."""
for panel, verbs in PANELS.items():
    for verb in verbs:
        app.command(rich_help_panel=panel)(verb)

app.add_typer(drill.app, rich_help_panel="Prove failover")
app.add_typer(deployment.app, rich_help_panel="Prove failover")
app.add_typer(prices.app, rich_help_panel="What it costs")
app.add_typer(imports.app, rich_help_panel="Run the controller")
app.add_typer(token.app, rich_help_panel="Run the controller")


@app.command(rich_help_panel="Other")
def version() -> None:
    """Print the version."""
    from importlib.metadata import version as installed  # noqa: PLC0415  as above

    typer.echo(f"equipoise {installed('equipoise')}")


def main() -> None:
    """Entry of the `equipoise` script."""
    keep_stdout()
    app()

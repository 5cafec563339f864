"""`equipoise prices`: price lists of others as PriceBook documents."""

# ruff: noqa: PLC0415  as in cli.loop

import sys
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(name="prices", help="Price lists as PriceBook documents.", no_args_is_help=True)
TIMEOUT_S = 10.0


class List(StrEnum):
    """The format of a list."""

    SKYPILOT = "skypilot"
    SHEET = "sheet"
    OPENCOST = "opencost"
    FOCUS = "focus"


@app.command("import")
def import_list(
    kind: Annotated[List, typer.Argument(help="skypilot | sheet | opencost | focus")],
    source: Annotated[str, typer.Argument(help="A file; for opencost also the URL of its API.")],
    as_of: Annotated[str, typer.Option("--as-of", help="The day of the prices, YYYY-MM-DD.")],
    provider: Annotated[str, typer.Option("--provider", help="Whose prices, where the list does not say.")] = "",
    rate: Annotated[
        list[str] | None, typer.Option("--rate", help="Dollars for one unit of a currency: EUR=1.08; repeat.")
    ] = None,
) -> None:
    """Print a PriceBook of a published list: a SkyPilot catalogue (vms.csv), a sheet (provider, region, instance_type,
    usd_per_hour), OpenCost's /assets, or a FOCUS export.
    """
    from config.pricelists import BadList, read_list

    try:
        day = date.fromisoformat(as_of)
        found = read_list(kind, _text(kind, source), day, provider, _rates(rate or []))
    except (BadList, OSError, ValueError) as error:
        typer.echo(f"{source}: {error}", err=True)
        raise typer.Exit(1) from None
    _print(found.book)
    typer.echo(f"{len(found.book.spec.node_types)} prices; {found.skipped} rows without a price of a node", err=True)


@app.command("default")
def default_prices() -> None:
    """Print the default price book: cited, dated public list prices, to be edited."""
    from importlib.resources import files

    from config.fallback import DEFAULT_BOOK

    sys.stdout.write(files("config").joinpath(DEFAULT_BOOK).read_text(encoding="utf-8"))


def _text(kind: List, source: str) -> str:
    if kind is List.OPENCOST and source.startswith(("http://", "https://")):
        import httpx

        try:
            url = f"{source.rstrip('/')}/assets"
            answer = httpx.get(url, params={"window": "1d"}, timeout=TIMEOUT_S, trust_env=False)
            answer.raise_for_status()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ValueError(f"OpenCost does not answer: {error}") from None
        return answer.text
    return Path(source).read_text(encoding="utf-8-sig")


def _rates(texts: list[str]) -> dict[str, float]:
    found = {}
    for text in texts:
        name, _, value = text.partition("=")
        if len(name) != 3 or not name.isupper() or not value.replace(".", "", 1).isdigit() or float(value) <= 0:
            raise ValueError(f"no rate {text!r}; give a currency and its dollars, such as EUR=1.08")
        found[name] = float(value)
    return found


def _print(document: Any) -> None:
    from ruamel.yaml import YAML

    YAML(typ="safe", pure=True).dump(document.model_dump(mode="json", by_alias=True, exclude_defaults=True), sys.stdout)

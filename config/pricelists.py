"""Price lists as others publish them, read into a PriceBook: SkyPilot catalogues, sheets, OpenCost, FOCUS exports.

Every row that is used has to have a price of 0 or more in one currency; anything else is an error with its line, and no
book is made. What a list leaves open (an empty price, a kind of charge that is no node) is skipped and counted.
"""

import csv
import io
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from config.pricebook import PriceBook

INTERRUPTION_RATIO = 0.05
"""Where a list has spot prices and no rate of interruptions: the lowest band of the AWS Spot Instance Advisor."""
UNKNOWN_USD = 700.0
"""What SkyPilot's catalogue of Google Cloud writes for a price that it does not know."""
HOURS = {"hour", "hours", "hrs", "1 hour", "h"}


class BadList(ValueError):  # noqa: N818  said of a list
    """The list cannot be used; says the line and why."""


@dataclass(frozen=True, slots=True)
class Row:
    """One price."""

    line: int
    provider: str
    region: str
    node_type: str
    amount: float
    spot: float | None = None
    currency: str = "USD"


@dataclass(slots=True)
class Imported:
    """A book, and what was left out."""

    book: PriceBook
    skipped: int
    rates: Mapping[str, float] = field(default_factory=dict)


def read_list(
    kind: str, text: str, as_of: date, provider: str = "", rates: Mapping[str, float] | None = None
) -> Imported:
    """A list in one of READERS' formats. `rates`: dollars for one unit of another currency. Raises BadList."""
    found, skipped = [], 0
    for row in READERS[kind](text, provider):
        if row is None:
            skipped += 1
        else:
            found.append(_in_usd(row, rates or {}))
    if not found:
        raise BadList(f"no price of a node among {skipped} rows; is this a list of the format {kind!r}?")
    _one_currency(found, rates or {})
    lowest = _merged(found)
    rows = []
    for (who, region, node_type), row in sorted(lowest.items()):
        body: dict[str, Any] = {"provider": who, "region": region, "nodeType": node_type, "usdPerHour": row.amount}
        if row.spot is not None:
            body["spot"] = {"usdPerHour": row.spot, "interruptionRatio": INTERRUPTION_RATIO}
        rows.append(body)
    said = "".join(f", {rate:g} USD for 1 {name}" for name, rate in (rates or {}).items())
    spec = {"currency": "USD", "asOf": as_of.isoformat(), "source": f"imported {kind} list{said}", "nodeTypes": rows}
    name = f"{kind}-{provider}" if provider else kind
    document = {"apiVersion": "equipoise.dev/v1alpha1", "kind": "PriceBook", "metadata": {"name": name}, "spec": spec}
    return Imported(PriceBook.model_validate(document), skipped, dict(rates or {}))


def _in_usd(row: Row, rates: Mapping[str, float]) -> Row:
    for what, amount in (("price", row.amount), ("spot price", row.spot)):
        if amount is not None and (not math.isfinite(amount) or amount < 0):
            raise BadList(
                f"line {row.line}: {what} of {row.node_type} in {row.region} is {amount:g}; it must be 0 or more"
            )
    if row.currency in rates:
        rate = rates[row.currency]
        spot = None if row.spot is None else round(row.spot * rate, 9)
        return Row(row.line, row.provider, row.region, row.node_type, round(row.amount * rate, 9), spot, "USD")
    return row


def _one_currency(rows: list[Row], rates: Mapping[str, float]) -> None:
    other = next((row for row in rows if row.currency != "USD"), None)
    if other is not None:
        mixed = "currencies are mixed" if any(row.currency == "USD" for row in rows) else "prices are not in USD"
        given = f" (rates are given for {', '.join(rates)})" if rates else ""
        raise BadList(f"line {other.line}: {mixed}: {other.currency}; give --rate {other.currency}=USD_FOR_ONE{given}")


def _merged(rows: list[Row]) -> dict[tuple[str, str, str], Row]:
    """One row for each node: zones share the price, and of spot prices the lowest zone counts."""
    out: dict[tuple[str, str, str], Row] = {}
    for row in rows:
        key = (row.provider, row.region, row.node_type)
        known = out.get(key)
        if known is None:
            out[key] = row
        elif not math.isclose(known.amount, row.amount, rel_tol=1e-6):
            words = f"{row.node_type} in {row.region} costs {row.amount:g}, and {known.amount:g} on line {known.line}"
            raise BadList(f"line {row.line}: {words}; one of them is wrong")
        else:
            spots = [spot for spot in (known.spot, row.spot) if spot is not None]
            out[key] = Row(known.line, *key, known.amount, min(spots) if spots else None)
    return out


def _table(text: str, needed: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    missing = [name for name in needed if name not in (reader.fieldnames or ())]
    if missing:
        raise BadList(
            f"line 1: no column {', '.join(missing)}; there is {', '.join(reader.fieldnames or ()) or 'nothing'}"
        )
    yield from enumerate(reader, 2)


def _number(line: int, text: str | None, what: str) -> float | None:
    if text is None or not text.strip():
        return None
    try:
        return float(text)
    except ValueError:
        raise BadList(f"line {line}: {what} {text!r} is no number") from None


def _skypilot(text: str, provider: str) -> Iterator[Row | None]:
    if not provider:
        raise BadList("a SkyPilot catalogue is of one cloud: say which with --provider")
    for line, row in _table(text, ("InstanceType", "Region", "Price")):
        usd = _number(line, row["Price"], "Price")
        if not row["InstanceType"] or usd is None or usd == UNKNOWN_USD:
            yield None
        else:
            yield Row(
                line,
                provider,
                row["Region"],
                row["InstanceType"],
                usd,
                _number(line, row.get("SpotPrice"), "SpotPrice"),
            )


def _sheet(text: str, provider: str) -> Iterator[Row | None]:
    for line, row in _table(text, ("region", "instance_type", "usd_per_hour")):
        usd = _number(line, row["usd_per_hour"], "usd_per_hour")
        who = row.get("provider") or provider
        if not who:
            raise BadList(f"line {line}: no provider; say which with --provider")
        spot = _number(line, row.get("spot_usd_per_hour"), "spot_usd_per_hour")
        yield None if usd is None else Row(line, who, row["region"], row["instance_type"], usd, spot)


def _opencost(text: str, provider: str) -> Iterator[Row | None]:
    """The answer of OpenCost's `/assets`: nodes by what they cost in the minutes they ran."""
    try:
        data = json.loads(text)["data"]
    except (ValueError, KeyError, TypeError):
        raise BadList("not an answer of OpenCost's /assets: JSON with `data` is expected") from None
    assets = [asset for found in (data if isinstance(data, list) else [data]) for asset in (found or {}).values()]
    for at, asset in enumerate(assets, 1):
        labels, properties = asset.get("labels") or {}, asset.get("properties") or {}
        region = labels.get("label_topology_kubernetes_io_region") or labels.get("topology_kubernetes_io_region")
        minutes = asset.get("minutes") or 0
        who = provider or str(properties.get("provider", "")).lower()
        if asset.get("type") != "Node" or not asset.get("nodeType") or not region or minutes <= 0 or not who:
            yield None
        elif not asset.get("preemptible"):
            yield Row(at, who, region, asset["nodeType"], round(float(asset["totalCost"]) / minutes * 60, 6))
        else:
            yield None


def _focus(text: str, provider: str) -> Iterator[Row | None]:
    """List prices of compute by the hour; the node type is in SkuPriceDetails or in x_InstanceType."""
    needed = ("ListUnitPrice", "PricingUnit", "RegionId", "ServiceCategory", "BillingCurrency", "ProviderName")
    for line, row in _table(text, needed):
        usd = _number(line, row["ListUnitPrice"], "ListUnitPrice")
        node_type = row.get("x_InstanceType") or _detail(line, row.get("SkuPriceDetails"))
        hourly = row["PricingUnit"].strip().lower() in HOURS and row["ServiceCategory"] == "Compute"
        if usd is None or not node_type or not hourly or not row["RegionId"]:
            yield None
        else:
            who = provider or row["ProviderName"].lower().replace(" ", "-")
            yield Row(line, who, row["RegionId"], node_type, usd, None, row["BillingCurrency"])


def _detail(line: int, text: str | None) -> str:
    if not text:
        return ""
    try:
        details = json.loads(text)
    except ValueError:
        raise BadList(f"line {line}: SkuPriceDetails is no JSON") from None
    return str(details.get("InstanceType") or details.get("x_InstanceType") or "")


READERS: dict[str, Callable[[str, str], Iterator[Row | None]]] = {
    "skypilot": _skypilot,
    "sheet": _sheet,
    "opencost": _opencost,
    "focus": _focus,
}

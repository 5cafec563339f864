"""Who pays for what: the bill of a window split over cluster, service and origin, to the unit.

Compute by use: the replica-hours that worked. By reservation: those that stood by, as what the loss of a domain needs
(resilience) and as the rest (idle). What no replica took of a cluster's nodes is nobody's (idle nodes). Disks and load
balancers are shared: by what each service has standing in the cluster, and by its requests. Transfers are paid by the
service and origin whose requests they carry. Where replicas ask for more of the nodes than there is (each by its
scarcest resource, Dominant Resource Fairness), all pay in proportion.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from placement.columns import Floats, Ints, floats, ints
from placement.pricing.shares import split_groups
from scheduler.reports.bill import GIGA, Bill
from scheduler.reports.rates import Rates
from scheduler.usage import NAMES, NONE

COMPONENTS = (
    "compute", "gpu", "resilience", "idle", "idle-nodes", "storage", "load-balancer", "egress", "unused-commitment",
)  # fmt: skip
KEYS = ("period", "service", "origin", "cluster", "component", "sender", "receiver")
"""Of a cell: codes, -1 for none; `component` is a row of COMPONENTS, sender and receiver are codes of regions."""
PARTS = ("used_h", "resilience_h", "idle_h")
COMPUTE, GPU, RESILIENCE, IDLE, IDLE_NODES, STORAGE, BALANCER, EGRESS, UNUSED = range(len(COMPONENTS))


@dataclass(frozen=True, slots=True)
class Names:
    """By code."""

    service: tuple[str, ...]
    origin: tuple[str, ...]
    cluster: tuple[str, ...]
    region: tuple[str, ...]
    commitment: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cells:
    """Units of money (Int64) and grams by KEYS, with the quantity that is paid for in `quantity`."""

    rows: pl.DataFrame
    names: Names


def priced(rows: pl.DataFrame, names: Names, rates: Rates) -> pl.DataFrame:
    """Usage rows with what they weigh: dollars of compute by part, and gigabytes out and back with their regions.

    Raises ValueError for a service or cluster that no document has: its price is unknown.
    """
    usd = np.zeros((len(names.service) + 1, len(names.cluster) + 1))
    gpu = np.zeros_like(usd, dtype=bool)
    service, cluster = ({n: i for i, n in enumerate(found)} for found in (names.service, names.cluster))
    for (s, c), rate in rates.replicas.items():
        if s in service and c in cluster:
            usd[service[s], cluster[c]], gpu[service[s], cluster[c]] = rate.usd, rate.gpu
    of, at = rows["service"].to_numpy(), rows["cluster"].to_numpy()
    sizes = np.array([rates.bytes_of.get(name, (np.nan, np.nan)) for name in names.service] + [(0.0, 0.0)]) / GIGA
    used = np.flatnonzero(np.bincount(of + 1, minlength=len(sizes))[1:])
    unknown = sorted(names.service[i] for i in used.tolist() if np.isnan(sizes[i, 0]))
    if unknown:
        raise ValueError(f"the ledger has usage of services that no document has: {', '.join(unknown[:5])}; add them")
    region = {name: code for code, name in enumerate(names.region)}
    here, there = (
        ints([*(region.get(rates.regions.get(name, ""), NONE) for name in found), NONE]).astype(np.int32)
        for found in (names.origin, names.cluster)
    )
    both = of.astype(np.int64) * usd.shape[1] + at
    return rows.with_columns(
        pl.Series("usd", np.take(usd, both)),
        pl.Series("gpu", np.take(gpu, both)),
        (pl.col("requests") * pl.Series(np.take(sizes[:, 0], of))).alias("out_gb"),
        (pl.col("requests") * pl.Series(np.take(sizes[:, 1], of))).alias("back_gb"),
        pl.Series("here", np.take(here, rows["origin"].to_numpy())),
        pl.Series("there", np.take(there, at)),
    )


def transfers(rows: pl.DataFrame, by: tuple[str, ...]) -> pl.DataFrame:
    """Gigabytes by some keys and by sending and receiving region."""
    moved = rows.lazy().filter((pl.col("origin") != NONE) & (pl.col("cluster") != NONE) & (pl.col("here") != NONE))
    way = [
        moved.select(*by, pl.col(a).alias("sender"), pl.col(b).alias("receiver"), pl.col(gb).alias("gb"))
        for a, b, gb in (("here", "there", "out_gb"), ("there", "here", "back_gb"))
    ]
    return (
        pl.concat(way)
        .group_by(*by, "sender", "receiver")
        .agg(pl.col("gb").sum())
        .sort(*by, "sender", "receiver")
        .collect()
    )


def allocate(rows: pl.DataFrame, names: Names, bill: Bill, by: tuple[str, ...] = NAMES) -> Cells:
    """The bill over cells of `period` and some of NAMES. The cells' units add up to the bill's exactly."""
    keys = ("period", *dict.fromkeys((*by, "cluster")))
    summed = _summed(rows, keys)
    compute = _compute(summed, keys)
    clusters = {name: code for code, name in enumerate(names.cluster)}
    parts = [
        _shared(compute, "weight", _totals(bill.nodes, clusters), bill, IDLE_NODES, bill.grams, clusters),
        _spread(compute, "weight", _totals(bill.disks, clusters), STORAGE),
        _spread(_requests(summed, keys), "weight", _totals(bill.balancers, clusters), BALANCER),
        _moved(transfers(rows, keys), names, bill),
        _unused(bill, names),
    ]
    cells = pl.concat([_complete(part) for part in parts if len(part)], how="vertical")
    wanted = ("period", *by, "component", "sender", "receiver")
    if "cluster" not in by:  # parts are by cluster at least, each row of its own
        cells = cells.group_by(*wanted).agg(pl.col("units", "grams", "quantity").sum())
    rows = cells.filter((pl.col("units") != 0) | (pl.col("grams") != 0))
    return Cells(rows.select(*wanted, "units", "grams", "quantity").sort(*wanted), names)


def _summed(rows: pl.DataFrame, keys: tuple[str, ...]) -> pl.DataFrame:
    """What stood and served by some keys, in one pass over the rows: hours, dollars of hours, requests."""
    hours = [pl.col(name).sum() for name in PARTS]
    weight = [(pl.col(name) * pl.col("usd")).sum().alias(f"{name}_usd") for name in PARTS]
    standing = rows.lazy().filter(pl.col("cluster") != NONE)
    return standing.group_by(*keys, "gpu").agg(*hours, *weight, pl.col("requests").sum()).collect()


def _compute(summed: pl.DataFrame, keys: tuple[str, ...]) -> pl.DataFrame:
    """Dollars and replica-hours of each part, long."""
    used = pl.when(pl.col("gpu")).then(GPU).otherwise(COMPUTE)
    parts = [
        summed.select(
            *keys,
            component.cast(pl.Int32).alias("component"),
            pl.col(name).alias("quantity"),
            pl.col(f"{name}_usd").alias("weight"),
        )
        for name, component in zip(PARTS, (used, pl.lit(RESILIENCE), pl.lit(IDLE)), strict=True)
    ]
    whole = pl.concat(parts).group_by(*keys, "component").agg(pl.col("weight", "quantity").sum())
    return whole.sort(*keys, "component")


def _requests(summed: pl.DataFrame, keys: tuple[str, ...]) -> pl.DataFrame:
    return summed.group_by(*keys).agg(pl.col("requests").sum().alias("weight")).sort(*keys)


def _totals(amounts: Mapping[str, Ints] | Mapping[str, Floats], clusters: Mapping[str, int]) -> pl.DataFrame:
    """(period, cluster, total) of what is billed by cluster."""
    found = [
        pl.DataFrame(
            {
                "period": np.arange(len(total), dtype=np.int32),
                "cluster": np.full(len(total), clusters[name], dtype=np.int32),
                "total": np.asarray(total, dtype=np.int64),
            }
        )
        for name, total in amounts.items()
    ]
    schema = {"period": pl.Int32, "cluster": pl.Int32, "total": pl.Int64}
    return pl.concat(found) if found else pl.DataFrame(schema=schema)


def _shared(
    compute: pl.DataFrame,
    weight: str,
    totals: pl.DataFrame,
    bill: Bill,
    rest: int,
    grams: Mapping[str, Floats],
    clusters: Mapping[str, int],
) -> pl.DataFrame:
    """What is billed for nodes, by what replicas took of them; the rest is for nodes that nobody took."""
    taken = compute.group_by("period", "cluster").agg(pl.col(weight).sum())
    spare = (
        totals.join(taken, on=["period", "cluster"], how="left")
        .with_columns((pl.col("total") / 1e6 - pl.col(weight).fill_null(0.0)).clip(0.0).alias(weight))
        .select(
            "period", "cluster", weight,
            pl.lit(rest, dtype=pl.Int32).alias("component"), pl.lit(0.0).alias("quantity"),
        )
    )  # fmt: skip
    together = pl.concat([compute, spare], how="diagonal")
    paid = _split(together, weight, totals)
    emitted = _split(together, weight, _totals(grams, clusters))
    return paid.with_columns(emitted["units"].alias("grams"))


def _spread(rows: pl.DataFrame, weight: str, totals: pl.DataFrame, component: int) -> pl.DataFrame:
    """A shared cost over those who use the cluster; nobody's where nobody does."""
    some = rows.filter(pl.col(weight) > 0)
    taken = some.group_by("period", "cluster").agg(pl.col(weight).sum().alias("taken"))
    lonely = totals.join(taken, on=["period", "cluster"], how="anti").select(
        "period", "cluster", pl.lit(1.0).alias(weight)
    )
    together = pl.concat([some, lonely], how="diagonal")
    paid = _split(together, weight, totals)
    return paid.with_columns(pl.lit(component, dtype=pl.Int32).alias("component"), pl.lit(0.0).alias("quantity"))


def _moved(rows: pl.DataFrame, names: Names, bill: Bill) -> pl.DataFrame:
    """Transfers by their gigabytes."""
    code = {name: row for row, name in enumerate(names.region)}
    found = [
        pl.DataFrame(
            {
                "period": np.arange(len(total), dtype=np.int32),
                "sender": np.full(len(total), code[sender], dtype=np.int32),
                "receiver": np.full(len(total), code[receiver], dtype=np.int32),
                "total": np.asarray(total, dtype=np.int64),
            }
        )
        for (sender, receiver), total in bill.transfers.items()
    ]
    schema = {"period": pl.Int32, "sender": pl.Int32, "receiver": pl.Int32, "total": pl.Int64}
    totals = pl.concat(found) if found else pl.DataFrame(schema=schema)
    paid = _split(rows.with_columns(pl.col("gb").alias("weight")), "weight", totals, ("period", "sender", "receiver"))
    return paid.with_columns(pl.lit(EGRESS, dtype=pl.Int32).alias("component"), pl.col("gb").alias("quantity"))


def _unused(bill: Bill, names: Names) -> pl.DataFrame:
    """Commitments that nobody used are nobody's; `sender` has their code."""
    rows = [
        {"period": period, "component": UNUSED, "sender": names.commitment.index(name), "units": int(amount)}
        for name, amounts in bill.unused.items()
        for period, amount in enumerate(amounts.tolist())
    ]
    return pl.DataFrame(rows, schema={"period": pl.Int32, "component": pl.Int32, "sender": pl.Int32, "units": pl.Int64})


def _split(
    rows: pl.DataFrame, weight: str, totals: pl.DataFrame, keys: tuple[str, ...] = ("period", "cluster")
) -> pl.DataFrame:
    """`units` for each row: its exact part of the total of its keys; rows without a total get 0."""
    numbered = totals.with_columns(pl.int_range(pl.len(), dtype=pl.Int64).alias("group"))
    joined = rows.join(numbered, on=list(keys), how="left", maintain_order="left")
    group = joined["group"].fill_null(len(totals)).to_numpy()
    amounts = np.append(totals["total"].to_numpy(), 0)
    return rows.with_columns(pl.Series("units", split_groups(group, amounts, floats(joined[weight].to_numpy()))))


def _complete(rows: pl.DataFrame) -> pl.DataFrame:
    """All keys and columns, in order."""
    empty = {key: NONE for key in KEYS if key not in rows.columns}
    none = {"grams": pl.Int64, "quantity": pl.Float64}
    filled = rows.with_columns(
        *(pl.lit(code, dtype=pl.Int32).alias(key) for key, code in empty.items()),
        *(pl.lit(0, dtype=kind).alias(name) for name, kind in none.items() if name not in rows.columns),
    )
    codes = [pl.col(key).cast(pl.Int32).fill_null(NONE) for key in KEYS]
    return filled.select(*codes, pl.col("units").cast(pl.Int64), pl.col("grams").cast(pl.Int64), "quantity")

"""The call graph that documents declare against the one that was seen."""

from config.configuration import Configuration as Documents
from connectors.aws.api import AwsAccess, AwsApi
from connectors.calls import CallRatio, Seen, call_ratios, jaeger, xray, zipkin
from connectors.http import Access, Edge
from scheduler.summary import Json

FAR = 0.2
"""A ratio that is this far from the declared one is worth a word."""


async def compared(documents: Documents, tracer: str, url: str, end_s: float, lookback_s: float) -> Json:
    """What a tracing system saw in some time beside what is declared. Raises Unavailable or Refused."""
    seen = await _seen(tracer, url, end_s, lookback_s)
    declared = {(s.name, called): ratio for s in documents.services for called, ratio in s.spec.calls.items()}
    found = {(row.parent, row.child): row for row in call_ratios(seen, [s.name for s in documents.services])}
    pairs = sorted(declared.keys() | found.keys())
    return {"format_version": 1, "calls": [_row(pair, declared.get(pair), found.get(pair)) for pair in pairs]}


def _row(pair: tuple[str, str], declared: float | None, seen: CallRatio | None) -> Json:
    return {
        "caller": pair[0],
        "called": pair[1],
        "declared_ratio": declared,
        "seen_ratio": None if seen is None else seen.ratio,
        "calls": 0.0 if seen is None else seen.calls,
        "error_ratio": 0.0 if seen is None else seen.error_ratio,
        "note": _note(declared, seen),
    }


def _note(declared: float | None, seen: CallRatio | None) -> str:
    if seen is None:
        return "declared, and never seen"
    if declared is None:
        return "seen, and not declared: add it to `calls`"
    if seen.ratio is None:
        return "nobody was seen to call the caller"
    if declared and abs(seen.ratio - declared) > FAR * declared:
        return f"{seen.ratio / declared - 1:+.0%} off: change `calls`"
    return ""


async def _seen(tracer: str, url: str, end_s: float, lookback_s: float) -> list[Seen]:
    if tracer == "xray":
        api = AwsApi("xray", AwsAccess(url) if "/" not in url else AwsAccess("us-east-1", url), "X-Ray")
        try:
            return await xray(api, end_s, lookback_s)
        finally:
            await api.close()
    edge = Edge(Access(url.rstrip("/")), f"{tracer.capitalize()} at {url}")
    try:
        return await (jaeger if tracer == "jaeger" else zipkin)(edge, end_s, lookback_s)
    finally:
        await edge.close()

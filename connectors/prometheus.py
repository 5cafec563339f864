"""Prometheus as a telemetry source: one PromQL query per signal, whose labels say what each number is about.

The client library is synchronous and waits for a socket as long as that stays alive, so it runs in a small pool of
threads, its answers are read under a total time and a size limit, and the caller gives up at the same deadline.

The time of an instant query is the one Prometheus evaluated it at, not the one of the newest scrape behind it: a rate
over a window is about half of that window older. Choose windows accordingly.
"""

import asyncio
import io
import math
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple
from urllib.parse import urlsplit

import requests
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException
from urllib3.exceptions import HTTPError

from connectors.connector import Unavailable
from connectors.deadline import within
from connectors.telemetry import KEYS, Batch, Signal
from placement.columns import floats

THREADS = 4
BODY_MAX_BYTES = 32 * 1024 * 1024
"""About 200,000 series with the labels that we need."""
CAUSE_MAX = 200
PIECE_BYTES = 65_536


class PrometheusSource:
    """What one Prometheus measures. A TelemetrySource; `close` it in the end.

    `defaults` fills in labels that its series do not have: a Prometheus inside a cluster rarely names that cluster.
    A query that fails costs only its own signal, and `failed` says why; when all do, `collect` raises Unavailable.
    """

    def __init__(
        self,
        name: str,
        url: str,
        queries: Mapping[Signal, str],
        *,
        timeout_s: float,
        now_s: Callable[[], float],
        wall_s: Callable[[], float],
        defaults: Mapping[str, str] | None = None,
        body_max_bytes: int = BODY_MAX_BYTES,
    ) -> None:
        self.name, self.url, self.queries = name, url.rstrip("/"), dict(queries)
        self.timeout_s, self.now_s, self.wall_s = timeout_s, now_s, wall_s
        self.defaults = dict(defaults or {})
        self.shown_url = urlsplit(self.url)._replace(netloc=urlsplit(self.url).netloc.rpartition("@")[2]).geturl()
        """Without a password."""
        self.failed: dict[Signal, str] = {}
        """Why a query of the last `collect` gave nothing."""
        self.unlabelled: dict[Signal, int] = {}
        """Series of the last `collect` that lacked a label of their key, and were left out."""
        session = bounded_session(timeout_s, body_max_bytes)
        self._client = PrometheusConnect(self.url, session=session, retry=0, timeout=timeout_s)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix=name)

    async def collect(self) -> tuple[Batch, ...]:
        """One batch per signal that has series now. No series is no batch: it is not zero."""
        self.failed, self.unlabelled = {}, {}
        found = await asyncio.gather(*(self._ask(signal) for signal in self.queries))
        if self.failed and len(self.failed) == len(self.queries):
            raise Unavailable(next(iter(self.failed.values())))
        return tuple(batch for batch in found if batch is not None)

    def close(self) -> None:
        """Give up the connections and the threads; what a thread still waits for ends at its timeout."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._client.close()

    async def _ask(self, signal: Signal) -> Batch | None:
        loop, what = asyncio.get_running_loop(), f"Prometheus {self.shown_url}, query {signal}"
        try:
            asked = loop.run_in_executor(self._threads, self._query, self.queries[signal])
            return self._batch(signal, await within(self.timeout_s, asked, what))
        except Unavailable as silence:
            self.failed[signal] = str(silence)
        except BadAnswer as strange:
            self.failed[signal] = f"{what}: {strange}"
        return None

    def _query(self, promql: str) -> object:
        try:
            result: object = self._client.custom_query(promql)
        except (requests.RequestException, PrometheusApiClientException) as error:
            first = first_cause(error)
            raise BadAnswer(" ".join(f"{type(first).__name__}: {first}".split())[:CAUSE_MAX]) from None
        except (KeyError, TypeError, RecursionError) as error:
            raise BadAnswer(f"the answer is JSON, but not Prometheus's: {error!r}") from None
        return result

    def _batch(self, signal: Signal, result: object) -> Batch | None:
        found = samples(result)
        keyed = [(self._key(signal, sample), sample) for sample in found]
        whole = [(key, sample) for key, sample in keyed if all(key)]
        if len(whole) < len(found):
            self.unlabelled[signal] = len(found) - len(whole)
        if not whole:
            return None
        age_s = self.wall_s() - min(sample.wall_s for _, sample in whole)
        values = floats([sample.value for _, sample in whole])
        return Batch(signal, self.name, self.now_s() - age_s, tuple(key for key, _ in whole), values)

    def _key(self, signal: Signal, sample: "Sample") -> tuple[str, ...]:
        return tuple(sample.labels.get(label) or self.defaults.get(label, "") for label in KEYS[signal])


class BadAnswer(Exception):  # noqa: N818  a state of the world
    """Prometheus answered with something else than the numbers asked for."""


def first_cause(error: BaseException) -> BaseException:
    """What an error began with: `connection refused`, and not the retries that were spent on it."""
    while isinstance(error.__context__, OSError | HTTPError):
        error = error.__context__
    return error


class Sample(NamedTuple):
    """One series of an instant vector."""

    labels: Mapping[str, str]
    wall_s: float
    """When it was evaluated, in seconds since 1970."""
    value: float
    """NaN and infinite values stay: what to make of them is the scheduler's."""


def samples(result: object) -> list[Sample]:
    """The series of an instant vector as the API gives it; BadAnswer for anything else."""
    if not isinstance(result, list):
        raise BadAnswer(f"the result is no list, but {str(result)[:CAUSE_MAX]}")
    return [sample_of(series) for series in result]


def sample_of(series: object) -> Sample:
    """One series. A scalar, a range or a histogram has another shape, and is refused."""
    match series:
        case {"metric": dict(labels), "value": [int() | float() as wall_s, str(value)]}:
            try:
                sample = Sample({str(name): str(label) for name, label in labels.items()}, float(wall_s), float(value))
            except (ValueError, OverflowError):
                sample = None
            if sample is not None and math.isfinite(sample.wall_s):
                return sample
    raise BadAnswer(f"the query must give an instant vector of numbers, not {str(series)[:CAUSE_MAX]}")


def bounded_session(total_s: float, body_max_bytes: int) -> requests.Session:
    """A session that reads whole answers, but neither for ever nor without end; no redirects, no proxies."""
    session = requests.Session()
    session.trust_env = False
    session.max_redirects = 0
    session.stream = True
    session.hooks["response"].append(partial(read_whole, total_s, body_max_bytes))
    return session


def read_whole(total_s: float, body_max_bytes: int, response: requests.Response, **_: object) -> requests.Response:
    """The same response with its body in memory. Raises BadAnswer, or what requests itself raises."""
    end_s, body = time.monotonic() + total_s, bytearray()
    try:
        while piece := response.raw.read1(PIECE_BYTES, decode_content=True):
            body += piece
            if len(body) > body_max_bytes:
                raise BadAnswer(f"the answer has more than {body_max_bytes} bytes; aggregate the query")
            if time.monotonic() > end_s:
                raise BadAnswer(f"the answer is still coming in after {total_s:g} s")
    except HTTPError as error:
        raise requests.ConnectionError(str(error)) from None
    finally:
        response.close()
    answer = requests.Response()
    answer.status_code, answer.reason, answer.url = response.status_code, response.reason, response.url
    answer.headers, answer.request, answer.encoding = response.headers, response.request, "utf-8"
    answer.raw = io.BytesIO(body)
    return answer

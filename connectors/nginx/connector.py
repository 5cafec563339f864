"""One NGINX by its files: render, test, put in place, reload, and wait until no old worker accepts connections."""

import asyncio
import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from connectors.answers import Shape, Whole
from connectors.connector import Fencing, MeshLimits, Refused, Unavailable
from connectors.fenced import Changes, FencedConnector, Look, Row, Rows, Verdict, fitted
from connectors.files import alone, replace_file, text_of
from connectors.http import Access, Edge
from connectors.nginx.configuration import (
    STATUS_PATH,
    UNIT,
    at,
    before_in,
    configuration,
    record_in,
    rows_in,
    version_in,
)
from connectors.nginx.spec import NginxSpec
from connectors.nginx.workers import Worker, old_workers, still_accepting, workers_beside
from connectors.record import record_of, record_text
from placement.fleet import OriginId, ServiceId
from placement.weights import Target, WeightTable

LIMITS = MeshLimits(
    unit=UNIT, standby=True, standbys_max=1, shed=True, targets_max=256, programmed=True, fencing=Fencing.ATOMIC,
    settle_s=0.2,
)  # fmt: skip
"""One standby, because NGINX shares the requests among all servers that are `backup`. Refused shares come in steps of
0.01 %. A connection that was open at a reload may be served once more by the old weights."""
POLL_S = 0.005
SURE = 10
"""New connections in a row that must meet new workers where the old ones cannot be seen. It is not called a proof."""
ANEW_MAX = 3
LOOKS_MAX = 20
"""Questions until a new worker answers, while old ones accept connections too."""


@dataclass(frozen=True, slots=True)
class Files:
    """The file as it was, and what NGINX runs with."""

    text: str
    running: str
    pid: int
    """Of the worker that said so, as it sees itself; 0 where it did not say."""
    accepting: tuple[Worker, ...]
    """Workers from before the reload that may accept connections still."""


class _Running(Shape):
    version: str
    pid: Whole


@dataclass(slots=True)
class NginxDialect:
    """How an NGINX on this machine is spoken to."""

    spec: NginxSpec
    _status: Edge = field(init=False)

    def __post_init__(self) -> None:
        self._status = Edge(Access(f"http://{at(self.spec.status)}"), f"{self.spec.origin}: {self.where}")

    @property
    def origin(self) -> OriginId:
        """Whose mesh this is."""
        return self.spec.origin

    @property
    def where(self) -> str:
        """For messages."""
        return f"NGINX with {self.spec.file}"

    @property
    def limits(self) -> MeshLimits:
        """What it can express."""
        return LIMITS

    async def close(self) -> None:
        """Give up the connection."""
        await self._status.close()

    async def look(self) -> Look[Files]:
        """The file, and whether NGINX runs with it. What it runs with otherwise nobody can tell: no rows then."""
        text = await self._text()
        running, accepting = await self._met(text)
        record = record_of(record_in(text), self._named("record")) if record_in(text) else None
        rows = rows_in(text) if running.version == version_in(text) else {}
        return Look(record, rows, Files(text, running.version, running.pid, accepting))

    def row(self, service: ServiceId, targets: tuple[Target, ...], shed: int, unit: int) -> Row:
        """Weights in 10,000ths, the first standby, and the refused share."""
        return fitted(LIMITS, self.spec.clusters(service), (targets, shed, unit), self._named(service))

    async def put(self, seen: Look[Files], record: WeightTable | None, changes: Changes) -> None:
        """Write the file, have NGINX test it, and reload where it differs by more than the record."""
        after: dict[ServiceId, Row | None] = {**rows_in(seen.state.text), **changes}
        wanted = {service: row for service, row in after.items() if row is not None}
        written = record_text(record) if record else ""
        text = configuration(self.spec, wanted, written, before_in(seen.state.text))
        reloads = version_in(text) != seen.state.running
        if reloads:
            text = configuration(self.spec, wanted, written, await self._workers(seen.state.pid))
        what = self._named("write")
        with alone(Path(f"{self.spec.file}.lock"), what):
            if await self._text() != seen.state.text:
                raise Unavailable(f"{what}: somebody else changed it since it was read")
            await self._write(text)
            if not reloads:
                return
            try:
                await self._test()
                await self._reload()
            except (Refused, Unavailable):
                await self._write(seen.state.text)
                raise
        await self._runs(version_in(text), before_in(text))

    async def verdict(self, now: Look[Files], table: WeightTable, rows: Rows) -> Verdict:
        """Programmed once no worker from before the reload accepts connections; `look` has asked NGINX itself."""
        if now.state.running != version_in(now.state.text):
            return Verdict(programmed=False, detail=f"{self.where} runs with another file")
        if now.state.accepting:
            pids = ", ".join(str(worker.pid) for worker in now.state.accepting[:8])
            return Verdict(programmed=False, detail=f"old workers of {self.where} may accept connections yet: {pids}")
        if before_in(now.state.text) is None:
            said = f"the workers of {self.where} cannot be seen from here; old ones may accept connections yet"
            return Verdict(programmed=None, detail=said)
        return Verdict(programmed=True)

    async def running(self) -> _Running:
        """What the worker says that a new connection meets."""
        # A connection that is kept open would go on speaking to an old worker.
        answer = await self._status.ask("GET", STATUS_PATH, "status", headers={"connection": "close"})
        # A file that an earlier release wrote says its version alone.
        found = answer.understood(cast("type[_Running | str]", _Running | str))
        return _Running(version=found, pid=0) if isinstance(found, str) else found

    async def _workers(self, pid: int) -> frozenset[Worker] | None:
        """Those that accept connections now, by one that answered. It may have gone since: then by another."""
        found = await asyncio.to_thread(workers_beside, pid)
        for _ in range(ANEW_MAX if found is None else 0):
            found = await asyncio.to_thread(workers_beside, (await self.running()).pid)
            if found is not None:
                break
        return found

    async def _met(self, text: str) -> tuple[_Running, tuple[Worker, ...]]:
        """What NGINX runs with: where old workers answer beside new ones, what the new ones say."""
        for _ in range(LOOKS_MAX):
            running = await self.running()
            accepting = await asyncio.to_thread(still_accepting, before_in(text) or ())
            if running.version == version_in(text) or not accepting:
                break
            await asyncio.sleep(POLL_S)
        return running, accepting

    async def _runs(self, version: str, before: frozenset[Worker] | None) -> None:
        """Wait until no old worker accepts connections, but not for ever. Unavailable where no new one answers."""
        met, sure = 0, SURE if before is None else 1
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.spec.reload_timeout_s):
                while met < sure or len(await asyncio.to_thread(still_accepting, before or ())):
                    met = met + 1 if (await self.running()).version == version else 0
                    await asyncio.sleep(POLL_S)
        if not met:
            waited = f"{self.spec.reload_timeout_s:g} s after it"
            raise Unavailable(self._named(f"reload: {waited} NGINX runs with the file of before; see its error log"))

    async def _test(self) -> None:
        code, said = await self._call("-t", "-q")
        if code:
            raise Refused(self._named(f"test: {said or f'exit code {code}'}; the file is as it was"))

    async def _reload(self) -> None:
        if (old := await asyncio.to_thread(old_workers)) > self.spec.workers_max:
            raise Unavailable(self._named(f"reload: {old} old workers are still at work; set worker_shutdown_timeout"))
        code, said = await self._call("-s", "reload")
        if code:
            raise Unavailable(self._named(f"reload: {said or f'exit code {code}'}; the file is as it was"))

    async def _call(self, *flags: str) -> tuple[int, str]:
        """Exit code and last words of NGINX."""
        try:
            process = await asyncio.create_subprocess_exec(
                *self.spec.program, *flags, stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
        except OSError as error:
            raise Unavailable(self._named(f"{self.spec.program[0]}: {error}")) from None
        try:
            _, errors = await process.communicate()
        except asyncio.CancelledError:
            process.kill()
            raise
        words = [
            line for line in errors.decode("utf-8", "replace").split("\n") if "[emerg]" in line or "[error]" in line
        ]
        return process.returncode or 0, " ".join((words or [""])[0].split())[:300]

    async def _text(self) -> str:
        try:
            return await asyncio.to_thread(text_of, Path(self.spec.file)) or ""
        except (OSError, ValueError) as error:
            raise Unavailable(self._named(f"read: {error}")) from None

    async def _write(self, text: str) -> None:
        try:
            await asyncio.to_thread(replace_file, Path(self.spec.file), text)
        except OSError as error:
            raise Unavailable(self._named(f"write: {error}")) from None

    def _named(self, what: str) -> str:
        return f"{self.origin}: {self.where}, {what}"


def nginx_connector(spec: NginxSpec) -> FencedConnector[Files]:
    """The connector of one NGINX."""
    return FencedConnector(NginxDialect(spec))

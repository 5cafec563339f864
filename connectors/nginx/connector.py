"""One NGINX by its files: render, test, put in place, reload, and wait until new connections meet the new weights."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from connectors.connector import Fencing, MeshLimits, Refused, Unavailable
from connectors.fenced import Changes, FencedConnector, Look, Row, Rows, Verdict, fitted
from connectors.files import alone, replace_file, text_of
from connectors.http import Access, Edge
from connectors.nginx.configuration import STATUS_PATH, UNIT, at, configuration, record_in, rows_in, version_in
from connectors.nginx.spec import NginxSpec
from connectors.record import record_of, record_text
from placement.fleet import OriginId, ServiceId
from placement.weights import Target, WeightTable

LIMITS = MeshLimits(
    unit=UNIT, standby=True, standbys_max=1, shed=True, targets_max=256, programmed=True, fencing=Fencing.ATOMIC,
    settle_s=0.2,
)  # fmt: skip
"""One standby, because NGINX shares the requests among all servers that are `backup`. Refused shares come in steps of
0.01 %. A connection that was open at a reload may be served once more by the old weights."""
POLL_S = 0.002
SURE = 10
"""New connections in a row that must meet the new workers."""
SHUTTING_DOWN = b"nginx: worker process is shutting down"


@dataclass(frozen=True, slots=True)
class Files:
    """The file as it was, and what NGINX runs with."""

    text: str
    running: str


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
        running = await self.running()
        record = record_of(record_in(text), self._named("record")) if record_in(text) else None
        rows = rows_in(text) if running == version_in(text) else {}
        return Look(record, rows, Files(text, running))

    def row(self, service: ServiceId, targets: tuple[Target, ...], shed: int, unit: int) -> Row:
        """Weights in 10,000ths, the first standby, and the refused share."""
        return fitted(LIMITS, self.spec.clusters(service), (targets, shed, unit), self._named(service))

    async def put(self, seen: Look[Files], record: WeightTable | None, changes: Changes) -> None:
        """Write the file, have NGINX test it, and reload where it differs by more than the record."""
        after: dict[ServiceId, Row | None] = {**rows_in(seen.state.text), **changes}
        wanted = {service: row for service, row in after.items() if row is not None}
        text = configuration(self.spec, wanted, record_text(record) if record else "")
        what = self._named("write")
        with alone(Path(f"{self.spec.file}.lock"), what):
            if await self._text() != seen.state.text:
                raise Unavailable(f"{what}: somebody else changed it since it was read")
            await self._write(text)
            if version_in(text) == seen.state.running:
                return
            try:
                await self._test()
                await self._reload()
            except (Refused, Unavailable):
                await self._write(seen.state.text)
                raise
        await self._runs(version_in(text))

    async def verdict(self, now: Look[Files], table: WeightTable, rows: Rows) -> Verdict:
        """New connections meet the new weights; `look` has asked NGINX itself."""
        return Verdict(accepted=True, programmed=now.state.running == version_in(now.state.text))

    async def running(self) -> str:
        """The version that new connections meet."""
        # A connection that is kept open would go on speaking to an old worker.
        answer = await self._status.ask("GET", STATUS_PATH, "status", headers={"connection": "close"})
        return answer.understood(str)

    async def _runs(self, version: str) -> None:
        """Wait until only new workers answer: for some milliseconds the old ones accept connections as well."""
        met = 0
        while met < SURE:
            met = met + 1 if await self.running() == version else 0
            if not met:
                await asyncio.sleep(POLL_S)

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


def old_workers() -> int:
    """NGINX workers of this machine that finish what they began before a reload."""
    found = 0
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += process.read_bytes().startswith(SHUTTING_DOWN)
        except OSError:
            continue  # it ended meanwhile
    return found


def nginx_connector(spec: NginxSpec) -> FencedConnector[Files]:
    """The connector of one NGINX."""
    return FencedConnector(NginxDialect(spec))

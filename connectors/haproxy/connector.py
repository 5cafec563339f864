"""The connector: one origin's weights in one HAProxy, compared with its fence, read back, and undone if not taken."""

from connectors.connector import MeshLimits, Receipt, Refused, Unavailable
from connectors.haproxy import rows
from connectors.haproxy.programmed import BadAnswer, Programmed, commands, differs, entries_of, servers_of
from connectors.haproxy.rehearsal import armed_goal, clock_ms, drained, is_ours, without_drill
from connectors.haproxy.runtime import ask, lines_of
from connectors.haproxy.spec import FENCE_KEY, HaproxySpec
from connectors.haproxy.statistics import HaproxyStatistics
from connectors.haproxy.translation import goal, rounding_error, row_in_force
from connectors.rehearsal import Tally
from placement.fleet import OriginId
from placement.weights import WeightTable

LIMITS = MeshLimits(
    unit=256, zero_allowed=True, standby=True, shed=True, targets_max=256, programmed=True, achieved=True
)
"""A server has a weight of 0 to 256. Tables of a finer unit are rounded to that, and the receipt says by how much."""
CHANGED_ADDRESS = ("no need to change", "IP changed from", "port changed from")
"""How HAProxy begins when it confirms a new address; what else it says is an objection."""


class HaproxyConnector:
    """A connectors.connector.Connector for the HAProxy of one origin, over its runtime socket.

    All state is in HAProxy: the table and its fence in a map, the weights in the servers. The fence is compared before
    a write and again after it. HAProxy has no compare-and-set, so two controllers that write within the same
    milliseconds may both get through; the read-back then tells the lower one that it was overtaken, and the next read
    of the higher one finds what the other left. What was written is lost by a reload, unless state file and map are
    kept (`configuration` says how); `read` then finds no fence, and all is written again.
    """

    def __init__(self, spec: HaproxySpec, statistics: HaproxyStatistics | None = None) -> None:
        self.spec, self._statistics = spec, statistics
        self._armed: WeightTable | None = None
        self._unfit = "HAProxy has not been read yet"

    @property
    def origin(self) -> OriginId:
        """Whose mesh this is."""
        return self.spec.origin

    @property
    def limits(self) -> MeshLimits:
        """What it can express."""
        return LIMITS

    async def read(self) -> WeightTable | None:
        """The table in force: what the map says, with the weights that the servers really have."""
        now = await self._now()
        fence = self._fence(now)
        if fence is None:
            return None
        found = {}
        for service in sorted(self.spec.services & now.entries.keys()):
            try:
                row = rows.row_of(now.entries[service])
            except BadAnswer:
                continue  # somebody else's hand: a row that is missing is written again
            shed = fence[2] - sum(weight for weight, _ in row.values())
            found[service] = row_in_force(service, row, shed, fence[2], self.spec, now)
        return rows.table_of_rows(self.origin, fence, found)

    async def write(self, table: WeightTable) -> Receipt:
        """Bring HAProxy to the table with as few commands as it takes. All is read back.

        Raises Refused, with what stood before in force again, for a lower fence, an unknown endpoint or server, a
        socket without the right to write, or whatever HAProxy objects to.
        """
        before = await self._now()
        fence = self._fence(before)
        if fence is not None and table.fence < fence[:2]:
            raise Refused(
                f"{self.origin}: (epoch, version) {table.fence} is lower than {fence[:2]}, which HAProxy at "
                f"{self.spec.socket} has already; another controller leads"
            )
        wanted = goal(table, self.spec, before)
        words = await self._apply(before, wanted, self._early(before, wanted))
        after = await self._now()
        wrong = differs(after, wanted)
        if wrong:
            await self._undo(table, before, after, words or wrong)
        idle = [f"{b}/{s}" for (b, s), server in after.servers.items() if server.weight and not server.in_use
                and (b, s) in wanted.servers and wanted.servers[b, s].weight and ":" not in s]  # fmt: skip
        error = rounding_error(table, self.spec)
        detail = [f"rounded to weights of 0 to 256, shares off by up to {error:.2%}"] if error > 1e-6 else []
        detail += [f"in maintenance or drain: {', '.join(idle)}"] if idle else []
        return Receipt(
            table.origin, table.epoch, table.version, stored=True, accepted=True, programmed=not idle,
            detail="; ".join(detail),
        )  # fmt: skip

    async def arm(self, table: WeightTable) -> Receipt:
        """Weights of a failover for backends that get no request yet. Refused where a server is missing."""
        before = await self._now()
        if self._fence(before) is None:
            raise Refused(f"{self.origin}: there are no weights yet to rehearse a failover from")
        if self._unfit:
            raise Refused(f"{self.origin}: {self._unfit}")
        await self._rehearse(armed_goal(table, self.spec, before))
        self._armed = table
        return Receipt(table.origin, table.epoch, table.version, stored=True, accepted=True)

    async def drain(self, ratio: float, lease_s: float) -> Receipt:
        """Route a part of the requests by them, until the lease is over by HAProxy's own clock."""
        table = self._armed
        if ratio and table is None:
            raise Refused(f"{self.origin}: no failover is armed")
        known = await self._drill_entries()
        if ratio and not known:
            raise Refused(f"{self._named('drain')}: it has forgotten the failover, as after a restart")
        until_ms = await self._clock_ms() + round(lease_s * 1e3) if ratio else 0
        await self._rehearse(Programmed({}, drained(known, ratio, until_ms) if known else {}))
        fence = table.fence if table is not None else (0, 0)
        return Receipt(self.origin, *fence, stored=True, accepted=True)

    async def disarm(self) -> Receipt:
        """Forget the failover; the weights of backends that get no request do no harm."""
        await self._rehearse(Programmed({}, {}))
        fence, self._armed = self._armed.fence if self._armed is not None else (0, 0), None
        return Receipt(self.origin, *fence, stored=True, accepted=True)

    def unfit(self) -> str:
        """Whether its configuration lacks the backends of a rehearsal."""
        return self._unfit

    def tally(self) -> Tally:
        """Requests of the armed services so far, as the statistics last counted them."""
        if self._statistics is None or self._armed is None:
            return Tally()
        return self._statistics.tally(self._armed.services)

    async def _rehearse(self, goal_now: Programmed) -> None:
        """Bring the rehearsal to a goal, and see that it is there; entries of none of it are taken out."""
        state = await self._now()
        before = Programmed(state.servers, await self._drill_entries())
        words = await self._apply(before, goal_now, frozenset(goal_now.entries))
        wrong = differs(Programmed((await self._now()).servers, await self._drill_entries()), goal_now)
        if wrong:
            raise Refused(f"{self._named('drill')}: {words or wrong}{_advice(words)}")

    async def _drill_entries(self) -> dict[str, str]:
        entries = await self._ask(f"show map {self.spec.map_path}")
        try:
            return {key: value for key, value in entries_of(entries).items() if is_ours(key)}
        except BadAnswer as strange:
            raise Unavailable(f"{self._named('map')}: {strange}") from None

    async def _clock_ms(self) -> int:
        try:
            return clock_ms(await self._ask("show activity"))
        except BadAnswer as strange:
            raise Unavailable(f"{self._named('clock')}: {strange}") from None

    async def _now(self) -> Programmed:
        """What it runs with. Raises Unavailable for an answer that cannot be read, Refused for no map of ours."""
        state = await self._ask("show servers state")
        entries = await self._ask(f"show map {self.spec.map_path}")
        if entries.startswith("Unknown map"):
            raise Refused(
                f"{self._named(f'map {self.spec.map_path}')}: {_line(entries)}; add it to its configuration, "
                "as `equipoise bootstrap` prints it, and reload"
            )
        try:
            known = {k: v for k, v in entries_of(entries).items() if k in self.spec.services or k == FENCE_KEY}
            servers = servers_of(state, self.spec.services | self.spec.drills)
            self._unfit = without_drill(self.spec, servers)
            return Programmed(servers, known)
        except BadAnswer as strange:
            raise Unavailable(f"{self._named('state')}: {strange}") from None

    def _fence(self, now: Programmed) -> tuple[int, int, int] | None:
        try:
            return rows.fence_of(now.entries)
        except BadAnswer as strange:
            raise Refused(f"{self._named(f'map key {FENCE_KEY}')}: {strange}; delete it") from None

    def _early(self, before: Programmed, wanted: Programmed) -> frozenset[str]:
        """Entries to write before the servers: the fence, and rows that refuse more than before."""
        more = {key for key, value in wanted.entries.items() if _shed(value) > _shed(before.entries.get(key, "0"))}
        return frozenset(more | {FENCE_KEY})

    async def _apply(self, now: Programmed, wanted: Programmed, early: frozenset[str]) -> str:
        """Make it so by commands; returns HAProxy's first objection, empty where it has none."""
        for line in lines_of(commands(now, wanted, self.spec.map_path, early)):
            answer = await self._ask(line)
            objections = [w for w in answer.split("\n") if w and not w.startswith(CHANGED_ADDRESS)]
            if objections:
                return objections[0]
        return ""

    async def _undo(self, table: WeightTable, before: Programmed, after: Programmed, words: str) -> None:
        """Put back what stood before, unless another controller has written since; raises Refused in any case."""
        fence = self._fence(after)
        if fence is not None and fence[:2] > table.fence:
            raise Refused(f"{self.origin}: overtaken by (epoch, version) {fence[:2]} while writing {table.fence}")
        goal_before = Programmed({k: before.servers[k] for k in after.servers if k in before.servers}, before.entries)
        await self._apply(after, goal_before, frozenset())
        raise Refused(f"{self._named('write')}: {words}{_advice(words)}")

    async def _ask(self, line: str) -> str:
        return await ask(self.spec.socket, line, self._named(f"`{line.partition(';')[0]}`"))

    def _named(self, what: str) -> str:
        return f"{self.origin}: HAProxy at {self.spec.socket}, {what}"


def _shed(value: str) -> int:
    first = value.partition(",")[0]
    return int(first) if first.isascii() and first.isdigit() and len(first) < 16 else 0


def _line(answer: str) -> str:
    return answer.partition("\n")[0]


def _advice(words: str) -> str:
    return "; the socket needs `level admin`" if words.startswith("Permission denied") else ""

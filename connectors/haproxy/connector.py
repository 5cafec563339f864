"""The connector: one origin's weights in one HAProxy, compared with its fence, read back, and undone if not taken."""

from connectors.connector import MeshLimits, Receipt, Refused, Unavailable
from connectors.haproxy import rows
from connectors.haproxy.programmed import BadAnswer, Programmed, commands, differs, entries_of, servers_of
from connectors.haproxy.runtime import ask, lines_of
from connectors.haproxy.spec import FENCE_KEY, HaproxySpec
from connectors.haproxy.translation import goal, rounding_error, row_in_force
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

    def __init__(self, spec: HaproxySpec) -> None:
        self.spec = spec

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
        words = await self._say(commands(before, wanted, self.spec.map_path, self._early(before, wanted)))
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
            return Programmed(servers_of(state, self.spec.services), known)
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

    async def _say(self, spoken: list[str]) -> str:
        """Say some commands; returns HAProxy's first objection, empty where it has none."""
        for line in lines_of(spoken):
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
        await self._say(commands(after, goal_before, self.spec.map_path, frozenset()))
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

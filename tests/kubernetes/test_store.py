"""The memory of the stand-in."""

from tests.kubernetes.kinds import BUILT_IN
from tests.kubernetes.store import EVENTS_MAX, Store

NAMESPACE = next(kind for kind in BUILT_IN if kind.kind == "Namespace")


async def test_store_when_more_happened_than_it_remembers_says_up_to_where_it_forgot() -> None:
    store = Store()
    for number in range(EVENTS_MAX + 1):
        store.create(NAMESPACE, "", {"metadata": {"name": f"n{number}"}}, "test", {})

    told = [version for version, *_ in store.since(0)]
    assert len(told) == EVENTS_MAX // 2 + 1
    assert store.forgotten == told[0] - 1, "a watch from before is told 410, and none misses anything unsaid"
    assert [version for version, *_ in store.since(told[-3])] == told[-2:]

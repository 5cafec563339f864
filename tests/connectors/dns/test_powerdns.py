"""A real PowerDNS that takes what it cannot answer."""

from dataclasses import replace
from pathlib import Path

import pytest

from connectors.connector import Refused
from connectors.dns.lookup import found
from connectors.dns.powerdns import powerdns_connector
from tests.connectors.imposter import Imposter
from tests.contract.harness import SERVICE, UNIT, table
from tests.contract.harness_dns import BROKEN, HOSTS, ZONE, powerdns


async def test_lua_that_the_api_takes_and_the_server_cannot_answer_is_refused_by_the_query_after_the_write(
    tmp_path: Path,
) -> None:
    async with powerdns(tmp_path) as mesh:
        imposter = Imposter(mesh.access.url)
        await imposter.start()
        spec = mesh.connector.dialect.spec  # type: ignore[attr-defined]
        connector = powerdns_connector(replace(spec, access=replace(spec.access, url=imposter.url)))
        await connector.write(table({"east": UNIT}))
        imposter.written.clear()
        imposter.said.clear()
        try:
            with pytest.raises(Refused, match=r"home: .*frontend.* A+ answers SERVFAIL; the record is taken"):
                await connector.write(table({BROKEN: UNIT}, fence=(1, 2)))
        finally:
            await connector.close()
            await imposter.stop()

        written, taken_back = imposter.written
        assert "fe80::1%nowhere" in written
        assert "fe80::1%nowhere" not in taken_back
        assert imposter.said == [204, 204], "the API itself objected to nothing"
        answer = await found(mesh.dns, f"{SERVICE}.{ZONE}", "A", "test")
        assert (answer.rcode, answer.texts) == ("NOERROR", (HOSTS["east"],))

"""What a name server answers: the only proof that a record works."""

from dataclasses import dataclass

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rdtypes.IN.SRV

from connectors.connector import Unavailable

QUERY_TIMEOUT_S = 5.0
Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Found:
    """An answer."""

    rcode: str
    """NOERROR, NXDOMAIN, SERVFAIL, ..."""
    texts: tuple[str, ...]
    """The records, as a zone file has them."""
    ttl_s: int = 0


async def found(server: Address, name: str, kind: str, what: str) -> Found:
    """Ask an authoritative server once, by UDP, and by TCP where that is too short. Raises Unavailable."""
    try:
        query = dns.message.make_query(name, kind, use_edns=0, payload=1_232)
        query.flags &= ~dns.flags.RD
        answer, _ = await dns.asyncquery.udp_with_fallback(
            query, server[0], port=server[1], timeout=QUERY_TIMEOUT_S, ignore_unexpected=True
        )
    except (dns.exception.DNSException, OSError, EOFError, ValueError) as error:
        raise Unavailable(f"{what}: {type(error).__name__}: {error}") from None
    wanted = dns.rdatatype.from_text(kind)
    sets = [rrset for rrset in answer.answer if rrset.rdtype == wanted]
    texts = tuple(record.to_text() for rrset in sets for record in rrset)
    return Found(dns.rcode.to_text(answer.rcode()), texts, min((rrset.ttl for rrset in sets), default=0))

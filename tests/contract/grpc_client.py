"""A proxyless gRPC client in a process of its own, for its xDS bootstrap is one per process.

Run: python grpc_client.py PORT METHOD SERVICE...    with GRPC_XDS_BOOTSTRAP_CONFIG set

It connects to PORT and obeys lines, each with a line of JSON: `SERVICE N` makes N calls and answers with counts by
what came back; `SERVICE until CLUSTER` calls until that cluster answers and says when, on the monotonic clock that all
processes share. METHOD answers with the name of a cluster. Nothing of this repository is imported: it starts faster.
"""

import collections
import json
import socket
import sys
import time

import grpc

IN_FLIGHT = 16


def outcome(call: grpc.Future) -> str:
    """Who answered; SHED for a drop that the assignment asks for."""
    try:
        return str(call.result().decode())
    except grpc.RpcError as error:
        return "SHED" if "drop" in error.details() else f"ERROR {error.code().name} {error.details()}"


def send(who: grpc.UnaryUnaryMultiCallable, calls: int) -> collections.Counter[str]:
    """Counts by outcome of calls, a few at a time."""
    counts: collections.Counter[str] = collections.Counter()
    open_calls: collections.deque[grpc.Future] = collections.deque()
    for _ in range(calls):
        if len(open_calls) == IN_FLIGHT:
            counts[outcome(open_calls.popleft())] += 1
        open_calls.append(who.future(b"", timeout=5))
    counts.update(outcome(call) for call in open_calls)
    return counts


def until(who: grpc.UnaryUnaryMultiCallable, cluster: str) -> float:
    """The monotonic time of the first answer from a cluster, one call after another."""
    while outcome(who.future(b"", timeout=5)) != cluster:
        pass
    return time.monotonic()


def main(port: int, method: str, services: list[str]) -> None:
    """Obey until the other side hangs up."""
    channels = {service: grpc.insecure_channel(f"xds:///{service}") for service in services}
    for channel in channels.values():
        channel.subscribe(lambda _state: None, try_to_connect=True)
    with socket.create_connection(("127.0.0.1", port)) as connection, connection.makefile("rw") as lines:
        for line in lines:
            service, *order = line.split()
            who = channels[service].unary_unary(method)
            answer = until(who, order[1]) if order[0] == "until" else send(who, int(order[0]))
            lines.write(json.dumps(answer) + "\n")
            lines.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3:])

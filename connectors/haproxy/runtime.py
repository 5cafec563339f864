"""One question to the runtime socket of an HAProxy: a connection, a line of commands, an answer to its end."""

import asyncio

from connectors.connector import Unavailable

LINE_MAX_BYTES = 8_000
"""Half of HAProxy's default tune.bufsize, which is the longest line that it reads."""
ANSWER_MAX_BYTES = 4 * 2**20
"""About 20,000 servers; more is no answer to our questions."""
PIECE_BYTES = 65_536


async def ask(socket: str, line: str, what: str) -> str:
    """All that HAProxy says to some commands, joined by semicolons. Raises Unavailable, naming `what`.

    An answer is whole when it ends with an empty line; anything else was cut off on its way.
    """
    try:
        answer = await _exchange(socket, line, what)
    except (OSError, UnicodeError) as error:
        raise Unavailable(f"{what}: {type(error).__name__}: {error}") from None
    if not answer.endswith("\n\n") and answer != "\n":
        raise Unavailable(f"{what}: the answer is cut off after {len(answer)} characters: {answer[-60:]!r}")
    return answer


async def _exchange(socket: str, line: str, what: str) -> str:
    reader, writer = await _connect(socket)
    try:
        writer.write(line.encode("ascii") + b"\n")
        answer = bytearray()
        while piece := await reader.read(PIECE_BYTES):
            answer += piece
            if len(answer) > ANSWER_MAX_BYTES:
                raise Unavailable(f"{what}: the answer has more than {ANSWER_MAX_BYTES} bytes; this is no HAProxy")
        return answer.decode("utf-8")
    finally:
        writer.transport.abort()


async def _connect(socket: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if socket.startswith("/"):
        return await asyncio.open_unix_connection(socket)
    host, _, port = socket.rpartition(":")
    return await asyncio.open_connection(host.strip("[]"), int(port))


def lines_of(commands: list[str]) -> list[str]:
    """Commands joined into as few lines as HAProxy reads whole, in their order."""
    lines: list[str] = []
    for command in commands:
        if lines and len(lines[-1]) + len(command) < LINE_MAX_BYTES:
            lines[-1] += f";{command}"
        else:
            lines.append(command)
    return lines

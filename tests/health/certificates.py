"""Certificates made on the spot by openssl, and a TLS server that shows them."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path


def certificate(folder: Path, name: str, days: int) -> Path:
    """A self-signed certificate for a name, with its key in the same file; below 0 days it has expired."""
    key, asked, names, made = (folder / f"{name}.{end}" for end in ("key", "csr", "ext", "pem"))
    names.write_text(f"subjectAltName=DNS:{name}\n", encoding="utf-8")
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    request = ["req", *curve, "-subj", f"/CN={name}", "-keyout", str(key), "-out", str(asked)]
    signing = ["x509", "-req", "-in", str(asked), "-signkey", str(key), "-days", str(days), "-extfile", str(names)]
    for command in (request, [*signing, "-out", str(made)]):
        subprocess.run(["openssl", *command], check=True, capture_output=True)
    made.write_bytes(made.read_bytes() + key.read_bytes())
    return made


@asynccontextmanager
async def serving(pem: Path, answer: bytes = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok") -> AsyncIterator[int]:
    """A TLS server on loopback; yields the port."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(once, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]

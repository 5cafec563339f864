"""The stand-in over HTTPS with a kubeconfig, as a real API server is reached: for a test, and by hand.

By hand: `python -m tests.kubernetes.secured FOLDER` serves it and writes FOLDER/kubeconfig; elsewhere
`EQUIPOISE_KUBECONFIG=FOLDER/kubeconfig python -m pytest tests/contract -k gateway` runs the contract suite in front of
it, by the same path as in front of a real server.
"""

import asyncio
import base64
import contextlib
import ssl
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from tests.health.certificates import certificate
from tests.kubernetes.server import StandIn

NAME = "api.example"
KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: stand-in
contexts: [{{name: stand-in, context: {{cluster: stand-in, user: admin}}}}]
clusters:
- name: stand-in
  cluster: {{server: "{url}", certificate-authority-data: "{authority}", tls-server-name: {name}}}
users: [{{name: admin, user: {{tokenFile: "{token}"}}}}]
"""


@contextlib.asynccontextmanager
async def secured(folder: Path) -> AsyncIterator[tuple[StandIn, Path]]:
    """The server, and the kubeconfig of its administrator."""
    pem = certificate(folder, NAME, 9)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    standin = StandIn(tls=context)
    await standin.start()
    token, kubeconfig = folder / "token", folder / "kubeconfig"
    token.write_text(standin.admin_token + "\n", encoding="utf-8")
    alone = pem.read_text(encoding="utf-8").split("-----BEGIN EC PRIVATE")[0].split("-----BEGIN PRIVATE")[0]
    authority = base64.b64encode(alone.encode()).decode()
    text = KUBECONFIG.format(url=standin.url, authority=authority, name=NAME, token=token)
    kubeconfig.write_text(text, encoding="utf-8")
    try:
        yield standin, kubeconfig
    finally:
        await standin.stop()


async def serve(folder: Path) -> None:
    """Until it is ended."""
    async with secured(folder) as (standin, kubeconfig):
        sys.stdout.write(f"{standin.url} {kubeconfig}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))

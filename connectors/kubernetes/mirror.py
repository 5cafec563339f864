"""A collection as it changes: listed once, then watched; listed anew where the server forgot what came between."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from connectors.kubernetes.answers import Expired
from connectors.kubernetes.api import KubernetesApi
from connectors.kubernetes.resource import Manifest, Resource, text

Key = tuple[str, str]
"""(namespace, name)."""
PAUSE_S = 0.05
"""Between two lists, where a server forgets faster than we ask."""


async def followed(
    api: KubernetesApi, resource: Resource, namespace: str = "", selector: str = ""
) -> AsyncGenerator[dict[Key, Manifest], None]:
    """The collection as it is, and again after every change to it, without end. The mapping is the same all along.

    Bookmarks move the place to go on from without a change. Raises Unavailable and Refused as the API does.
    """
    held: dict[Key, Manifest] = {}
    while True:
        found, version = await api.listed(resource, namespace, selector)
        held.clear()
        held.update({_key(manifest): manifest for manifest in found})
        yield held
        try:
            while True:
                async with aclosing(api.watch(resource, namespace, selector, version)) as events:
                    async for kind, manifest in events:
                        version = text(manifest, "metadata", "resourceVersion") or version
                        if kind == "BOOKMARK":
                            continue
                        if kind == "DELETED":
                            held.pop(_key(manifest), None)
                        else:
                            held[_key(manifest)] = manifest
                        yield held
        except Expired:
            await asyncio.sleep(PAUSE_S)


def _key(manifest: Manifest) -> Key:
    return text(manifest, "metadata", "namespace"), text(manifest, "metadata", "name")

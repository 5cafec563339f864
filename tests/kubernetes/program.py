"""The same requests for any API server, and what of its answers can be compared: for the difference test.

A step is a request with the path of Kubernetes' API; `{namespace}` stands for the namespace of the test and
`{version:NAME}` for the resourceVersion that the object of this name was last seen at. What no two servers share
(identities, times, versions, the words of a JSON parser) is left out of the comparison or replaced by a name; all else
must be equal.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from connectors.kubernetes.kubeconfig import Access
from tests.kubernetes.clusters import Cluster

APPLY, MERGE = "application/apply-patch+yaml", "application/merge-patch+json"
PATCH, JSON = "application/json-patch+json", "application/json"
STRICT = "fieldValidation=Strict"
ROUTES = "/apis/gateway.networking.k8s.io/v1/namespaces/{namespace}/httproutes"
MAPS = "/api/v1/namespaces/{namespace}/configmaps"
UNSHARED = ("uid", "creationTimestamp", "selfLink")


@dataclass(frozen=True)
class Step:
    """One request. `whole` compares the object in the answer, otherwise only how it was answered."""

    method: str
    path: str
    body: object = None
    kind: str = JSON
    whole: bool = True


class Player:
    """Plays steps to one server, and remembers versions."""

    def __init__(self, cluster: Cluster, access: Access | None = None) -> None:
        access = access or cluster.admin_access
        verify = access.context() if access.server.startswith("https:") else False
        headers = {"authorization": f"Bearer {access.bearer()}"} if access.bearer() else {}
        self.http = httpx.AsyncClient(base_url=access.server, verify=verify, headers=headers, trust_env=False)
        self.more = {"sni_hostname": access.server_name} if access.server_name else {}
        self.cluster, self.namespace, self.stand_in = cluster, cluster.namespace, cluster.stand_in
        self.versions: dict[str, str] = {}

    async def play(self, step: Step) -> dict[str, object]:
        """What is compared of the answer to a step."""
        body = None if step.body is None else self.filled(json.dumps(step.body)).encode()
        path = self.filled(step.path)
        kind = {"content-type": step.kind}
        answer = await self.http.request(step.method, path, content=body, headers=kind, extensions=self.more)
        try:
            found = answer.json()
        except ValueError:
            return {"step": step.path, "answered": answer.status_code, "words": answer.text.strip()}
        name = found.get("metadata", {}).get("name")
        if name and answer.status_code < 300 and "dryRun" not in path:
            self.versions[name] = found["metadata"].get("resourceVersion", "")
        return {"step": f"{step.method} {step.path}", "answered": answer.status_code, **self._shown(found, step.whole)}

    async def watched(self, path: str, until: str) -> list[object]:
        """(event, name, spec) up to the event of a name, or the one ERROR."""
        seen: list[object] = []
        async with self.http.stream("GET", self.filled(path), extensions=self.more) as answer:
            if answer.status_code != 200:
                return [answer.status_code, self._words(json.loads(await answer.aread()))]
            async for line in answer.aiter_lines():
                event = json.loads(line)
                thing = event["object"]
                if event["type"] == "ERROR":
                    return [*seen, ("ERROR", thing["code"], thing["reason"], self._words(thing))]
                if event["type"] != "BOOKMARK":
                    seen.append((event["type"], thing["metadata"]["name"], thing.get("spec"), thing.get("data")))
                if event["type"] != "BOOKMARK" and thing["metadata"]["name"] == until:
                    break
        return seen

    def filled(self, text: str) -> str:
        """With the namespace and the versions."""
        filled = text.replace("{namespace}", self.namespace)
        return re.sub(r"\{version:([\w-]+)\}", lambda found: self.versions.get(found[1], "0"), filled)

    def _shown(self, found: Mapping[str, Any], whole: bool) -> dict[str, object]:
        if found.get("kind") == "Status":
            causes = [
                (cause.get("reason"), cause.get("field"), self._stable(cause.get("message", "")))
                for cause in (found.get("details") or {}).get("causes") or []
            ]
            causes.sort(key=str)
            words = {key: found.get(key) for key in ("status", "reason", "code")}
            return words | {"message": self._words(found), "causes": causes}
        if not whole:
            return {"kind": found.get("kind")}
        if "items" in found:
            meta = found["metadata"]
            more = {"continue": bool(meta.get("continue")), "left": meta.get("remainingItemCount")}
            return {"kind": found["kind"], **more, "names": [item["metadata"]["name"] for item in found["items"]]}
        return {key: value for key, value in found.items() if key != "metadata"} | {
            "metadata": self._metadata(found["metadata"])
        }

    def _metadata(self, given: Mapping[str, Any]) -> dict[str, object]:
        shared = {k: v for k, v in given.items() if k not in {*UNSHARED, "resourceVersion", "managedFields"}}
        managed = [
            {key: value for key, value in entry.items() if key != "time"} for entry in given.get("managedFields") or []
        ]
        managed.sort(key=lambda entry: json.dumps(entry, sort_keys=True))
        return shared | {"namespace": "the test's" if shared.get("namespace") else None, "managedFields": managed}

    def _words(self, status: Mapping[str, Any]) -> str:
        return self._stable(str(status.get("message", "")))

    def _stable(self, words: str) -> str:
        known = re.sub(r'patch: Invalid value: ".*": strict', "patch: Invalid value: OBJECT: strict", words)
        known = re.sub(r'^Invalid value: ".*": strict', "Invalid value: OBJECT: strict", known)
        known = re.sub(r"(continue key is not valid).*", r"\1", known)
        return re.sub(r"\b\d{3,}\b", "N", known.replace(self.namespace, "NAMESPACE"))


def route(*backends: Mapping[str, object], name: str = "shop", meta: object = None, **more: object) -> dict[str, Any]:
    """An HTTPRoute."""
    metadata = {"name": name, **(meta if isinstance(meta, dict) else {})}
    spec = {"parentRefs": [{"name": "shared"}], "rules": [{"backendRefs": list(backends)}], **more}
    return {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": metadata, "spec": spec}


def map_of(name: str, meta: object = None, **data: str) -> dict[str, Any]:
    """A ConfigMap."""
    metadata = {"name": name, **(meta if isinstance(meta, dict) else {})}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def applied(body: dict[str, Any], manager: str = "one", more: str = "", whole: bool = True) -> Step:
    """Server-side apply."""
    place = ROUTES if body["kind"] == "HTTPRoute" else MAPS
    path = f"{place}/{body['metadata']['name']}?fieldManager={manager}&{STRICT}{more}"
    return Step("PATCH", path, body, APPLY, whole)


EAST = {"name": "east", "port": 80, "weight": 90}
WEST = {"name": "west", "port": 80, "weight": 10}
SHOP = f"{ROUTES}/shop"
LOOK = Step("GET", SHOP)
WEIGHT = "/spec/rules/0/backendRefs/0/weight"
CONDITION = {
    "type": "Accepted", "status": "True", "reason": "Accepted", "message": "", "observedGeneration": 1,
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}  # fmt: skip
SAID = {"parents": [{"parentRef": {"name": "shared"}, "controllerName": "example.net/one", "conditions": [CONDITION]}]}
HPA = {
    "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "shop"},
    "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"}, "maxReplicas": 5},
}  # fmt: skip
HPAS = "/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers"

PROGRAM: dict[str, list[Step]] = {
    "apply, defaults, ownership": [
        applied(route({"name": "east", "port": 80})), LOOK, applied(route({"name": "east", "port": 80})), LOOK,
        applied(route(EAST, WEST)), LOOK, applied(route(EAST, hostnames=["a.example"])), LOOK,
        applied(route(EAST)), LOOK,
    ],
    "apply over others": [
        applied(route(EAST, WEST), "two"), applied(route(EAST, WEST)), LOOK,
        applied(route(EAST, WEST | {"weight": 50})), applied(route(EAST, WEST | {"weight": 50}), more="&force=true"),
        LOOK, applied(route(EAST, WEST), "two"),
        Step("PATCH", f"{SHOP}?fieldManager=edit", [{"op": "replace", "path": WEIGHT, "value": 7}], PATCH), LOOK,
        applied(route(EAST, WEST)), applied(route(EAST, WEST, meta={"annotations": {"a": "b"}}), "three"),
        applied(route(EAST, WEST), more="&force=true"), LOOK,
        applied(route(meta={"labels": {"a": "b"}}) | {"spec": {"parentRefs": [{"name": "shared"}]}}, "four"), LOOK,
    ],
    "apply of what cannot be": [
        applied(route(EAST | {"weight": 2_000_000})), applied(route(EAST | {"weight": -1})),
        applied(route(EAST | {"weight": "90"})), applied(route(EAST | {"wait": 1})),
        applied(route(*[EAST] * 17)), applied(route({"name": "east"})),
        applied(route(EAST, hostnames=["a.example", "A"])), applied(route(EAST, rules=[])),
        applied(route(EAST, rules=[{"matches": [{"path": {"type": "Exact", "value": "a"}}]}])),
        Step("PATCH", f"{SHOP}?{STRICT}", route(EAST), APPLY),
        Step("PATCH", f"{ROUTES}/other?fieldManager=one", route(EAST), APPLY),
        Step("PATCH", f"{SHOP}?fieldManager=one", route(EAST) | {"kind": "GRPCRoute"}, APPLY),
        Step("PATCH", f"{SHOP}?fieldManager=one", route(EAST) | {"apiVersion": "v1"}, APPLY),
        applied(route(EAST, meta={"managedFields": [{"manager": "x"}]})), LOOK,
    ],
    "dry runs": [
        applied(route(EAST), more="&dryRun=All"), LOOK,
        Step("POST", f"{ROUTES}?dryRun=All&fieldManager=one", route(EAST)), LOOK,
        applied(route(EAST)), applied(route(EAST, WEST), more="&dryRun=All"), LOOK,
        Step("DELETE", f"{SHOP}?dryRun=All", whole=False), LOOK,
        applied(route(EAST | {"weight": -1}), more="&dryRun=All"),
    ],
    "versions": [
        applied(route(EAST)), applied(route(EAST, meta={"resourceVersion": "{version:shop}"})),
        applied(route(WEST, meta={"resourceVersion": "1"})),
        applied(route(EAST, name="new", meta={"resourceVersion": "1"})),
        Step("PUT", f"{SHOP}?fieldManager=one", route(WEST)),
        Step("PUT", f"{SHOP}?fieldManager=one", route(WEST, meta={"resourceVersion": "1"})),
        Step("PUT", f"{SHOP}?fieldManager=one", route(WEST, meta={"resourceVersion": "{version:shop}"})), LOOK,
        Step("PUT", f"{ROUTES}/none?fieldManager=one", route(WEST, name="none", meta={"resourceVersion": "1"})),
        Step("POST", f"{ROUTES}?fieldManager=one", route(WEST)),
        Step("DELETE", SHOP, whole=False), Step("DELETE", SHOP), LOOK,
    ],
    "patches": [
        applied(route(EAST, WEST)),
        Step("PATCH", f"{SHOP}?fieldManager=two", [{"op": "test", "path": WEIGHT, "value": 1}], PATCH),
        Step("PATCH", f"{SHOP}?fieldManager=two", [{"op": "replace", "path": "/spec/none/0", "value": 1}], PATCH),
        Step("PATCH", f"{SHOP}?fieldManager=two", [
            {"op": "test", "path": WEIGHT, "value": 90}, {"op": "replace", "path": WEIGHT, "value": 5},
        ], PATCH),
        Step("PATCH", f"{SHOP}?fieldManager=two", [{"op": "replace", "path": WEIGHT, "value": -5}], PATCH),
        Step("PATCH", f"{SHOP}?fieldManager=two&{STRICT}", [{"op": "add", "path": "/spec/no", "value": 5}], PATCH),
        Step("PATCH", f"{SHOP}?fieldManager=two", [{"op": "add", "path": "/spec/no", "value": 5}], PATCH),
        Step("PATCH", f"{SHOP}?fieldManager=two", {"spec": {"hostnames": ["a.example"]}}, MERGE),
        Step("PATCH", f"{SHOP}?fieldManager=two", {"spec": {"hostnames": None}}, MERGE),
        Step("PATCH", f"{SHOP}?fieldManager=two", {"metadata": {"annotations": {"a": "b"}}}, MERGE), LOOK,
        Step("PATCH", f"{ROUTES}/none?fieldManager=two", {"spec": {}}, MERGE),
        Step("PATCH", SHOP, {"spec": {}}, "text/plain"),
    ],
    "status": [
        applied(route(EAST)),
        Step("PATCH", f"{SHOP}?fieldManager=mesh", {"status": SAID}, MERGE),
        Step("PATCH", f"{SHOP}/status?fieldManager=mesh", {"status": SAID, "spec": {"hostnames": ["b"]}}, MERGE), LOOK,
        Step("PATCH", f"{SHOP}/status?fieldManager=mesh", {"status": {"parents": [{"a": 1}]}}, MERGE),
        applied(route(WEST)), LOOK,
        Step("GET", f"{SHOP}/status", whole=False), Step("GET", f"{SHOP}/scale"),
    ],
    "maps": [
        applied(map_of("a", a="1")), applied(map_of("a", b="2"), "two"), Step("GET", f"{MAPS}/a"),
        applied(map_of("a", a="2"), "two"), applied(map_of("a")), Step("GET", f"{MAPS}/a"),
        Step("POST", f"{MAPS}?fieldManager=one", map_of("a")), Step("POST", MAPS, map_of("A B")),
        Step("PATCH", f"{MAPS}/a?fieldManager=x&{STRICT}", map_of("a") | {"dota": {}}, APPLY),
        Step("PATCH", f"{MAPS}/a?fieldManager=x", map_of("a") | {"data": {"a": 1}}, APPLY),
    ],
    "lists": [
        *(Step("POST", MAPS, map_of(f"page-{row}", {"labels": {"row": str(row % 2)}})) for row in range(5)),
        Step("GET", f"{MAPS}?labelSelector=row%3D0"), Step("GET", f"{MAPS}?labelSelector=row%3D0&limit=2"),
        Step("GET", f"{MAPS}?labelSelector=row&limit=10"), Step("GET", f"{MAPS}?labelSelector=row%21%3D0"),
        Step("GET", f"{ROUTES}?limit=5"), Step("GET", f"{MAPS}?limit=3&continue=nonsense"),
    ],
    "what is not there": [
        LOOK, Step("GET", f"{MAPS}/none"), Step("GET", "/apis/nowhere.dev/v1/namespaces/{namespace}/things"),
        Step("GET", "/api/v1/namespaces/{namespace}/things"), Step("GET", "/apis/apps/v1/nothing"),
        Step("POST", "/api/v1/namespaces/none/configmaps", map_of("a")),
        Step("DELETE", f"{MAPS}/none"),
    ],
    "autoscalers": [
        Step("POST", HPAS, HPA, whole=False), Step("GET", f"{HPAS}/shop", whole=False),
        Step("PATCH", f"{HPAS}/shop", [{"op": "add", "path": "/spec/minReplicas", "value": 0}], PATCH),
        Step("PATCH", f"{HPAS}/shop", [{"op": "add", "path": "/spec/minReplicas", "value": 6}], PATCH),
        Step("PATCH", f"{HPAS}/shop", [{"op": "add", "path": "/spec/minReplicas", "value": 2}], PATCH, whole=False),
        Step("PATCH", f"{HPAS}/shop", [{"op": "test", "path": "/metadata/resourceVersion", "value": "1"}], PATCH),
        Step("PATCH", f"{HPAS}/shop", {"spec": {"maxReplicas": 0}}, MERGE),
    ],
}  # fmt: skip

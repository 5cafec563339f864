"""Kubeconfigs: what is taken, what is refused and why, and that no secret is printed."""

import base64
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.connector import Refused
from connectors.kubernetes.api import KubernetesApi
from connectors.kubernetes.kubeconfig import BadKubeconfig, from_kubeconfig, from_pod
from connectors.kubernetes.resource import CONFIG_MAP

HEAD = """
apiVersion: v1
kind: Config
current-context: one
contexts:
- {name: one, context: {cluster: c, user: u}}
- {name: two, context: {cluster: c, user: nobody}}
clusters:
- {name: c, cluster: {server: "https://10.0.0.1:6443/", CLUSTER}}
users:
- {name: u, user: {USER}}
"""


def written(folder: Path, user: str = "token: abc", cluster: str = "tls-server-name: api") -> Path:
    """A kubeconfig with this user."""
    path = folder / "config"
    path.write_text(HEAD.replace("USER", user).replace("CLUSTER", cluster))
    return path


def test_kubeconfig_with_a_token_gives_access_and_prints_no_secret(tmp_path: Path) -> None:
    access = from_kubeconfig(written(tmp_path, "token: very-secret"))

    assert (access.server, access.bearer(), access.server_name) == ("https://10.0.0.1:6443", "very-secret", "api")
    assert "very-secret" not in repr(access)


def test_kubeconfig_with_a_token_file_reads_it_anew_each_time(tmp_path: Path) -> None:
    access = from_kubeconfig(written(tmp_path, "tokenFile: token"))
    for token in ("first", "second"):
        (tmp_path / "token").write_text(f"{token}\n")
        assert access.bearer() == token


@pytest.mark.parametrize(
    ("user", "cluster", "why"),
    [
        ("exec: {command: gke-gcloud-auth-plugin}", "a: b", "logs in by `exec`.*equipoise rbac"),
        ("auth-provider: {name: oidc}", "a: b", "logs in by `auth-provider`"),
        ("token: a", "insecure-skip-tls-verify: true", "skips the check"),
        ("client-certificate-data: YQ==", "a: b", "belong together"),
        ("client-certificate-data: '%%%', client-key-data: YQ==", "a: b", "client-certificate: "),
        ("client-certificate: missing.pem, client-key: missing.key", "a: b", "missing.pem: No such file"),
        ("token: a", "certificate-authority: gone.crt", "gone.crt: No such file"),
    ],
)
def test_kubeconfig_that_cannot_be_used_says_why(tmp_path: Path, user: str, cluster: str, why: str) -> None:
    with pytest.raises(BadKubeconfig, match=why):
        from_kubeconfig(written(tmp_path, user, cluster))


def test_kubeconfig_over_plain_http_is_refused_beyond_this_machine(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_text(path.read_text().replace("https://10", "http://10"))

    with pytest.raises(BadKubeconfig, match="in the clear"):
        from_kubeconfig(path)


def test_kubeconfig_context_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(BadKubeconfig, match="no context 'three'; there is one, two"):
        from_kubeconfig(written(tmp_path), "three")
    with pytest.raises(BadKubeconfig, match="no user 'nobody'; there is u"):
        from_kubeconfig(written(tmp_path), "two")


def test_access_with_an_authority_that_is_no_certificate_says_so(tmp_path: Path) -> None:
    data = base64.b64encode(b"-----BEGIN CERTIFICATE-----\nnothing\n-----END CERTIFICATE-----\n").decode()
    access = from_kubeconfig(written(tmp_path, cluster=f"certificate-authority-data: {data}"))

    with pytest.raises(BadKubeconfig, match="a certificate cannot be used"):
        access.context()


async def test_api_with_a_bad_kubeconfig_refuses_and_names_the_origin(tmp_path: Path) -> None:
    api = KubernetesApi("home", lambda: from_kubeconfig(tmp_path / "nowhere"))

    with pytest.raises(Refused, match=r"home: .*nowhere: No such file"):
        await api.get(CONFIG_MAP, "shop", "x")


def test_pod_access_is_read_where_the_kubelet_puts_it(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("pem")
    (tmp_path / "token").write_text("t")
    environment = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}

    access = from_pod(environment, tmp_path)

    assert (access.server, access.bearer()) == ("https://[fd00::1]:443", "t")
    with pytest.raises(BadKubeconfig, match="this is no pod"):
        from_pod({}, tmp_path)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(text=st.text(max_size=200) | st.sampled_from(["contexts: 1", "current-context: a\ncontexts: [1, {name: a}]"]))
def test_kubeconfig_of_any_text_is_bad_and_nothing_else(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any-kubeconfig"
    path.write_text(text, encoding="utf-8", errors="replace")

    with pytest.raises(BadKubeconfig):
        from_kubeconfig(path)

"""Loading: every fault has a file named after it, whose first lines are the messages it must give."""

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.load import load
from config.problem import Invalid
from config.source import FILE_MAX_BYTES

HERE = Path(__file__).parent
BASE = HERE / "base.yaml"
FAULTS = sorted((HERE / "invalid").glob("*.yaml"))
EXAMPLE = HERE.parents[1] / "config" / "example"


def problems_of(*paths: Path) -> list[str]:
    """The messages, with the names of files for their paths."""
    with pytest.raises(Invalid) as caught:
        load(*paths)
    folders = {path.parent.as_posix() + "/" for path in paths}
    texts = [str(problem) for problem in caught.value.problems]
    for folder in sorted(folders, key=len, reverse=True):
        texts = [text.replace(folder, "") for text in texts]
    return texts


@pytest.mark.parametrize("fault", FAULTS, ids=lambda path: path.stem)
def test_load_with_a_fault_says_where_and_what(fault: Path) -> None:
    expected = [line[3:] for line in fault.read_bytes().decode(errors="replace").splitlines() if line[:3] == "#: "]

    assert problems_of(BASE, fault) == expected


def test_load_of_the_example_folder_is_valid() -> None:
    assert str(load(EXAMPLE)) == "3 clusters, 3 services, 3 origins (18 documents in 6 files)"


def test_load_with_faults_in_several_files_reports_all_sorted_by_place(tmp_path: Path) -> None:
    for name in ("unknown_key", "negative_number", "not_yaml"):
        (tmp_path / f"{name}.yaml").write_bytes((HERE / "invalid" / f"{name}.yaml").read_bytes())

    with pytest.raises(Invalid) as caught:
        load(BASE, tmp_path)

    problems = caught.value.problems
    assert {Path(problem.file).stem for problem in problems} == {"unknown_key", "negative_number", "not_yaml"}
    assert list(problems) == sorted(problems)


def test_load_with_a_broken_file_does_not_claim_that_something_is_missing(tmp_path: Path) -> None:
    """What is not found may stand behind the fault, so only the fault is reported."""
    (tmp_path / "fleet.yaml").write_text(BASE.read_text().replace("kind: PriceBook", "kind: [PriceBook"))

    assert [text.split(": ")[0] for text in problems_of(tmp_path / "fleet.yaml")] == ["fleet.yaml:63:9"]


def test_load_without_a_transfer_price_names_the_pair_once(tmp_path: Path) -> None:
    wildcards = ('  - {from: "*", to: north, usdPerGb: 0.07}\n', '  - {from: "*", to: "*", usdPerGb: 0.1}\n')
    text = BASE.read_text()
    for line in wildcards:
        text = text.replace(line, "")
    (tmp_path / "fleet.yaml").write_text(text)

    assert problems_of(tmp_path / "fleet.yaml") == [
        f'fleet.yaml:59:1: Origin "users": no PriceBook has egress from {pair}'
        for pair in (
            'north to west (cluster "home")',
            'west to north (cluster "home")',
            'west to south (cluster "away")',
        )
    ]


def test_load_of_a_yaml_bomb_is_refused_at_once() -> None:
    began_s = time.perf_counter()
    problems_of(HERE / "invalid" / "yaml_bomb.yaml")

    assert time.perf_counter() - began_s < 2.0, "what it says would not fit into any memory"


def test_load_of_a_large_file_refuses_it_unread(tmp_path: Path) -> None:
    large = tmp_path / "large.yaml"
    large.write_bytes(b"#" * (FILE_MAX_BYTES + 1))

    assert problems_of(large) == ["large.yaml: larger than 1048576 bytes; use several files in a folder"]


def test_load_of_what_is_not_there_says_so(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    assert problems_of(tmp_path / "fleet.yaml", tmp_path / "empty") == [
        "empty: no .yaml, .yml, .json file in this folder",
        "fleet.yaml: no such file or folder",
    ]


def test_load_without_a_fleet_names_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("# nothing yet\n---\n")

    assert problems_of(tmp_path / "a.yaml") == [
        f"a.yaml: no {kind} among 0 documents; a fleet needs at least one" for kind in ("Cluster", "Origin", "Service")
    ]


def test_load_of_a_folder_reads_yaml_and_json_at_any_depth_but_nothing_hidden(tmp_path: Path) -> None:
    cluster, rest = BASE.read_text().split("\n---\n", maxsplit=1)
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "rest.yml").write_text(rest)
    (tmp_path / "cluster.yaml").write_text(cluster)
    (tmp_path / "policy.json").write_text(
        '{\n\t"apiVersion": "equipoise.dev/v1alpha1", "kind": "Policy",\n\t"metadata": {"name": "p"},\n'
        '\t"spec": {"tick": {"periodSeconds": 2}}\n}\n'
    )
    (tmp_path / "..data").mkdir()
    (tmp_path / "..data" / "cluster.yaml").write_text(cluster)
    (tmp_path / "notes.txt").write_text("not for us")

    configuration = load(tmp_path)

    assert (configuration.files, configuration.documents) == (3, 9)
    assert configuration.policy.tick.period_seconds == 2


def test_load_reads_words_as_yaml_1_2_does(tmp_path: Path) -> None:
    """NO is Norway and not false, 012 is twelve, and a day is text until a key asks for a day."""
    base = BASE.read_text()
    text = (
        base.replace("jurisdiction: EU", "jurisdiction: NO").replace("[EU]", "[NO]").replace("nodes: 4", "nodes: 012")
    )
    (tmp_path / "fleet.yaml").write_text(text)

    home = load(tmp_path).cluster_by_name()["home"]

    assert (home.spec.jurisdiction, home.spec.pools[0].nodes) == ("NO", 12)


def test_load_follows_aliases(tmp_path: Path) -> None:
    text = BASE.read_text().replace("perNode: {vcpu: 4, memoryGib: 16}", "perNode: &small {vcpu: 4, memoryGib: 16}", 1)
    first, rest = text.split("\n---\n", maxsplit=1)
    first = first.replace("perNode: {vcpu: 8, memoryGib: 32, gpu: 1}", "perNode: *small")
    rest = rest.replace("{large: 1, small: 0}", "{large: 1}")
    (tmp_path / "fleet.yaml").write_text(first + "\n---\n" + rest)

    home = load(tmp_path).cluster_by_name()["home"]

    assert home.spec.pools[0].per_node == home.spec.pools[1].per_node


def test_load_without_a_policy_has_the_defaults_that_the_example_documents() -> None:
    example, default = load(EXAMPLE).policy, load(BASE).policy

    shown = {  # what has no default to show
        "telemetry": default.telemetry,
        "drills": example.drills.model_copy(update={"blocked": ()}),
        "probes": example.probes.model_copy(update={"vantages": (), "allow": ()}),
        "server": example.server.model_copy(
            update={
                "vantages": None,
                "tls": None,
                "xds_tls": None,
                "kubernetes_lease": None,
                "access": example.server.access.model_copy(update={"tokens": (), "certificates": (), "oidc": None}),
            }
        ),
    }
    assert example.model_copy(update=shown) == default


SOURCES = [BASE.read_text(), *(path.read_text() for path in sorted(EXAMPLE.glob("*.yaml")))]
PIECES = st.one_of(
    st.sampled_from(
        ["\n---\n", ": ", "- ", "{", "}", "[", "]", "&a ", "*a", "!", "\t", '"', "'", "|", "#", "? ", "\\U"]
    ),
    st.sampled_from(
        ["null", "-1", ".nan", "1e999", "true", "{}", "[]", "kind: Policy", "%YAML 9.9\n", "\x85", "\ufeff"]
    ),
    st.text(max_size=5),
)


@settings(max_examples=60, deadline=None)
@given(source=st.sampled_from(SOURCES), edits=st.lists(st.tuples(st.integers(0, 9_999), PIECES, st.integers(0, 9))))
def test_load_of_damaged_text_raises_nothing_but_invalid(
    tmp_path_factory: pytest.TempPathFactory, source: str, edits: list[tuple[int, str, int]]
) -> None:
    for position, piece, cut in edits:
        at = position % (len(source) + 1)
        source = source[:at] + piece + source[at + cut :]
    file = tmp_path_factory.mktemp("damaged") / "fleet.yaml"
    file.write_bytes(source.encode("utf-8", errors="surrogatepass"))

    reasons: list[str] = []
    try:
        load(file)
    except Invalid as invalid:
        reasons.extend(problem.reason for problem in invalid.problems)

    assert all(reason.isprintable() for reason in reasons), reasons

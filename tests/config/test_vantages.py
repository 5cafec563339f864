import pytest
from pydantic import ValidationError

from config.policy import Probes

ONE = {"name": "fra", "tokenSha256": "a" * 64}


def test_quorum_of_the_controller_and_its_vantages_is_taken() -> None:
    probes = Probes.model_validate({"quorum": 2, "vantages": [ONE]})

    assert [vantage.name for vantage in probes.vantages] == ["fra"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"quorum": 3, "vantages": [ONE]}, "quorum 3 is never reached by 2 vantages"),
        ({"vantages": [ONE, ONE | {"tokenSha256": "b" * 64}]}, "two vantages have the same name"),
        ({"vantages": [ONE, ONE | {"name": "iad"}]}, "two vantages have the same tokenSha256"),
        ({"vantages": [ONE | {"tokenSha256": "hunter2"}]}, "match pattern"),
        ({"fall": 9}, "fallDisputed 8 is below fall 9"),
    ],
)
def test_probes_that_could_never_agree_or_be_told_apart_are_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Probes.model_validate(fields)

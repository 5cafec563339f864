import json

import pytest

from placement.weights import table_from_content, table_of


def test_table_with_weights_that_do_not_add_up_is_refused() -> None:
    with pytest.raises(AssertionError, match="do not add up to 100"):
        table_of("eu", 100, {"web": {"a": (60, 0), "b": (60, 0)}})


def test_table_when_a_share_is_missing_sheds_it() -> None:
    table = table_of("eu", 100, {"web": {"a": (60, 0), "b": (0, 1)}})

    assert table.shed_weight.tolist() == [40]


def test_table_through_json_and_back_is_the_same() -> None:
    table = table_of("eu", 100, {"web": {"a": (60, 0), "b": (40, 0), "c": (0, 1)}}, fence=(3, 7))

    back = table_from_content(json.loads(json.dumps(table.content())), (3, 7))

    assert back.digest() == table.digest()
    assert back.fence == (3, 7)


def test_digest_when_only_the_fence_differs_is_equal() -> None:
    table = table_of("eu", 100, {"web": {"a": (100, 0)}})

    assert table.fenced(9, 9).digest() == table.digest()

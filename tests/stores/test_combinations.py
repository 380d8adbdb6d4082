"""A slice of the campaign over store, lake, anchors and settings of different times and projects."""

from pathlib import Path

from tests.stores.combinations import campaign


def test_no_combination_of_store_lake_and_anchors_loses_a_file_or_is_taken_without_a_word(tmp_path: Path) -> None:
    found = campaign(tmp_path, 8, 2)
    assert found.wrong == []
    assert found.outcomes["fits"]
    assert found.outcomes["refused"] == found.outcomes["adopted"] > found.outcomes["fits"]
    assert found.outcomes["given back"]
    assert found.files > 20

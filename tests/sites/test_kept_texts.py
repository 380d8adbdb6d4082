"""Replaced texts of a file have one order, also those of one second and those that an earlier release kept."""

from pathlib import Path

from assets.sites.edit_site import store_text, text_versions
from tests.reports import plant


def test_texts_of_one_second_are_listed_in_the_order_of_their_acts(tmp_path: Path) -> None:
    path, folder = tmp_path / "plant.yaml", tmp_path / "texts"
    folder.mkdir()
    # As an earlier release kept it: without a number.
    (folder / f"{plant.NOON:%Y%m%dT%H%M%SZ}.ffffffffffff.carla.yaml").write_text("first")
    texts = [f"name: {number}\n" for number in range(12)]
    for text in texts:
        path.write_text(text)
        store_text(path, folder, "carla", plant.NOON)
    kept = text_versions(folder)
    assert [(folder / each.name).read_text() for each in kept] == [*reversed(texts), "first"]
    assert {(each.at_utc, each.person_id) for each in kept} == {(plant.NOON, "carla")}

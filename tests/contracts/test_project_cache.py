"""The cache of an opened project: bounded places, counted, and one for all that open the folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from data_quality.contracts.work.project_cache import PLACES, Place, ProjectCache
from orchestration.open_project import OpenProject


def test_a_place_gives_up_what_was_asked_for_longest_ago_and_counts() -> None:
    place = Place[str, int](2)
    for name, value in (("a", 1), ("b", 2)):
        assert place.put(name, value) == value
    assert place.get("a") == 1
    place.put("c", 3)
    assert [place.get(name) for name in "abc"] == [1, None, 3]
    assert (place.hits, place.made) == (3, 3)


def test_an_answer_is_made_once_none_among_them_and_a_fault_is_not_kept() -> None:
    cache, made = ProjectCache(), list[str]()

    def make() -> None:
        made.append("made")
        if len(made) == 1:
            raise OSError

    with pytest.raises(OSError):
        cache.once("work", "a", make)
    for _ in range(3):
        cache.once("work", "a", make)
    assert (len(made), cache.place("work").hits) == (2, 2)


def test_of_two_that_make_one_answer_at_once_both_have_the_first() -> None:
    cache = ProjectCache()

    def slow() -> str:
        return cache.once("work", "a", lambda: "first") and "second"

    assert cache.once("work", "a", slow) == "first"


def test_every_place_has_a_name_and_a_bound() -> None:
    cache = ProjectCache()
    assert all(cache.place(name).most == most > 0 for name, most in PLACES.items())
    with pytest.raises(KeyError):
        cache.place("elsewhere")


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[list[OpenProject]]:
    found = [OpenProject(str(tmp_path / name)) for name in ("a", "a/../a", "b")]
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "meterloom.yaml").write_text("{}\n")
    yield found
    for each in found:
        each.close()


def test_a_folder_has_one_cache_however_often_it_is_opened(opened: list[OpenProject]) -> None:
    first, same, other = opened
    assert first.cache is same.cache is first.believing({}).cache
    assert other.cache is not first.cache

"""The cache of an opened project: bounded places, counted, and one for all that open the folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from data_quality.contracts.work.project_cache import PLACES, Counts, Place, ProjectCache
from orchestration.open_project import OpenProject


def test_a_place_gives_up_what_was_asked_for_longest_ago_and_counts() -> None:
    place = Place[str, int](2)
    for name, value in (("a", 1), ("b", 2)):
        assert place.put(name, value) == value
    assert place.get("a") == 1
    place.put("c", 3)
    assert [place.get(name) for name in "abc"] == [1, None, 3]
    assert place.counts == Counts(hits=3, misses=1, entries=2)


def test_an_answer_is_made_once_none_among_them_and_a_fault_is_not_kept() -> None:
    place, made = Place[str, int | None](2), list[str]()

    def make() -> int | None:
        made.append("made")
        if len(made) == 1:
            raise OSError
        return None

    with pytest.raises(OSError):
        place.once("a", make)
    assert [place.once("a", make) for _ in range(3)] == [None] * 3
    assert (len(made), place.counts) == (2, Counts(hits=2, misses=2, entries=1))


def test_of_two_that_make_one_answer_at_once_both_have_the_first() -> None:
    place = Place[str, str](2)

    def slow() -> str:
        place.put("a", "first")
        return "second"

    assert place.once("a", slow) == "first"


def test_every_place_has_a_name_and_a_bound() -> None:
    cache = ProjectCache()
    assert cache.counts == dict.fromkeys(PLACES, Counts(0, 0, 0))
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

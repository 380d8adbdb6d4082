"""Disaggregation on the measured end uses of an office, weeks without sub-meters scored; skipped without the data."""

import pytest

from tests.bench import nilm_bench

pytestmark = pytest.mark.skipif(not nilm_bench.OFFICE.is_file(), reason="needs the shared data")


def test_the_end_uses_of_an_office_are_found_in_weeks_without_sub_meters_within_a_fifth_of_what_is_wanted() -> None:
    assert nilm_bench.score_office(slack=1.2)


def test_a_winter_says_that_it_cannot_know_cooling() -> None:
    assert nilm_bench.score_winter()

"""Stale months of one build: as many sites as fit, a range of each, and no month twice."""

import pytest

from orchestration.month_keys import months_of_range
from orchestration.warehouse import fresh
from tests.kpi.seeded import plant

SITES = {name: plant(site_id=name) for name in ("a", "b", "c")}
METERS = len(SITES["a"].meters)


def test_sites_share_a_build_and_two_ranges_of_a_site_do_not() -> None:
    months = {"a|2025-01", "a|2025-02", "a|2025-06", "b|2025-02", "c|2025-03"}
    builds = fresh.builds_of(months, SITES)
    assert builds == [
        [("2025-01-01|a", "2025-02-01|a"), ("2025-02-01|b", "2025-02-01|b"), ("2025-03-01|c", "2025-03-01|c")],
        [("2025-06-01|a", "2025-06-01|a")],
    ]
    assert sorted(name for build in builds for each in build for name in months_of_range(*each)) == sorted(months)


def test_a_build_holds_so_many_meters_of_months_and_a_larger_site_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fresh, "METER_MONTHS", 2 * (METERS + fresh.CALENDAR))
    months = {"a|2025-01", "b|2025-01", "c|2025-01", "c|2025-02", "c|2025-03"}
    assert [len(build) for build in fresh.builds_of(months, SITES)] == [2, 1]

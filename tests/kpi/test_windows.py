"""Months that a run computes, and what the marts know afterwards: pure decisions."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.kpi.mart_windows import Window, after_publication, complete_up_to, span_after, stale_months, window_for
from assets.stores.warehouse.marts import BuildNote, Built, BuiltSite

SITE = BuiltSite(sha256="a", project="p")
WHOLE = Window(site_id="s", first=date(2023, 1, 1), after=date(2026, 1, 1), is_whole_site=True)


def window(first: str, after: str) -> Window:
    return Window(site_id="s", first=date.fromisoformat(first), after=date.fromisoformat(after))


def known(first: str, last: str) -> BuiltSite:
    return SITE.model_copy(update={"first": date.fromisoformat(first), "last": date.fromisoformat(last)})


@pytest.mark.parametrize(
    ("requested", "expected"),
    [
        (("2025-03-01", "2025-04-01"), ("2025-03-01", "2025-04-01")),  # inside: its own month
        (("2025-07-01", "2025-08-01"), ("2025-07-01", "2025-08-01")),  # the month after a whole one
        (("2025-09-01", "2025-10-01"), ("2025-07-01", "2025-10-01")),  # a gap becomes empty months of the span
        (("2024-11-01", "2024-12-01"), ("2024-11-01", "2025-01-01")),  # before the first day, in its month
    ],
)
def test_a_window_reaches_to_the_readings_that_were_there(
    requested: tuple[str, str], expected: tuple[str, str]
) -> None:
    built = known("2024-12-15", "2025-06-30")
    assert window_for(window(*requested), built=built, now=SITE, whole=WHOLE) == window(*expected)


def test_a_site_that_was_never_built_or_whose_file_changed_is_computed_whole() -> None:
    changed, other = window("2025-03-01", "2025-04-01"), SITE.model_copy(update={"sha256": "b"})
    for built, now in ((None, SITE), (known("2024-12-15", "2025-06-30"), other)):
        assert window_for(changed, built=built, now=now, whole=WHOLE) == WHOLE


def test_the_span_that_is_accounted_for_never_leads_the_windows() -> None:
    energy = (date(2024, 12, 15), date(2026, 2, 3))
    built = known("2024-12-15", "2025-06-30")
    assert span_after(built, window("2025-03-01", "2025-04-01"), energy) == (built.first, built.last)
    assert span_after(built, window("2025-07-01", "2026-03-01"), energy) == energy
    assert span_after(None, WHOLE, None) == (None, None)


entries = st.dictionaries(st.sampled_from([f"s|2025-{month:02d}" for month in range(1, 7)]), st.integers(1, 30))


@given(entries, st.integers(0, 30))
def test_every_month_that_changed_after_the_mark_is_stale_and_no_other(touched: dict[str, int], mark: int) -> None:
    built = Built(floor=mark, sites={"s": SITE})
    assert stale_months(built, touched, {"s": SITE}) == {name: id_ for name, id_ in touched.items() if id_ > mark}


@given(entries, st.sets(st.sampled_from([f"s|2025-{month:02d}" for month in range(1, 7)]), min_size=1))
def test_publishing_some_months_leaves_the_others_stale(touched: dict[str, int], done: set[str]) -> None:
    newest = max([*touched.values(), 1])
    note = BuildNote(entry=newest, years={}, months=tuple(sorted(done)), sites={"s": SITE})
    left = after_publication(Built(sites={"s": SITE}), note, touched, {"s": SITE})
    assert set(stale_months(left, touched, {"s": SITE})) == set(touched) - done
    assert (left.floor == newest) == (set(touched) <= done)


def test_a_changed_file_or_query_makes_everything_of_the_site_stale() -> None:
    built = Built(floor=9, months={"s|2025-01": 12}, sites={"s": SITE})
    for change in ({"sha256": "b"}, {"project": "q"}, {"baselines": "x@2"}):
        now = {"s": SITE.model_copy(update=change)}
        assert complete_up_to(built, "s", now["s"]) == 0
        assert stale_months(built, {"s|2025-01": 3}, now) == {"s|2025-01": 3}


def test_a_site_that_is_gone_is_forgotten() -> None:
    note = BuildNote(entry=5, years={}, months=(), sites={"s": SITE})
    assert set(after_publication(Built(sites={"gone": SITE}), note, {}, {"s": SITE}).sites) == {"s"}

"""Staleness asks all reports at once, and answers as if it asked each alone."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from assets.stores.lake.merges import digests_of
from reports.figures.trace import stale_revisions
from tests.reports.conftest import MakeWorld, World
from tests.reports.test_store import report
from tests.reports.test_trace import late_row

FIRST = datetime(2024, 12, 25, tzinfo=UTC)


@settings(max_examples=30, deadline=None)
@given(start=st.integers(0, 2500), hours=st.integers(1, 2500))
def test_many_digests_at_once_are_those_of_the_lake(good: World, start: int, hours: int) -> None:
    begin = FIRST + timedelta(hours=start)
    end = begin + timedelta(hours=hours)
    alone = good.lake.digest("plant", start_utc=begin, end_utc=end)
    nobody = ("nowhere", begin, end)
    assert digests_of(good.lake.store, [("plant", begin, end), nobody]) == {
        ("plant", begin, end): alone,
        nobody: good.lake.digest("nowhere", start_utc=begin, end_utc=end),
    }


def test_a_digest_of_the_past_leaves_out_what_came_later(world: MakeWorld) -> None:
    used = world()
    then, span = used.reports.store.known_at(used.clock), ("plant", FIRST, FIRST + timedelta(days=60))
    before = digests_of(used.lake.store, [span])[span]
    late_row(used)
    assert digests_of(used.lake.store, [span])[span] != before
    assert digests_of(used.lake.store, [span], as_of_utc=then)[span] == before


def test_what_a_revision_rests_on_is_what_its_traces_name(world: MakeWorld) -> None:
    used = world()
    report(used)
    figures = used.reports.figures("enpi_quarter/plant/2025-Q1", 1)
    wanted = {
        (each.kind, each.id, each.role, each.sha256)
        for figure in figures
        for each in figure.trace.inputs
        if each.kind in {"lake", "version"}
    }
    rows = used.reports.distinct_inputs()
    assert {(row["kind"], row["id"], row["role"], row["sha256"]) for row in rows} == wanted
    assert len(rows) == len(wanted)
    assert used.reports.stored_keys() == [("enpi_quarter/plant/2025-Q1", 1)]
    assert stale_revisions(used.reports, used.sources()) == {("enpi_quarter/plant/2025-Q1", 1): []}
    late_row(used)
    (changes,) = stale_revisions(used.reports, used.sources()).values()
    assert {change.kind for change in changes} == {"lake"}

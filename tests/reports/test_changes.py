"""A stale report names the figures that would be others, exactly those that the next revision prints."""

from decimal import Decimal

import pytest

from data_quality.contracts.errors import BadInput
from reports.figures.trace import stale_revisions
from reports.lifecycle.changes import between_revisions, newest_stale, parse_revision, what_changed
from reports.lifecycle.revise import store_revision
from tests.reports import plant
from tests.reports.conftest import MakeWorld
from tests.reports.quarter import enpi_quarter
from tests.reports.test_trace import by_path, late_row


def test_the_changed_figures_are_those_that_the_next_revision_prints(world: MakeWorld) -> None:
    used = world()
    content, _ = store_revision(used.build, used.reports, used.clock)
    stale = stale_revisions(used.reports, used.sources())[content.report_id, 1]
    now = used.reports.store.known_at(used.clock)
    assert what_changed(content.figures, stale, sources=used.sources(), as_of_utc=now) == []
    late_row(used)
    stale = stale_revisions(used.reports, used.sources())[content.report_id, 1]
    now = used.reports.store.known_at(used.clock)
    changed = what_changed(content.figures, stale, sources=used.sources(), as_of_utc=now)
    inputs = used.inputs_now()
    second, is_new = store_revision(lambda number: enpi_quarter(inputs, revision=number), used.reports, used.clock)
    assert is_new
    printed = {each.path: (each.was, each.now) for each in between_revisions(content.figures, second.figures)}
    assert {each.path: (each.was, each.now) for each in changed} == printed
    february = by_path(content, "seu/moulding/2025-02/actual_kwh")
    assert printed[february.path] == (february.value, by_path(second, february.path).value)
    # January and the other use rest on what did not move.
    assert not [path for path in printed if "/2025-01/" in path or path.startswith("seu/hvac/2025")]
    then = stale_revisions(used.reports, used.sources(), as_of_utc=used.reports.revisions()[0].recorded_at_utc)
    assert then == {(content.report_id, 1): []}


def test_a_changed_site_file_changes_what_rests_on_it(world: MakeWorld) -> None:
    used = world()
    content, _ = store_revision(used.build, used.reports, used.clock, site=used.site)
    used.site = plant.plant_site(tariffs=())
    stale = stale_revisions(used.reports, used.sources())[content.report_id, 1]
    now = used.reports.store.known_at(used.clock)
    changed = what_changed(content.figures, stale, sources=used.sources(), as_of_utc=now)
    assert changed
    assert {each.kpi for each in changed} == {"cost"}
    assert {each.now for each in changed} == {None}


def test_only_the_newest_revision_of_a_report_is_asked_to_be_made_again(world: MakeWorld) -> None:
    used = world()
    content, _ = store_revision(used.build, used.reports, used.clock)
    late_row(used)
    inputs = used.inputs_now()
    store_revision(lambda number: enpi_quarter(inputs, revision=number), used.reports, used.clock)
    stale = stale_revisions(used.reports, used.sources())
    assert stale[content.report_id, 1]
    assert newest_stale(used.reports, stale, name=content.name) == []
    late_row(used, value=501.0, name="later.csv")
    again = newest_stale(used.reports, stale_revisions(used.reports, used.sources()), name=content.name)
    assert [(revision.revision, bool(changes)) for revision, changes in again] == [(2, True)]


def test_a_revision_is_named_by_report_and_number(world: MakeWorld) -> None:
    used = world()
    content, _ = store_revision(used.build, used.reports, used.clock)
    assert parse_revision(content.report_id, used.reports).revision == 1
    assert parse_revision(f"{content.report_id}@1", used.reports).revision == 1
    with pytest.raises(BadInput, match=f"no revision 'nope@2'; there are {content.report_id}@1"):
        parse_revision("nope@2", used.reports)


def test_a_figure_that_came_or_went_is_a_change(world: MakeWorld) -> None:
    content = world().build(1)
    kept = [figure for figure in content.figures if figure.path != "site/cost"]
    [went] = between_revisions(content.figures, kept)
    [came] = between_revisions(kept, content.figures)
    assert (went.now, came.was, went.was) == (None, None, came.now)
    assert isinstance(went.was, Decimal)

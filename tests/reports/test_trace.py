"""From a figure back: every figure recomputes exactly from its trace, and notices what changed."""

import hashlib
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from data_quality.contracts.errors import BadInput, OurFault, Unreachable
from data_quality.contracts.reporting.figure import Figure
from data_quality.contracts.time import FixedClock
from reports.figures.trace import (
    ROW_COLUMNS,
    as_read,
    current_changes,
    source_readings,
    stale_revisions,
    trace_figure,
)
from reports.lifecycle.revise import store_revision
from reports.recompute.figure import prefetch, recompute
from reports.report_content import ReportContent
from tests.reports import plant
from tests.reports.conftest import MakeWorld, World

AT = datetime(2025, 3, 1, tzinfo=UTC)


def wrong(content: ReportContent, world: World) -> list[str]:
    """Paths of figures that do not come out as they stand."""
    lookup = {figure.figure_id: figure for figure in content.figures}.get
    kept: dict[str, Decimal | None] = {}
    sources = world.sources()
    prefetch(content.figures, sources=sources, lookup=lookup)
    return [
        figure.path
        for figure in content.figures
        if recompute(figure, sources=sources, lookup=lookup, kept=kept) != figure.value
    ]


def by_path(content: ReportContent, path: str) -> Figure:
    return next(figure for figure in content.figures if figure.path == path)


def late_row(world: World, *, value: float = 500.0, name: str = "late.csv") -> None:
    """A correction of one quarter hour of the moulding meter on 1 February."""
    rows = world.lake.current("plant", meters=["moulding"])
    first = rows.filter(pl.col("interval_start_utc").dt.date() == date(2025, 2, 1)).head(1)
    changed = first.drop("batch_id", "recorded_at_utc").with_columns(value=pl.lit(value), is_correction=pl.lit(True))
    world.clock.advance(timedelta(hours=1))
    plant.write(world.lake, changed, world.clock, name)


@pytest.mark.parametrize("options", [{}, {"approved": ()}, {"without_baseline": ("hvac",)}])
def test_every_figure_recomputes_exactly(world: MakeWorld, options: dict[str, object]) -> None:
    lost = (("hvac", date(2025, 3, 30)), ("pieces", date(2025, 3, 4)), ("main", date(2025, 1, 8)))
    used = world(rows=plant.plant_rows(date(2025, 1, 1), date(2025, 4, 1), seed=11, skip=lost), **options)
    content = used.build(1)
    assert len(content.figures) > 80
    assert wrong(content, used) == []


def test_a_tampered_lake_file_is_noticed(world: MakeWorld) -> None:
    used = world()
    content = used.build(1)
    entry = next(each for each in used.lake.manifest("plant") if str(each["day"]) == "2025-02-01")
    path = used.lake.root / str(entry["path"])
    rows = pl.read_parquet(path)
    is_hit = (pl.col("meter_id") == "moulding") & (pl.int_range(pl.len()) == rows.height - 1)
    is_hit = is_hit | (pl.col("meter_id") == "moulding") & (pl.col("interval_start_utc").dt.hour() == 12)
    rows.with_columns(value=pl.when(is_hit).then(pl.col("value") + 1e-9).otherwise(pl.col("value"))).write_parquet(path)
    with pytest.raises(Unreachable, match=r"was altered, and no figure is made of it: ingest plant\.csv again"):
        wrong(content, used)
    # Even where somebody makes the manifest fit.
    with used.lake.store.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER lake_manifest_no_update")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        connection.exec_driver_sql(f"UPDATE lake_manifest SET file_sha256 = '{digest}' WHERE path = '{entry['path']}'")
    broken = wrong(content, used)
    assert "seu/moulding/2025-02/actual_kwh" in broken
    assert "seu/moulding/actual_kwh" in broken
    assert "seu/hvac/actual_kwh" not in broken


def test_a_forged_value_is_noticed(good: World, content: ReportContent) -> None:
    forged = tuple(
        figure.model_copy(update={"value": figure.value + 1}) if figure.path == "site/cost" and figure.value else figure
        for figure in content.figures
    )
    assert wrong(content.model_copy(update={"figures": forged}), good) == ["site/cost"]


def test_an_old_figure_recomputes_as_known_then(world: MakeWorld) -> None:
    used = world()
    content, _ = store_revision(used.build, used.reports, used.clock)
    figure = by_path(content, "seu/moulding/actual_kwh")
    late_row(used)
    report = trace_figure(figure.figure_id, reports=used.reports, sources=used.sources())
    assert report.is_equal
    assert report.difference == 0
    assert {each.kind for each in report.inputs} == {"figure", "lake", "version"}
    assert "code/sum" in report.versions


def test_late_data_make_a_revision_stale_and_say_which_partition(world: MakeWorld) -> None:
    used = world()
    content, _ = store_revision(used.build, used.reports, used.clock)
    assert stale_revisions(used.reports, used.sources()) == {(content.report_id, 1): []}
    late_row(used)
    (changes,) = stale_revisions(used.reports, used.sources()).values()
    assert {change.kind for change in changes} == {"lake"}
    figure = by_path(content, "seu/moulding/2025-02/actual_kwh")
    (change,) = current_changes(figure, reports=used.reports, sources=used.sources())
    assert change.id == "plant/2025-01-31T23:00Z/2025-02-28T23:00Z"
    january = by_path(content, "site/2025-01/cost")
    assert current_changes(january, reports=used.reports, sources=used.sources()) == []


def test_a_changed_site_file_is_named(world: MakeWorld) -> None:
    used = world()
    content, _ = store_revision(used.build, used.reports, used.clock)
    used.site = plant.plant_site(floor_area_m2=5000.0)
    changes = current_changes(by_path(content, "site/cost"), reports=used.reports, sources=used.sources())
    assert [(change.kind, change.id) for change in changes] == [("version", "plant")]


def test_changed_code_is_named(world: MakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    used = world()
    content, _ = store_revision(used.build, used.reports, used.clock)

    def other(computation: str) -> str:
        return "f" * 64

    monkeypatch.setattr("reports.figures.trace.code_sha256", other)
    changes = current_changes(by_path(content, "site/cost"), reports=used.reports, sources=used.sources())
    assert {change.id for change in changes} == {"sum", "scope_kpi"}


def test_rows_name_their_source_file_and_line(world: MakeWorld) -> None:
    used = world()
    content, _ = store_revision(used.build, used.reports, used.clock)
    late_row(used, name="correction.csv")
    figure = by_path(content, "site/2025-02/cost")
    rows = source_readings(figure, reports=used.reports, sources=used.sources())
    assert set(rows["meter_id"].unique()) == {"main"}
    assert rows.height == 28 * 96
    assert set(rows["source_name"].unique()) == {"plant.csv"}
    assert rows["source_line"].n_unique() == rows.height


def test_an_hour_that_was_read_is_one_row_again_and_a_replaced_quarter_stands_apart() -> None:
    def quarters(line: int, hour: int, values: list[float], minutes: int, **more: Any) -> list[dict[str, Any]]:
        given = dict.fromkeys(ROW_COLUMNS, "x") | {"source_line": line, "source_minutes": minutes, "quality_code": 14}
        given |= {"is_synthetic": False, "unit": "kwh", "recorded_at_utc": AT} | more
        step = timedelta(minutes=15)
        return [
            given | {"interval_start_utc": AT + timedelta(hours=hour) + n * step, "value": value}
            for n, value in enumerate(values)
        ]

    hourly = [
        # A wide table: the hours of a day stand in one line.
        *quarters(2, 0, [0.1, 0.2, 0.3, 0.4], 60),
        *quarters(2, 1, [5.0, 5.0, 5.0, 5.0], 60),
        *quarters(3, 2, [1.0, 1.0], 60),
    ]
    replaced = quarters(9, 2, [0.0, 0.0, 7.0], 15, quality_code=7)[2:]
    after = quarters(3, 2, [1.0] * 4, 60)[3:]
    level = quarters(4, 3, [21.5] * 4, 60, unit="degc", meter_id="y")
    rows = as_read(pl.DataFrame([*hourly, *replaced, *after, *level]))
    assert rows.select("start_utc", "minutes", "value", "quality_code").rows() == [
        (AT, 60, 1.0, 14),
        (AT + timedelta(hours=1), 60, 20.0, 14),
        (AT + timedelta(hours=2), 30, 2.0, 14),
        (AT + timedelta(hours=2, minutes=30), 15, 7.0, 7),
        (AT + timedelta(hours=2, minutes=45), 15, 1.0, 14),
        (AT + timedelta(hours=3), 60, 21.5, 14),
    ]


def test_rows_of_an_expectation_hold_its_driver(world: MakeWorld) -> None:
    used = world()
    content, _ = store_revision(used.build, used.reports, used.clock)
    figure = by_path(content, "seu/moulding/expected_kwh")
    rows = source_readings(figure, reports=used.reports, sources=used.sources())
    assert set(rows["meter_id"].unique()) == {"moulding", "pieces"}
    assert rows.height == 2 * (90 * 96 - 4)
    figure = by_path(content, "seu/moulding/metered_kwh")
    metered = source_readings(figure, reports=used.reports, sources=used.sources())
    assert set(metered["meter_id"].unique()) == {"moulding"}


def test_a_coefficient_rests_on_no_reading(world: MakeWorld) -> None:
    used = world()
    content, _ = store_revision(used.build, used.reports, used.clock)
    figure = by_path(content, "baseline/moulding/pieces/value")
    assert figure.value == Decimal("0.11")
    # A page asks them as their source had them: of none there is none either, and no fault.
    assert as_read(source_readings(figure, reports=used.reports, sources=used.sources())).is_empty()


def test_an_unknown_figure_is_a_bad_request(good: World) -> None:
    with pytest.raises(BadInput, match="no figure 'abc'"):
        trace_figure("abc", reports=good.reports, sources=good.sources())


def _renamed(figure: Figure) -> Figure:
    return figure.model_copy(update={"trace": figure.trace.model_copy(update={"computation": "guess"})})


@pytest.mark.parametrize(
    ("change", "path", "sentence"),
    [(_renamed, "site/2025-01/cost", "unknown computation"), (lambda figure: figure, "site/cost", "not stored")],
)
def test_a_trace_that_names_what_is_not_there_is_our_fault(
    good: World, content: ReportContent, change: Callable[[Figure], Figure], path: str, sentence: str
) -> None:
    with pytest.raises(OurFault, match=sentence):
        recompute(change(by_path(content, path)), sources=good.sources(), lookup=lambda _id: None)


def test_the_clock_of_a_site_never_runs_behind_its_data(world: MakeWorld) -> None:
    used = world()
    # The clock stands still while batches are recorded a microsecond apart: "now" must still see the last of them.
    assert used.reports.store.known_at(FixedClock(plant.NOON)) > plant.NOON

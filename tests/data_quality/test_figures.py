"""The figures that validation must reach on real meters, and on meters that no constant was looked at with."""

from collections import Counter
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from data_quality.contracts.site_file.vee import RuleFinding, ValidationRules
from data_quality.reading_grid import Grid
from data_quality.rules.unit_scale import find, limits
from data_quality.validate import Validation, blocks, validate
from tests.conftest import SHARED_DATA as SHARED
from tests.data_quality.meters import wide

pytestmark = pytest.mark.skipif(not SHARED.exists(), reason="the shared data folder is not beside this checkout")
KINDS = ("spike", "stuck", "dead", "unit_scale")
LEFT_OUT = {"b40", "b52", "b57", "b59"}


def injected() -> tuple[list[Validation], pl.DataFrame]:
    """Validations of the meters with injected faults, and the faults."""
    series = pl.read_parquet(SHARED / "anomaly" / "injected_series_hourly.parquet")
    series = series.with_columns(pl.col("series_id").cast(pl.String))
    labels = pl.read_csv(SHARED / "anomaly" / "injected_labels.csv.gz", try_parse_dates=True)
    parts = [
        wide(
            series.filter(pl.col("series_id").str.starts_with(source)), name="series_id", time="timestamp", value="kwh"
        )
        for source in ("cam", "bdg")
    ]
    return [validate([part]) for part in parts], labels.filter(pl.col("kind").is_in(KINDS))


def caught(findings: list[RuleFinding], labels: pl.DataFrame) -> int:
    """Labelled events with a finding of the right rule that touches them."""
    return sum(
        any(
            each.rule == event["kind"]
            and each.meter == event["series_id"]
            and each.start_utc.replace(tzinfo=None) <= event["end"]
            and each.end_utc.replace(tzinfo=None) > event["start"]
            for each in findings
        )
        for event in labels.iter_rows(named=True)
    )


def cambridge(kind: str) -> Grid:
    """Hourly meters of the estate."""
    meters = pl.read_parquet(SHARED / "sites_cambridge" / "meters_hourly.parquet").filter(pl.col("meter") == kind)
    return wide(meters, name="building_id", time="timestamp_utc", value="value")


def real_events() -> list[dict[str, object]]:
    """Faults that were found in this data by inspection."""
    events = pl.read_csv(SHARED / "sites_cambridge" / "real_events.csv.gz")
    instant = pl.col("start_utc", "end_utc").str.to_datetime(time_zone="UTC")
    return events.with_columns(instant).to_dicts()


def touches(finding: RuleFinding, event: dict[str, object], margin: timedelta = timedelta()) -> bool:
    """True where the finding is of the event's meter and time; `end_utc` of an event is its last hour."""
    start, end = event["start_utc"], event["end_utc"]
    assert isinstance(start, datetime)
    assert isinstance(end, datetime)
    is_meter = event["building_id"] in ("*", finding.meter)
    return is_meter and finding.start_utc <= end + margin and finding.end_utc > start - margin


def test_all_injected_faults_are_flagged_with_the_right_rule() -> None:
    validations, labels = injected()
    findings = [each for one in validations for each in one.findings]
    assert labels.height == 54
    assert caught(findings, labels) >= 0.95 * 54


def test_the_figure_notices_a_rule_that_is_missing() -> None:
    validations, labels = injected()
    findings = [each for one in validations for each in one.findings if each.rule != "stuck"]
    assert caught(findings, labels) < 0.95 * 54


def test_real_faults_are_found_and_ordinary_months_are_left_alone() -> None:
    found = {kind: validate([cambridge(kind)]).findings for kind in ("electricity", "gas")}
    events = real_events()
    assert sum(any(touches(each, event) for each in found[str(event["meter"])]) for event in events) >= 0.9 * len(
        events
    )
    own = [event for event in events if event["meter"] == "electricity"]
    false = [
        each
        for each in found["electricity"]
        if each.meter not in LEFT_OUT
        and each.start_utc.year in (2018, 2019)
        and not any(touches(each, event, timedelta(days=1)) for event in own)
    ]
    # Ten meters, two years.
    assert len(false) <= 240, Counter(each.rule for each in false)
    # Half of the budget in each half: it is no accident of one stretch.
    assert max(sum(each.start_utc.year == year for each in false) for year in (2018, 2019)) <= 120
    unit = [each for each in found["gas"] if each.meter == "b40" and each.rule == "unit_scale"]
    change = next(event for event in events if event["kind"] == "unit_scale")
    assert any(touches(each, change) for each in unit)


@pytest.mark.parametrize("factor", [10.0, 0.1, 100.0, 1000.0, 0.001, 35.3147])
def test_a_wrong_unit_of_ten_and_more_is_suspected(factor: float) -> None:
    whole = cambridge("electricity")
    rng = np.random.default_rng(11)
    hit = tried = 0
    for _ in range(3):
        values = whole.values.copy()
        start = int(rng.integers(100 * 24, whole.slots - 40 * 24))
        hours = int(rng.integers(48, 240))
        values[:, start : start + hours] *= factor
        block = next(each for each in blocks(validate_days(whole, values)) if each.slots.stop > start + 47)
        found = find(block, limits(block))
        for row in range(len(whole.streams)):
            if np.nanmean(whole.values[row, start : start + hours]) > 0:
                tried += 1
                hit += any((found.row == row) & (found.first < start + hours) & (found.end > start))
    assert hit >= 0.99 * tried


def validate_days(whole: Grid, values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> object:
    """The days of the grid with other values."""
    from dataclasses import replace

    from data_quality.rules.shared.grid_days import Days

    return Days(replace(whole, values=values), "UTC")


def test_false_alarms_of_a_wrong_unit_are_below_one_day_in_a_thousand() -> None:
    whole = cambridge("electricity")
    rows = [row for row, stream in enumerate(whole.streams) if stream.meter_id not in LEFT_OUT]
    part = Grid(tuple(whole.streams[row] for row in rows), whole.start_utc, 60, whole.values[rows])
    found = validate([part])
    hours = sum(each.slots for each in found.findings if each.rule == "unit_scale")
    assert hours / 24 <= 0.001 * len(rows) * whole.slots / 24


@pytest.mark.parametrize(
    ("folder", "file", "name", "time", "value"),
    [
        ("sites_bdg2", "electricity_hourly.parquet", "building_id", "timestamp_local", "kwh"),
        ("homes_opengrid", "electricity_hourly_2016.parquet", "home_id", "timestamp_utc", "power_w"),
        ("homes_opengrid", "gas_hourly_2016.parquet", "home_id", "timestamp_utc", "power_w"),
    ],
)
def test_other_meters_have_at_most_one_finding_a_meter_month(
    folder: str, file: str, name: str, time: str, value: str
) -> None:
    whole = wide(pl.read_parquet(SHARED / folder / file), name=name, time=time, value=value)
    found = validate([whole], rules=ValidationRules())
    assert len(found.findings) <= len(whole.streams) * whole.slots / 730


def test_faults_put_into_meters_that_had_none_are_found_alike() -> None:
    whole = wide(
        pl.read_parquet(SHARED / "sites_bdg2" / "electricity_hourly.parquet"),
        name="building_id",
        time="timestamp_local",
        value="kwh",
    )
    values, labels = whole.values.copy(), []
    rng = np.random.default_rng(7)
    for row, stream in enumerate(whole.streams):
        high = float(np.nanpercentile(values[row], 95))
        for place, kind in enumerate(KINDS * 2):
            first = 24 * (100 + 75 * place) + int(rng.integers(0, 24))
            length = {"spike": (1, 4), "stuck": (12, 73), "dead": (6, 49), "unit_scale": (48, 121)}[kind]
            end = first + int(rng.integers(*length))
            part = values[row, first:end]
            if np.isnan(values[row, first - 1 : end + 1]).any() or (part <= 0).mean() > 0.1:
                continue
            if kind == "spike":
                part[:] = high * rng.uniform(2.5, 6)
            elif kind == "unit_scale":
                part *= rng.choice([10.0, 0.1, 3.6, 0.001])
            else:
                part[:] = values[row, first - 1] if kind == "stuck" else 0.0
            labels.append((row, kind, first, end, stream.meter_id))
    found = validate([Grid(whole.streams, whole.start_utc, 60, values)]).findings
    hit = sum(
        any(
            each.rule == kind
            and each.meter == name
            and whole.slot(each.start_utc) < end
            and whole.slot(each.end_utc) > first
            for each in found
        )
        for _, kind, first, end, name in labels
    )
    assert len(labels) > 150
    assert hit >= 0.95 * len(labels)

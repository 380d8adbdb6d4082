"""Faults of what figures rest on: synthetic readings, factors and prices that do not fit, calendars that changed."""

import io
import tempfile
import zoneinfo
from datetime import date, timedelta
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pypdf
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from assets.carbon.factor_choice.factor_view import factor_view
from assets.readings.changes.bitemporal import classify
from assets.sites import calendar
from assets.sites.load_sites import load_site
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import EmissionFactorEntry
from data_quality.contracts.time import local_midnight_utc, parse_period
from data_quality.contracts.work.project_cache import Place
from data_quality.contracts.yaml_file import BadConfiguration
from ml.registered_baselines import log_baseline
from ml.tracking import ModelRecord
from reports.assess import UseRequest
from reports.figures.trace import current_changes, source_readings, stale_revisions, trace_figure
from reports.gates import publishable
from reports.lifecycle.revise import store_revision, stored_content
from reports.make_report import RENDERERS
from reports.report_content import ReportContent
from tests.kpi.oracle.values import kpi_value
from tests.reports import plant
from tests.reports.conftest import MakeWorld, World, make_world
from tests.reports.quarter import enpi_quarter
from tests.reports.test_store import report
from tests.reports.test_trace import by_path

STREAMS = ("main", "compressor_1", "compressor_2", "hvac", "moulding", "pieces", "outdoor_degc")


def texts(content: ReportContent) -> dict[str, str]:
    """All words of each format without blanks, so that a wrapped identifier is found."""
    files = {name: render(content) for name, render in RENDERERS.items()}
    book = openpyxl.load_workbook(io.BytesIO(files["xlsx"]))
    cells = [str(cell) for sheet in book for row in sheet.iter_rows(values_only=True) for cell in row if cell]
    pages = [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(files["pdf"])).pages]
    found = {"json": files["json"].decode(), "xlsx": "".join(cells), "pdf": "".join(pages)}
    return {name: "".join(text.split()) for name, text in found.items()}


def offer(used: World, stream: str, day: date, rows: int, *, is_synthetic: bool, name: str) -> str:
    """Readings of one stream and day again, as a batch of that origin; the batch's id."""
    known = used.lake.current("plant", meters=[stream])
    hits = known.filter(pl.col("interval_start_utc").dt.date() == day).sort("interval_start_utc").head(rows)
    changed = hits.drop("batch_id", "recorded_at_utc").with_columns(
        is_synthetic=pl.lit(is_synthetic), is_correction=pl.lit(value=True)
    )
    used.clock.advance(timedelta(hours=1))
    return plant.write(used.lake, changed, used.clock, name).batch_id


# A smaller counterexample says nothing more, and each one is a whole report in three formats.
@settings(max_examples=5, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(
    stream=st.sampled_from(STREAMS),
    day=st.dates(date(2025, 1, 1), date(2025, 3, 30)),
    count=st.integers(1, 96),
    is_superseded=st.booleans(),
)
@example(stream="outdoor_degc", day=date(2025, 3, 30), count=1, is_superseded=False)
@example(stream="main", day=date(2025, 1, 1), count=90, is_superseded=True)
def test_fault_f24_one_synthetic_reading_is_said_in_every_format_and_bars_publication(
    stream: str, day: date, count: int, is_superseded: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        used = make_world(Path(folder))
        batch = offer(used, stream, day, count, is_synthetic=True, name="made_up.csv")
        if is_superseded:
            offer(used, stream, day, count, is_synthetic=False, name="real.csv")
        content = enpi_quarter(used.inputs_now(), revision=1)
        assessed = {
            seu.seu_id: UseRequest(
                used.site,
                seu,
                used.given.versions.get(seu.seu_id),
                used.sources(),
                used.reports.store.known_at(used.clock),
            )
            .assess(plant.quarter())
            .is_synthetic
            for seu in used.site.seus
        }
        used.lake.store.close()
    reported, is_said = texts(content), not is_superseded
    assert content.is_synthetic is is_said
    assert {figure.is_synthetic for figure in content.figures} == {is_said}
    assert [batch in text for text in reported.values()] == [is_said] * 3
    assert ("SYNTHETIC" in reported["pdf"].upper(), "simulated" in reported["xlsx"]) == (is_said, is_said)
    assert ("synthetic_data" in {finding.code for finding in publishable(content)}) is is_said
    facts = [finding.facts for finding in content.findings if finding.code == "synthetic_data"]
    assert [each["rows"] for each in facts] == [count] * is_said
    drivers = {seu.seu_id: {driver.driver_id for driver in seu.drivers} for seu in used.site.seus}
    assert assessed == {
        seu_id: is_said and stream in {*uses[0], *drivers[seu_id]} for seu_id, uses in plant.USES.items()
    }


def test_fault_f24_the_trace_lists_the_synthetic_rows(world: MakeWorld) -> None:
    used = world()
    batch = offer(used, "moulding", date(2025, 2, 3), 7, is_synthetic=True, name="made_up.csv")
    content, _ = store_revision(
        lambda revision: enpi_quarter(used.inputs_now(), revision=revision), used.reports, used.clock
    )
    figure = by_path(content, "seu/moulding/metered_kwh")
    rows = source_readings(figure, reports=used.reports, sources=used.sources()).filter("is_synthetic")
    assert rows.select("batch_id", "source_name").unique().rows() == [(batch, "made_up.csv")]
    assert rows["source_line"].n_unique() == 7


def test_fault_f24_many_batches_are_counted_not_printed(world: MakeWorld) -> None:
    used = world()
    for number in range(7):
        offer(used, "hvac", date(2025, 1, 2 + number), 1, is_synthetic=True, name=f"{number}.csv")
    (finding,) = (each for each in enpi_quarter(used.inputs_now()).findings if each.code == "synthetic_data")
    assert str(finding.facts["batches"]).endswith(" and 2 more")


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=20))
def test_fault_f24_a_synthetic_row_never_supersedes_a_real_one(origins: list[tuple[bool, bool]]) -> None:
    base = plant.plant_rows(date(2025, 1, 1), date(2025, 1, 2)).filter(pl.col("meter_id") == "main")
    base = base.head(len(origins)).drop("is_correction")
    known = base.with_columns(is_synthetic=pl.Series([was for was, _ in origins]))
    offered = base.with_columns(pl.col("value") + 1, is_synthetic=pl.Series([now for _, now in origins]))
    changed, _ = classify(offered, known)
    assert changed.height == sum(was or not now for was, now in origins)


SITE = """\
site_id: plant
name: Plant
time_zone: Europe/Berlin
currency: EUR
country: DE
meters: [{meter_id: main}]
factors:
  - factor_id: old
    kgco2e_per_kwh: 0.38
    valid_from: 2024-01-01
    valid_to: 2025-01-01
    source: office
  - factor_id: new
    kgco2e_per_kwh: 0.363
    valid_from: 2025-01-01
    valid_to: 2026-01-01
    source: office
tariffs:
  - tariff_id: flat
    valid_from: 2025-01-01
    valid_to: 2026-01-01
    periods:
      - {period_id: all, price_per_kwh: 0.2}
"""
WRONG = {
    "negative factor": ("0.363", "-0.363", 14, "expected 0 or more, got -0.363"),
    "factor in grams": ("0.363", "363", 14, "Then write 0.363 (kilograms per kWh)"),
    "factor per MWh": ("kgco2e_per_kwh: 0.363", "kgco2e_per_mwh: 363", 14, "unknown key"),
    "no factor": ("kgco2e_per_kwh: 0.363", "kgco2e_per_kwh:", 14, "number"),
    "overlapping factors": ("2025-01-01\n    source", "2025-01-02\n    source", 13, "both hold on 2025-01-01"),
    "factor that ends first": ("valid_to: 2026-01-01\n    source", "valid_to: 2025-01-01\n    source", 13, "ends"),
    "price per MWh": ("price_per_kwh: 0.2", "price_per_mwh: 200", 23, "unknown key"),
    "price not a number": ("price_per_kwh: 0.2", "price_per_kwh: .nan", 23, "finite"),
    "tariff that ends first": ("valid_to: 2026-01-01\n    periods", "valid_to: 2024-01-01\n    periods", 19, "ends"),
}


@pytest.mark.parametrize("fault", WRONG)
def test_fault_f25_a_wrong_factor_or_tariff_is_refused_with_its_line(fault: str, tmp_path: Path) -> None:
    was, becomes, line, sentence = WRONG[fault]
    assert SITE.count(was) == 1
    path = tmp_path / "plant.yaml"
    path.write_text(SITE)
    assert len(load_site(path).factors) == 2
    path.write_text(SITE.replace(was, becomes))
    with pytest.raises(BadConfiguration) as refused:
        load_site(path)
    found = [(problem.line, problem.message) for problem in refused.value.problems]
    assert any(at == line and sentence in message for at, message in found), found


def test_fault_f25_two_tariffs_on_one_day_make_no_report(world: MakeWorld) -> None:
    first = plant.plant_site().tariffs[0]
    second = first.model_copy(update={"tariff_id": "again", "valid_from": date(2025, 2, 1)})
    made = world(site=plant.plant_site(tariffs=(first, second)))
    with pytest.raises(BadInput, match="tariffs tou and again are both in force on 2025-02-01"):
        made.build()


@pytest.mark.parametrize("kind", ["tariffs", "factors"])
@pytest.mark.parametrize("first_day", [date(2025, 2, 1), date(2025, 4, 1)])
def test_fault_f25_what_is_missing_is_null_and_named_with_its_days(
    world: MakeWorld, kind: str, first_day: date
) -> None:
    (entry,) = getattr(plant.plant_site(), kind)
    changed: dict[str, Any] = {kind: (entry.model_copy(update={"valid_from": first_day}),)}
    content = world(site=plant.plant_site(**changed)).build(1)
    kpi, code = ("cost", "price_gap") if kind == "tariffs" else ("emission_kgco2e", "factor_gap")
    january = by_path(content, f"site/2025-01/{kpi}")
    status = "no_price" if kind == "tariffs" else "no_factor"
    assert (january.value, january.status, january.coverage) == (None, status, 1.0)
    # A quarter with an unknown month is unknown: no part of it stands for the whole.
    assert by_path(content, f"site/{kpi}").value is None
    assert (by_path(content, f"site/2025-03/{kpi}").value is None) is (first_day > date(2025, 3, 1))
    (finding,) = (each for each in content.findings if each.code == code)
    last = first_day - timedelta(days=1)
    assert (finding.facts["first_day"], finding.facts["last_day"]) == ("2025-01-01", str(last))
    assert all(f"lastday{last}" in text for name, text in texts(content).items() if name != "json")


def test_fault_f25_a_negative_price_is_said(world: MakeWorld) -> None:
    (tou,) = plant.plant_site().tariffs
    periods = tuple(
        each.model_copy(update={"price_per_kwh": Decimal("-0.01")}) if each.period_id == "rest" else each
        for each in tou.periods
    )
    content = world(site=plant.plant_site(tariffs=(tou.model_copy(update={"periods": periods}),))).build(1)
    (finding,) = (each for each in content.findings if each.code == "negative_price")
    assert (finding.facts["first_day"], finding.facts["last_day"]) == ("2025-01-01", "2025-03-30")


def test_fault_f25_made_up_prices_of_any_carrier_are_said_while_they_are_in_force(world: MakeWorld) -> None:
    (tou,) = plant.plant_site().tariffs
    made_up = tou.model_copy(update={"prices": "example"})
    gas = {"commodity": "gas", "tariff_id": "gas", "valid_to": date(2025, 3, 1)}
    over = {"commodity": "heat", "tariff_id": "over", "valid_to": date(2025, 1, 1)}
    tariffs = (made_up, made_up.model_copy(update=gas), made_up.model_copy(update=over))
    content = world(site=plant.plant_site(tariffs=tariffs)).build(1)
    messages = [each.message for each in content.findings if each.code == "example_prices"]
    assert messages == [
        f"Tariff {name} has example prices: its structure is real, its amounts are no supplier's."
        for name in (tou.tariff_id, "gas")
    ]
    assert all(
        f"Tariff{tou.tariff_id}hasexampleprices" in text for name, text in texts(content).items() if name != "json"
    )
    assert not [each for each in world().build(1).findings if each.code == "example_prices"]


@settings(max_examples=15, deadline=None)
@given(days=st.integers(0, 31), factor=st.integers(1, 5_000_000))
def test_fault_f25_no_day_without_a_factor_is_given_one(good: World, days: int, factor: int) -> None:
    exact, start = Decimal(factor).scaleb(-6), date(2025, 1, 1) + timedelta(days=days)
    entry = EmissionFactorEntry(
        factor_id="f", kgco2e_per_kwh=float(exact), valid_from=start, valid_to=date(2026, 1, 1), source="s"
    )
    site, month = plant.plant_site(factors=(entry,)), parse_period("2025-01", plant.ZONE)
    readings = good.lake.current("plant", meters=["main"], end_utc=month.end_utc)
    found = kpi_value(
        "emission_kgco2e", site=site, scope="site:plant", period=month, readings=readings, factors=factor_view(site)
    )
    known = readings.filter(pl.col("interval_start_utc") >= local_midnight_utc(start, plant.ZONE))["value"]
    wanted = sum((Decimal(repr(value)) for value in known), Decimal(0)) * exact
    assert found == (wanted if days < 31 else None)


def test_fault_f26_a_figure_and_a_baseline_name_the_calendar_that_made_them(world: MakeWorld) -> None:
    used = world()
    content = report(used).content
    named = calendar.calendar_versions()
    pinned = ", ".join(f"{name} {number}" for name, number in named.items())
    figure = by_path(content, "site/cost")
    traced = trace_figure(figure.figure_id, reports=used.reports, sources=used.sources())
    assert traced.versions["calendar/plant/2025"] == content.versions["calendar/plant/2025"] == pinned
    assert all(named.values())

    class Registry:
        record: ModelRecord

        def log_model(self, _name: str, _files: object, record: ModelRecord) -> None:
            self.record = record

    registry: Any = Registry()
    log_baseline(registry, plant.plant_baseline("hvac"), fitted_by="ben")
    assert registry.record.tags.items() >= named.items()


def more_holidays(*_args: object) -> dict[date, str]:
    """A calendar in which one Wednesday became a holiday."""
    return {date(2025, 1, 1): "New Year", date(2025, 2, 5): "New Holiday"}


@pytest.mark.parametrize("is_other_day", [False, True])
def test_fault_f26_another_version_is_another_revision_and_the_old_one_stays(
    world: MakeWorld, monkeypatch: pytest.MonkeyPatch, is_other_day: bool
) -> None:
    used = world()
    if is_other_day:
        monkeypatch.setattr(calendar, "_holidays", lambda *_args: {date(2025, 1, 1): "New Year"})
    report(used)
    old = stored_content(used.reports, "enpi_quarter/plant/2025-Q1", 1)
    before = {name: render(old) for name, render in RENDERERS.items()}
    # Another version is another process, which has asked for nothing yet.
    monkeypatch.setattr(calendar, "_HASHES", Place(8))
    if is_other_day:
        monkeypatch.setattr(calendar, "_holidays", more_holidays)
    else:
        monkeypatch.setattr(calendar, "_installed", lambda name: f"999 of {name}")
    (changes,) = stale_revisions(used.reports, used.sources()).values()
    assert [change.name for change in changes] == ["calendar plant/2025"]
    new = report(used)
    assert (new.is_new, new.content.revision) == (True, 2)
    kept = stored_content(used.reports, old.report_id, 1)
    assert {name: render(kept) for name, render in RENDERERS.items()} == before
    assert used.reports.broken_link("plant") is None
    for path, is_moved in (("site/2025-02/cost", is_other_day), ("site/2025-01/cost", False)):
        figure = by_path(kept, path)
        traced = trace_figure(figure.figure_id, reports=used.reports, sources=used.sources())
        assert (traced.is_equal, traced.figure) == (not is_moved, figure)
        assert (by_path(new.content, path).value != figure.value) is is_moved
        changed = current_changes(figure, reports=used.reports, sources=used.sources())
        assert [change.name for change in changed] == ["calendar plant/2025"]


def test_fault_f26_the_time_zone_database_that_is_read_is_the_one_that_is_named(tmp_path: Path) -> None:
    before, year = zoneinfo.TZPATH, (plant.plant_site(), date(2025, 1, 1), date(2026, 1, 1))
    known = calendar.calendar_sha256(*year)
    try:
        zoneinfo.reset_tzpath(to=[])
        assert calendar.calendar_versions()["tzdata"] == version("tzdata")
        (tmp_path / "UTC").touch()
        zoneinfo.reset_tzpath(to=[str(tmp_path)])
        assert calendar.calendar_versions()["tzdata"] == "of the system"
        (tmp_path / "tzdata.zi").write_text("# version 2099z\n# This zic input file\n")
        assert calendar.calendar_versions()["tzdata"] == "2099z"
        assert calendar.calendar_sha256(*year) != known
    finally:
        zoneinfo.reset_tzpath(to=before)
    assert calendar.calendar_sha256(*year) == known

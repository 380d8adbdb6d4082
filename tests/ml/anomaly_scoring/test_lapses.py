"""Lapses of the simulator at night are found as such, at their meter and at those above; nothing at ANCHOR."""

from datetime import date, timedelta

import polars as pl
import pytest

from assets.sites.load_sites import load_sites
from controls.simulator.worlds.anchor import ANCHOR
from controls.simulator.worlds.generate import generate_site
from controls.simulator.worlds.lapses import Lapse, habits_of, lapses_of, with_lapses
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import local_midnight_utc, months_after
from ml.anomalies.monitor import watch
from ml.features.civil import civil_of
from ml.features.series import Stream, series_of
from orchestration.demonstration.demo_job import DEMO_SITES, site_text

UNTIL = date(2026, 11, 26)
START, END = date(2026, 7, 1), date(2026, 10, 1)


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Site]:
    folder = tmp_path_factory.mktemp("sites")
    for name in ("factory", "tower"):
        (folder / f"{name}.yaml").write_text(site_text(DEMO_SITES / f"{name}.yaml", UNTIL))
    return load_sites(folder)


@pytest.mark.parametrize("site_id", ["factory", "tower"])
def test_each_lapse_is_an_event_of_its_nights(sites: dict[str, Site], site_id: str) -> None:
    site = sites[site_id]
    made = with_lapses(generate_site(site, start=START, end=END), site, lapses_of(site_id, UNTIL))
    for lapse in (each for each in lapses_of(site_id, UNTIL) if each.kw > 0):
        rows = made.meters.filter((pl.col("meter") == lapse.meter) & (pl.col("register") == "import"))
        readings = rows.select(
            pl.lit(site_id).alias("site_id"), pl.col("meter").alias("meter_id"), "register",
            pl.col("timestamp").alias("interval_start_utc"), pl.col("kwh").alias("value"), pl.lit("kwh").alias("unit"),
            "is_synthetic",
        )  # fmt: skip
        end_utc = local_midnight_utc(END, site.time_zone)
        series = series_of(readings, site=site, stream=Stream(lapse.meter, "import"), end_utc=end_utc)
        events = watch(series, civil_of(site, series.start_utc, len(series.values))).events
        begin = local_midnight_utc(lapse.first, site.time_zone) + timedelta(hours=20)
        end = begin + timedelta(days=lapse.nights)
        found = [each for each in events if each.start_utc < end and each.end_utc > begin]
        assert found, lapse
        # Energy of the nights in which it ran, give or take what an office or a line differs by.
        assert sum(each.measured - each.expected for each in found) == pytest.approx(
            lapse.kw * 10 * lapse.nights, rel=0.5
        )


def test_meters_above_draw_it_too_and_others_do_not(sites: dict[str, Site]) -> None:
    site, lapse = sites["factory"], Lapse("compressor_1", date(2026, 9, 14), 2, 20.0)
    made = generate_site(site, start=date(2026, 9, 1), end=END)
    changed = with_lapses(made, site, [lapse])
    more = (
        changed.meters.with_columns(more=pl.col("kwh") - made.meters["kwh"])
        .group_by("meter").agg(pl.col("more").sum().round(3)).filter(pl.col("more") != 0)
    )  # fmt: skip
    assert dict(more.iter_rows()) == {"compressor_1": 400.0, "main": 400.0}


@pytest.mark.parametrize("site_id", ["factory", "tower"])
def test_habits_are_of_their_weekdays_and_end_with_the_month_before(sites: dict[str, Site], site_id: str) -> None:
    site, start, end = sites[site_id], date(2026, 7, 1), date(2026, 11, 1)
    habits = habits_of(site_id, UNTIL)
    assert habits_of(site_id, ANCHOR) == habits_of("home", UNTIL) == ()
    made = generate_site(site, start=start, end=end)
    changed = with_lapses(made, site, habits)
    local = pl.col("timestamp").dt.convert_time_zone(site.time_zone)
    more = changed.meters.with_columns(more=pl.col("kwh") - made.meters["kwh"], day=local.dt.weekday() - 1).filter(
        pl.col("more") > 0
    )
    for habit in {each.meter: each for each in habits}.values():
        own = more.filter(pl.col("meter") == habit.meter)
        assert set(own["day"].to_list()) <= habit.weekdays
        assert own["more"].max() == pytest.approx(habit.kw / 4, abs=1e-3)
    assert changed.meters["kwh"].sum() > made.meters["kwh"].sum()


def test_the_shipped_days_have_none_and_files_that_are_written_again_have_none() -> None:
    assert lapses_of("factory", ANCHOR) == lapses_of("home", UNTIL) == ()
    for until in (date(2026, month, day) for month in range(1, 13) for day in (1, 28) if (month, day) != (1, 1)):
        for each in (*lapses_of("factory", until), *lapses_of("tower", until)):
            month = months_after(until.replace(day=1), -2)
            assert month <= each.first
            assert each.first + timedelta(days=each.nights) < months_after(month, 1)

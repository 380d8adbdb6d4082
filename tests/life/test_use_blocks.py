"""Fits read the streams that they use, in blocks: whatever the blocks, a use has the baseline that it has alone."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

import assets.kpi.enpi.daily as lake_days
from assets.kpi.enpi.daily import DAY_COLUMNS, seu_days
from assets.sites.view import site_readings
from assets.stores.lake.lake import KEY, BatchInfo
from data_quality.contracts.baselines.baseline import Baseline, BaselineType
from data_quality.contracts.site_file.meter import Meter
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period
from ml.baselines.lifecycle.fit_site import fit_uses, registered
from ml.baselines.lifecycle.monitor_site import monitor_rows, refit_uses
from ml.baselines.lifecycle.monitoring import fit_monitoring, training_window
from ml.baselines.lifecycle.uses_task import UsesTask, blocks_of, tasks_of
from ml.baselines.models.term_choice import Trial
from ml.tracking import RUNS_OF_THEIR_OWN, MlflowTracker
from tests.life.world import NOW, SPLIT, START, Works, works_rows, works_site

PERIOD = (START, SPLIT)


def with_virtual_use() -> Site:
    """The works, whose second use is metered by what the first one and a drive leave of a sum."""
    site = works_site()
    meters = (*site.meters, Meter(meter_id="both", formula="m2 + m3"))
    uses = (site.seus[0], site.seus[1].model_copy(update={"meters": ("both",)}))
    return Site.model_validate(dict(site) | {"meters": meters, "seus": uses})


@pytest.mark.parametrize("streams", [1, 100])
def test_a_block_fits_what_each_use_fits_alone(still: Works, streams: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # A slice of ten days: no sum of a day may depend on where slices end.
    monkeypatch.setattr(lake_days, "ROWS_A_SLICE", 96 * 10 * 5)
    tasks = list(tasks_of(still.site, {PERIOD: still.site.seus}, lake=still.lake, clock=still.clock, streams=streams))
    assert [len(task.seu_ids) for task in tasks] == ([1, 1] if streams == 1 else [2])
    found = {name: made for task in tasks for name, made in fit_uses(task).items()}
    alone = {seu.seu_id: still.fit(seu.seu_id) for seu in still.site.seus}
    assert {name: made.model_dump_json() for name, made in found.items()} == {
        name: made.model_dump_json() for name, made in alone.items()
    }


def test_a_task_needs_no_store_and_comes_whole_through_text(still: Works) -> None:
    (task,) = tasks_of(still.site, {PERIOD: still.site.seus}, lake=still.lake, clock=still.clock)
    second = UsesTask.model_validate_json(task.model_dump_json())
    assert fit_uses(second) == fit_uses(task)


def test_monitoring_of_a_block_is_that_of_each_use(still: Works) -> None:
    site = with_virtual_use()
    start, end = training_window(date(2025, 12, 1))
    (task,) = tasks_of(site, {(start, end): site.seus}, lake=still.lake, clock=still.clock)
    found = refit_uses(task)
    for seu in site.seus:
        rows = monitor_rows(still.lake, site, seu, start, end)
        assert rows["actual_kw"].null_count() == 0
        # By one thread as the task: the last digits depend on their number.
        with threadpool_limits(limits=1, user_api="blas"):
            alone = fit_monitoring(rows, site=site, seu=seu, start=start, end=end, lake_digest=task.lake_digest)
        assert found[seu.seu_id] == alone


def test_columns_and_streams_that_nobody_asks_for_are_not_read(still: Works) -> None:
    whole = site_readings(still.lake, still.site)
    part = site_readings(still.lake, still.site, meters=["m2"], columns=DAY_COLUMNS)
    assert part.columns == [name for name in whole.columns if name in {*KEY, *DAY_COLUMNS, "recorded_at_utc"}]
    assert part.equals(whole.filter(pl.col("meter_id") == "m2").select(part.columns))
    virtual = site_readings(still.lake, with_virtual_use(), meters=["both"], columns=DAY_COLUMNS)
    assert virtual["meter_id"].unique().to_list() == ["both"]


def test_files_of_other_days_are_not_looked_into(still: Works) -> None:
    files = still.lake.parts("works")
    assert len(files) > 20
    # A day's own file and no other may be read: all others are gone.
    start, after = (site_time for site_time in (date(2025, 3, 10), date(2025, 3, 12)))
    near = [each for each in files if each.first <= after and each.last >= start]
    far = tuple(each.model_copy(update={"path": each.path / "gone"}) for each in files if each not in near)
    seus, streams = still.site.seus, lake_days.uses_streams(still.site.seus)
    query = {"start": start, "end": after}
    some = lake_days.days_in((*near, *far), still.site, streams, **query)
    assert some.of(seus[0]).equals(lake_days.days_in(files, still.site, streams, **query).of(seus[0]))


def test_blocks_hold_so_many_streams_and_lose_no_use(still: Works) -> None:
    # line: m1 and two drivers; packing: m2 and two, of which they share one.
    assert [len(block) for block in blocks_of(still.site, still.site.seus, 5)] == [2]
    assert [len(block) for block in blocks_of(still.site, still.site.seus, 4)] == [1, 1]
    # m2 and m3 stand behind the virtual one.
    assert [len(block) for block in blocks_of(with_virtual_use(), with_virtual_use().seus, 6)] == [1, 1]


@given(st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_the_search_of_all_forms_at_once_ends_where_scoring_each_does(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.choice([25, 90, 365]))
    degc = np.round(10 - 10 * np.cos(2 * np.pi * np.arange(n) / 365) + rng.normal(0, rng.choice([0.1, 4]), n), 1)
    heat = np.maximum(rng.integers(10, 22) - degc, 0) * rng.choice([-3.0, 0.0, 4.0])
    y = 100 + heat + rng.choice([0.0, 3.0]) * np.maximum(degc - 18, 0) + rng.normal(0, rng.choice([0.01, 5]), n)
    dates = [date(2024, 1, 1) + timedelta(days=index) for index in range(n)]
    trial = Trial(pl.DataFrame({"local_date": dates, "t": degc, "x": rng.normal(0, 1, n)}), y)
    kinds = {kind: [f"t.{kind}_{base:g}" for base in range(10, 23)] for kind in ("hdd", "cdd")}
    named = {kind: [name for name in names if trial.qualifies(name)] for kind, names in kinds.items()}
    single = [(name,) for names in named.values() for name in names]
    both = [(one, two) for one in named["hdd"] for two in named["cdd"]]
    for forms in (single, both):
        scored = [(trial.score(["x", *form]), form) for form in forms]
        best = min(scored, default=(float("inf"), ()))
        found = trial.best(forms, ["x"])
        # Nothing but an unbeaten infinity may differ: no form is taken then.
        assert found == best or (found[0] == best[0] == float("inf"))


def test_many_baselines_share_one_run_and_load_one_by_one(still: Works, tracker: MlflowTracker) -> None:
    base = still.versions["line"].baseline

    def many(first: float) -> dict[str, Baseline]:
        names = [f"use{number}" for number in range(RUNS_OF_THEIR_OWN + 1)]
        return {
            name: base.model_copy(update={"site_id": "many", "seu_id": name, "confidence": first if n == 0 else 0.9})
            for n, name in enumerate(names)
        }

    given = {"store": still.store, "tracker": tracker, "clock": still.clock, "fitted_by": "ben"}
    made, refused = registered(many(0.9), **given)  # type: ignore[arg-type]
    assert refused == {}
    assert len({each.mlflow_run_id for each in made.values()}) == 1
    assert len({each.fitted_at_utc for each in made.values()}) == 1
    names = tracker.names("many.")
    assert len(names) == len(made)
    assert b'"use3"' in tracker.load_files("many.use3.enb.ols_daily", 1)["baseline.json"]
    # Again the same: nothing new. One changed: one version more, in a run of its own.
    assert registered(many(0.9), **given)[0] == made  # type: ignore[arg-type]
    changed, _ = registered(many(0.8), **given)  # type: ignore[arg-type]
    assert [name for name in made if changed[name] != made[name]] == ["use0"]
    assert (changed["use0"].version, len(tracker.versions("many.use0.enb.ols_daily"))) == (2, 2)
    assert still.store.in_force("many")["use0"] == changed["use0"]
    assert still.store.in_force("many", BaselineType.MONITORING) == {}
    assert still.store.in_force("works")["line"] == still.versions["line"]


def test_days_are_read_once_and_anew_after_a_correction_or_another_site_file(works: Works) -> None:
    span = Period(label="", start=date(2025, 3, 1), end=date(2025, 5, 1), time_zone=works.site.time_zone)
    read = works.lake.store.cache.place("use_days")

    def days(site: Site) -> pl.DataFrame:
        return works.sources().use_days(site, site.seus[0], span, works.clock.now_utc())

    first = days(works.site)
    assert days(works.site).equals(first)
    assert (read.made, first["local_date"][9]) == (1, date(2025, 3, 10))
    alone = works.readings(span.start, span.end)
    assert first.equals(seu_days(alone, site=works.site, seu=works.site.seus[0], start=span.start, end=span.end))
    rows = works_rows(date(2025, 3, 10), date(2025, 3, 11)).with_columns(pl.col("value") * 2, is_correction=True)
    info = BatchInfo(
        site_id="works", source_name="again.csv", source_sha256="1" * 64, reader="csv", reader_version="1",
        accepted_rows=rows.height, rejected_rows=0, is_synthetic=False,
    )  # fmt: skip
    works.lake.write_batch(info, rows, unchanged_rows=0, clock=works.clock)
    works.clock.advance(timedelta(minutes=1))
    doubled = days(works.site)
    assert doubled["energy_kwh"][9] == pytest.approx(2 * first["energy_kwh"][9])
    assert doubled["energy_kwh"][8] == first["energy_kwh"][8]
    before = works.sources().driver_days(works.site, works.site.seus[0], span, NOW)
    assert before["product_a"].equals(first["product_a"])
    elsewhere = works_site(country="US")
    good_friday = date(2025, 4, 18)
    holidays = [each.filter(pl.col("local_date") == good_friday)["is_holiday"][0] for each in (first, days(elsewhere))]
    assert holidays == [1, 0]

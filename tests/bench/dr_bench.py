"""Plans of curtailment, and event baselines on days without an event (docs/ems/demand_response.md)."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import polars as pl

from assets.stores.ledgers.dr_events import DrEvents
from assets.stores.transactions import Store, connect_store
from controls.demand_response.curtailment import Event as Called
from controls.demand_response.curtailment import library_for, plan_curtailment
from controls.simulator.vtn import LocalVtn
from data_quality.contracts.errors import OurFault
from data_quality.contracts.finding import Finding
from data_quality.contracts.settings import load_project
from data_quality.contracts.site_file.site import Site
from ml.baselines.usage_tables.calendar_of import holidays_of
from ml.event_baselines.day_steps import DaySteps, Matrix, mean_of
from ml.event_baselines.event_days import EventDays, EventWindow
from ml.event_baselines.regression import regression, usual_before
from ml.event_baselines.settle import METHODS, RAMP_MISS, Event, half_widths, settle
from ml.features.series import Vector

MAIN = str(Path(sys.executable).parent / "meterloom")
DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
CAMBRIDGE = EventWindow(start=16, end=19, adjust_start=12, adjust_end=15)
BDG2 = EventWindow(start=14, end=18, adjust_start=10, adjust_end=13)


@dataclass(frozen=True)
class Meter:
    """A meter's days, its window, and the days [first, end) that are measured."""

    name: str
    grid: DaySteps
    window: EventWindow
    first: int
    end: int


def cambridge(names: tuple[str, ...] = ()) -> Iterator[Meter]:
    """Electricity of the estate with weather, 2019 measured."""
    folder = DATA / "sites_cambridge"
    rows = pl.read_parquet(folder / "meters_hourly.parquet").filter(pl.col("meter") == "electricity")
    rows = rows.join(pl.read_parquet(folder / "weather_bedford_hourly.parquet"), on="timestamp_utc", how="left")
    local = pl.col("timestamp_utc").dt.replace_time_zone("UTC").dt.convert_time_zone("Europe/London")
    rows = rows.with_columns(local=local.dt.replace_time_zone(None), load="value", warmth="air_temperature_c")
    yield from _meters(rows, CAMBRIDGE, (date(2019, 1, 1), date(2020, 1, 1)), names)


def bdg2(names: tuple[str, ...] = ()) -> Iterator[Meter]:
    """Buildings by their own clock without weather, July 2016 to December 2017 measured."""
    rows = pl.read_parquet(DATA / "sites_bdg2" / "electricity_hourly.parquet")
    rows = rows.with_columns(local="timestamp_local", load="kwh", warmth=pl.lit(None, pl.Float64))
    yield from _meters(rows, BDG2, (date(2016, 7, 1), date(2018, 1, 1)), names)


def _meters(
    rows: pl.DataFrame, window: EventWindow, span: tuple[date, date], names: tuple[str, ...]
) -> Iterator[Meter]:
    for (name,), own in rows.group_by(["building_id"], maintain_order=True):
        if not names or name in names:
            is_british = window is CAMBRIDGE or str(name).startswith("Robin")
            grid, first = _grid(own, ("GB", "ENG") if is_british else ("US", None))
            yield Meter(str(name), grid, window, (span[0] - first).days, (span[1] - first).days)


def _grid(rows: pl.DataFrame, holidays: tuple[str, str | None]) -> tuple[DaySteps, date]:
    first = rows["local"].dt.date().min()
    last = rows["local"].dt.date().max()
    assert isinstance(first, date)
    assert isinstance(last, date)
    # Days behind the readings: the event that no measured day is lost to.
    dates = [first + timedelta(days=n) for n in range((last - first).days + 6)]
    cell = ((rows["local"].dt.date() - first).dt.total_days() * 24 + rows["local"].dt.hour().cast(pl.Int64)).to_numpy()

    def by_day(column: str) -> Matrix:
        value = rows[column].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        known = np.isfinite(value)
        count = np.bincount(cell[known], minlength=24 * len(dates))
        total = np.bincount(cell[known], weights=value[known], minlength=24 * len(dates))
        mean: Matrix = np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
        return mean.reshape(-1, 24)

    load = by_day("load")
    load[load == 0] = np.nan
    off = set(holidays_of(holidays[0], holidays[1], first, last + timedelta(days=6)))
    grid = DaySteps(
        load_kw=load,
        temperature_degc=None if rows["warmth"].is_null().all() else by_day("warmth"),
        is_off=np.array([day.weekday() >= 5 or day in off for day in dates]),
        weekday=np.array([day.isoweekday() for day in dates]),
        month=np.array([day.year * 12 + day.month for day in dates]),
        is_excluded=np.zeros(len(dates), dtype=bool),
    )
    return grid, first


def scores(meter: Meter) -> dict[str, Vector]:
    """Error, RRMSE, bias and coverage in percent by method."""
    event = Event(int(np.flatnonzero(~meter.grid.is_off)[-1]), meter.window)
    found = settle(meter.grid, [event], methods=["regression"], placebo=(meter.first, meter.end))
    return {
        each.name: 100 * np.array([each.mae, each.rrmse, each.bias, each.coverage], dtype=np.float64)
        for each in found.scores
    }


def half_width(meter: Meter) -> float:
    """Median half-width of the regression's band, percent of its baseline."""
    days, event = meter.grid.alike(is_off=False), meter.window.event
    event_days = EventDays(meter.grid, days, meter.window)
    value, load = regression(event_days)[:, event].mean(axis=1), event_days.today_kw[:, event]
    widths, _ = half_widths(np.abs(load.mean(axis=1) / value - 1))
    inside = (days >= meter.first) & (days < meter.end) & np.isfinite(widths)
    return 100 * float(np.median(widths[inside]))


def ramps(meter: Meter) -> tuple[float, float]:
    """Percent of days flagged with a ramp of 20 % in the adjustment hours, and as they are."""
    days, span = meter.grid.alike(is_off=False), meter.window.adjustment
    usual = usual_before(EventDays(meter.grid, days, meter.window))[:, span]
    excess = np.asarray(mean_of(meter.grid.load_kw[days][:, span], axis=1)) / np.asarray(mean_of(usual, axis=1))
    limits, _ = half_widths(excess, miss=RAMP_MISS)
    inside = (days >= meter.first) & (days < meter.end) & np.isfinite(limits) & np.isfinite(excess)
    limit = np.maximum(limits, 1)
    return 100 * float((1.2 * excess > limit)[inside].mean()), 100 * float((excess > limit)[inside].mean())


def sheds_held(meter: Meter) -> tuple[int, int]:
    """Sheds of 10, 20 and 30 % with 30 % rebound on every tenth day: true ones inside the interval, and all."""
    days = meter.grid.alike(is_off=False)
    days = days[(days >= meter.first) & (days < meter.end)][5::10]
    load, event, after = meter.grid.load_kw.copy(), meter.window.event, meter.window.after(24)
    shares = np.resize([0.1, 0.2, 0.3], len(days))
    shed = meter.grid.load_kw[days][:, event] * shares[:, None]
    load[days, event] -= shed
    load[days, after] += 0.3 * shed[:, : after.stop - after.start]
    grid = replace(meter.grid, load_kw=load)
    events = [Event(int(day), meter.window) for day in days]
    found = settle(grid, events, methods=["regression"], placebo=(0, meter.end))
    true = dict(zip(days.tolist(), np.asarray(mean_of(shed, axis=1)), strict=True))
    inside = [
        abs(float(mean_of(each.baseline_kw[event] - load[each.event.day][event], axis=0)) - true[each.event.day])
        <= each.half_width_kw
        for each in found.estimates
        if np.isfinite(load[each.event.day][event]).all()
    ]
    return sum(inside), len(inside)


def plan_times() -> Iterator[str]:
    """Wall time from an event to its plan over twenty contacts with rests, beside the ten seconds that are wanted."""
    contacts = [
        {"load_id": f"l{n}", "meter": "main", "max_shed_kw": 5.0 + n, "max_minutes": 60 + 60 * (n % 3),
         "rest_minutes": 30, "is_whole": True, "cost_per_kwh": 0.1 + 0.01 * n}
        for n in range(20)
    ]  # fmt: skip
    site = Site.model_validate(
        {"site_id": "plant", "name": "Plant", "time_zone": "UTC", "currency": "EUR", "country": "DE",
         "meters": [{"meter_id": "main"}], "sheddable_loads": contacts}
    )  # fmt: skip
    start = datetime(2026, 7, 1, 0, tzinfo=UTC)
    for hours, target_kw in ((4, 40.0), (4, 100.0), (24, 40.0), (24, 150.0), (24, 260.0)):
        dr_event = Called(start, start + timedelta(hours=hours), target_kw)
        library = library_for(site, dr_event, now_utc=start - timedelta(days=1), drivers={}, drawn_kw={})
        began = time.perf_counter()
        found = plan_curtailment(site, dr_event, library, preference="cost")
        took_s = time.perf_counter() - began
        reported = found.code if isinstance(found, Finding) else f"{found.cost:.2f} EUR, gap {found.gap or 0:.2%}"
        yield f"  20 loads, {hours:2} h, {target_kw:3.0f} kW: {took_s:4.1f} s (wanted 10); {reported}\n"


SITE = """
site_id: plant
name: Plant
time_zone: UTC
currency: EUR
country: DE
weekly_rest: []
meters: [{meter_id: main}, {meter_id: fans, parent: main}]
sheddable_loads:
  - {load_id: fans, meter: fans, max_shed_kw: 30, max_minutes: 120, cost_per_kwh: 0.2, rebound_share: 0.5}
  - {load_id: light, meter: main, max_shed_kw: 5, max_minutes: 60, cost_per_kwh: 0.5}
"""
SIGNALS, POLL_S = 5, 5


def signal_times(folder: Path) -> list[float]:
    """Wall times from the publication of a signal at a VTN to the stored proposal, s: `dr listen` as the process it
    is, which asks each five seconds. The first one waits for its start and is left out.
    """
    hour = timedelta(hours=1)
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    with LocalVtn("ven-1", "bench", ["shed"]) as vtn:
        source = {"source_id": "dso", "url": vtn.url, "client_id": "ven-1", "secret_env": "DSO_SECRET",
                  "programme": "shed", "ven_name": "plant", "shed_kw": [10, 15, 20], "is_synthetic": True,
                  "poll_s": POLL_S, "settles_by": "own_peak"}  # fmt: skip
        (folder / "plant.yaml").write_text(f"{SITE}signal_sources: [{json.dumps(source)}]\n")
        rows = [
            f"{name},{(now - n * hour).isoformat()},{kw}"
            for n in range(49 * 24, 0, -1) for name, kw in (("fans", 20), ("main", 100))
        ]  # fmt: skip
        (folder / "energy.csv").write_text("\n".join(["meter,timestamp,kwh", *rows]) + "\n")
        project = folder / "p"
        ingest = ("ingest", str(folder / "energy.csv"), "--site", "plant", "--project", str(project))
        for words in (("init", str(project), "--site", str(folder / "plant.yaml")), ingest):
            subprocess.run([MAIN, *words], check=True, capture_output=True)
        command = [MAIN, "dr", "listen", "--site", "plant", "--project", str(project)]
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | {"DSO_SECRET": "bench"}
        )
        store = connect_store(load_project(project, {}).store_url)
        try:
            return [_proposed_after(vtn, store, now + (24 + n) * hour, n + 1) for n in range(SIGNALS + 1)][1:]
        finally:
            process.kill()
            process.wait()
            store.close()


def _proposed_after(vtn: LocalVtn, store: Store, start: datetime, count: int) -> float:
    period = {"start": start.isoformat(), "duration": "PT1H"}
    began = time.perf_counter()
    vtn.publish({"intervalPeriod": period, "intervals": [{"id": 0, "payloads": [{"type": "SIMPLE", "values": [1]}]}]})
    while sum(each.state == "proposed" for each in DrEvents(store).current("plant")) < count:
        if time.perf_counter() - began > 120:
            raise OurFault("no event was proposed within two minutes")
        time.sleep(0.05)
    return time.perf_counter() - began


def plain_ten_in_ten(meter: Meter, day: int) -> float:
    """The mean of the last ten counting business days in the event hours, as an analyst writes it with pandas, kW."""
    first = date(2000, 1, 1)
    hours = pd.date_range(first, periods=meter.grid.load_kw.size, freq="h")
    load = pd.Series(meter.grid.load_kw.ravel(), index=hours)
    days = pd.DataFrame({"kw": load, "day": np.repeat(np.arange(len(meter.grid.is_off)), 24), "hour": hours.hour})
    days = days[~meter.grid.is_off[days["day"]] & (days["day"] < day)]
    counts = days.groupby("day")["kw"].count()
    last = counts[counts >= 22].index[-10:]
    inside = days[days["day"].isin(last) & days["hour"].between(meter.window.start, meter.window.end - 1)]
    return float(inside.pivot_table(index="day", columns="hour", values="kw").mean().mean())


def settlement_ratio(meters: list[Meter]) -> str:
    """Processor time of settlements by all methods, with their errors, over that of a plain 10-in-10 alone."""
    day = int(meters[0].grid.alike(is_off=False)[400])
    began = time.process_time()
    found = [settle(meter.grid, [Event(day, meter.window)]) for meter in meters]
    whole_s = time.process_time() - began
    began = time.process_time()
    plain = [plain_ten_in_ten(meter, day) for meter in meters]
    plain_s = time.process_time() - began
    rule = [next(each for each in one.estimates if each.method == "10-in-10") for one in found]
    off = max(
        abs(float(mean_of(each.baseline_kw[meter.window.event], axis=0)) / kw - 1)
        for each, meter, kw in zip(rule, meters, plain, strict=True)
    )
    return (
        f"  1,000 meters x 1 event: {1000 * whole_s / len(meters):.0f} s of processor (wanted 30), all methods with "
        f"their errors; {whole_s / plain_s:.1f} times a plain pandas 10-in-10 (off by {off:.0e} at most)\n"
    )


def main() -> None:
    """Print the table: medians over the meters, the least and the greatest coverage, and what a settlement costs."""
    write = sys.stdout.write
    with TemporaryDirectory() as folder:
        took_s = signal_times(Path(folder))
    write(
        f"From a signal's publication to the stored proposal, asked each {POLL_S} s: median {np.median(took_s):.1f} s, "
    )
    write(f"longest {max(took_s):.1f} s of {len(took_s)} (wanted 10)\n")
    write("Plans of curtailment\n")
    for line in plan_times():
        write(line)
    for title, meters in (("Cambridge", list(cambridge())), ("BDG2", list(bdg2()))):
        by_meter = [scores(meter) for meter in meters]
        write(f"{title}: {len(meters)} meters; error / RRMSE / bias, %; largest bias; RRMSE <= 20 %; 90 % band holds\n")
        for name in METHODS:
            rows = np.array([each[name] for each in by_meter])
            middle, held = np.median(rows, axis=0), rows[:, 3]
            write(
                f"  {name:20}{middle[0]:6.2f} /{middle[1]:6.2f} /{middle[2]:+6.2f}  {np.abs(rows[:, 2]).max():6.2f}"
                f"{int((rows[:, 1] <= 20).sum()):5}   {held.mean():.1f} ({held.min():.1f} to {held.max():.1f})\n"
            )
        flagged = np.array([ramps(meter) for meter in meters])
        inside = np.array([sheds_held(meter) for meter in meters])
        write(f"  half-width {np.median([half_width(meter) for meter in meters]):.2f} % of the baseline (median)\n")
        write(
            f"  ramps flagged {np.median(flagged[:, 0]):.1f} % of days, false {np.median(flagged[:, 1]):.1f} % (medians"
        )
        write(f"; most false {flagged[:, 1].max():.1f} %)\n")
        write(f"  sheds in the interval: {inside[:, 0].sum() / inside[:, 1].sum():.1%} of {inside[:, 1].sum()}\n")
        write(settlement_ratio(meters))


if __name__ == "__main__":
    main()

"""False alarms of a portfolio without faults: simulated sites by many seeds, judged as the nightly scoring does.

Run: `.venv/bin/python -m tests.bench.anomaly_alarms [sites]`. An event counts that reaches a person by the default
choice of notices (severity 3 and more urgent); energy is priced at one price, as the simulator has no bills.
"""

import sys
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import polars as pl

from assets.sites.load_sites import load_site
from controls.simulator.worlds.generate import generate_site
from data_quality.contracts.reporting.notice import Way
from data_quality.contracts.site_file.site import Site
from ml.anomalies.events import AnomalyEvent
from ml.anomalies.monitor import watch
from ml.anomaly_scoring.score_site import TEMPERATURE_UNIT, scored_streams, severity_of, weather_led
from ml.features.civil import civil_of
from ml.features.series import HOUR, Series, Vector

# From spring to the first cold weeks; the weeks before which events count teach what is usual.
START, END, LEARNED_WEEKS = date(2024, 4, 1), date(2024, 12, 30), 12
WEEKS = (END - START).days // 7 - LEARNED_WEEKS
PRICE = 0.25
DEMO = Path(__file__).resolve().parents[2] / "assets" / "sites" / "demo"
# Of ten sites: homes, works and towers.
MIX = ("home", "factory") * 4 + ("tower", "tower")


def events_of_site(site: Site, seed: int) -> Iterator[tuple[str, AnomalyEvent]]:
    """Events of a site's meters that are stored, after the first weeks."""
    made = generate_site(site, start=START, end=END, seed=seed)
    first = made.meters["timestamp"].sort()[0]
    outdoor = next((each.driver_id for each in site.drivers if each.unit == TEMPERATURE_UNIT), None)
    led = weather_led(site)
    for meter, stream in scored_streams(site):
        rows = made.meters.filter((pl.col("meter") == meter.meter_id) & (pl.col("register") == stream.register))
        if rows.is_empty():
            continue
        series = Series(first, _hourly(rows, "kwh", pl.col("kwh").sum()))
        warmth = None if outdoor is None else _hourly(made.drivers, outdoor, pl.col(outdoor).mean())
        found = watch(series, civil_of(site, series.start_utc, len(series.values)), temperature=warmth).events
        begin = series.start_utc + LEARNED_WEEKS * 7 * 24 * HOUR
        for event in found:
            if event.end_utc > begin and not (meter.meter_id in led and event.kind == "drift"):
                yield meter.meter_id, event


def reaches(event: AnomalyEvent) -> bool:
    """Whether a person who chose nothing else is told of it."""
    is_fault = event.cause == "sensor_fault"
    cost = None if is_fault else (event.measured - event.expected) * PRICE
    return bool(severity_of(cost, is_fault=is_fault) <= Way.model_fields["from_severity"].default)


def _hourly(rows: pl.DataFrame, column: str, value: pl.Expr) -> Vector:
    by_hour = rows.sort("timestamp").group_by_dynamic("timestamp", every="1h").agg(value)
    return by_hour[column].cast(pl.Float64).to_numpy().copy()


def main() -> int:
    """Print events and notices a week, of a site and of one person who is told of all."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    told: Counter[tuple[str, str]] = Counter()
    stored, sites = 0, 0
    for place in range(count):
        site = load_site(DEMO / f"{MIX[place % len(MIX)]}.yaml")
        sites += 1
        for _, event in events_of_site(site, 67_000 + place):
            stored += 1
            if reaches(event):
                told[site.site_id, event.kind] += 1
    notices = sum(told.values())
    sys.stdout.write(f"{sites} sites, {WEEKS} weeks: {stored} events, {notices} of them reach a person\n")
    sys.stdout.write(f"a site: {notices / sites / WEEKS:.2f} a week; one person told of all: {notices / WEEKS:.2f}\n")
    for (site_id, kind), number in sorted(told.items()):
        sys.stdout.write(f"  {site_id:8} {kind:12} {number}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

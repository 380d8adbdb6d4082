"""False alarms of a portfolio without faults: simulated sites by many seeds, judged as the nightly scoring does.

Run: `.venv/bin/python -m tests.bench.anomaly_alarms [sites]`. An event counts that reaches a person by the default
choice of notices (severity 3 and more urgent); energy is priced at one price, as the simulator has no bills. Causes
are told from the meter and the temperature alone. Letters are those of the outbox: of one look, a cause of a site each.
"""

import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import polars as pl

from assets.sites.load_sites import load_site
from controls.simulator.worlds.generate import generate_site
from data_quality.contracts.reporting.notice import Contact, Notice, NoticeChoices
from data_quality.contracts.reporting.open_finding import Severity
from data_quality.contracts.site_file.site import Site
from ml.anomalies.events import AnomalyEvent
from ml.anomalies.monitor import watch
from ml.anomaly_causes.cause_model import likely_cause
from ml.anomaly_causes.event_features import CauseContext, features_of
from ml.anomaly_scoring.score_site import TEMPERATURE_UNIT, scored_streams, severity_of, weather_led
from ml.features.civil import civil_of
from ml.features.series import HOUR, Series, Vector
from orchestration.notices.decide import letters_of

# From spring to the first cold weeks; the weeks before which events count teach what is usual.
START, END, LEARNED_WEEKS = date(2024, 4, 1), date(2024, 12, 30), 12
WEEKS = (END - START).days // 7 - LEARNED_WEEKS
PRICE = 0.25
SEED = 67_000
DEMO = Path(__file__).resolve().parents[2] / "assets" / "sites" / "demo"
# Of ten sites: homes, works and towers.
MIX = ("home", "factory") * 4 + ("tower", "tower")


# What the minutes find at once; the rest is told by the night after it.
LIVE = ("spike", "high")


class Alarm(NamedTuple):
    """An event that is stored. place: of the site in the portfolio; alarm_utc: the look that finds it."""

    place: int
    site_id: str
    meter_id: str
    event: AnomalyEvent
    severity: Severity
    alarm_utc: datetime

    @property
    def reaches(self) -> bool:
        """Whether a person who chose nothing else gets a notice of it."""
        return bool(self.severity <= Contact.model_fields["from_severity"].default)


def events_of_site(site: Site, place: int) -> Iterator[Alarm]:
    """Events of a site's meters that are stored, after the first weeks."""
    made = generate_site(site, start=START, end=END, seed=SEED + place)
    first = made.meters["timestamp"].sort()[0]
    outdoor = next((each.driver_id for each in site.drivers if each.unit == TEMPERATURE_UNIT), None)
    led = weather_led(site)
    for meter, stream in scored_streams(site):
        rows = made.meters.filter((pl.col("meter") == meter.meter_id) & (pl.col("register") == stream.register))
        if rows.is_empty():
            continue
        series = Series(first, _hourly(rows, "kwh", pl.col("kwh").sum()))
        warmth = None if outdoor is None else _hourly(made.drivers, outdoor, pl.col(outdoor).mean())
        civil = civil_of(site, series.start_utc, len(series.values))
        begin = series.start_utc + LEARNED_WEEKS * 7 * 24 * HOUR
        for event in watch(series, civil, temperature=warmth).events:
            if event.end_utc > begin and not (meter.meter_id in led and event.kind == "drift"):
                is_fault = likely_cause(features_of(event, series, civil, CauseContext(warmth))).cause == "sensor_fault"
                cost = None if is_fault else (event.measured - event.expected) * PRICE
                severity = severity_of(cost, is_fault=is_fault)
                yield Alarm(place, site.site_id, meter.meter_id, event, severity, alarm_utc(event))


def alarm_utc(event: AnomalyEvent) -> datetime:
    """Time of the alarm: the hour of what the minutes find, else the night after the event."""
    if event.kind in LIVE:
        return event.start_utc
    return event.end_utc.replace(hour=0, minute=0) + timedelta(days=1)


def letters(reported: list[Alarm]) -> int:
    """Letters that the outbox sends to one person of these events: causes together, a digest over the limit."""
    by_look, sent, count = defaultdict[datetime, list[Notice]](list), dict[str, datetime](), 0
    for each in reported:
        cause = f"{each.place} anomalies {each.event.kind}"
        notice = Notice(
            notice_id=f"{each.place} {each.meter_id} {each.event.start_utc} {each.event.kind}",
            person_id="one", site_id=each.site_id, finding_id=each.meter_id, channel="mail", address="one@example.com",
            severity=each.severity, cause=cause, text=cause, link="", per_hour=NoticeChoices().per_hour,
            next_utc=each.alarm_utc,
        )  # fmt: skip
        by_look[each.alarm_utc].append(notice)
    for now_utc, due in sorted(by_look.items()):
        sent = {name: at for name, at in sent.items() if at > now_utc - timedelta(hours=1)}
        found = letters_of(due, {("one", "mail"): sent}, now_utc)
        sent |= {letter[0].letter_id: now_utc for letter in found}
        count += len(found)
    return count


def _hourly(rows: pl.DataFrame, column: str, value: pl.Expr) -> Vector:
    by_hour = rows.sort("timestamp").group_by_dynamic("timestamp", every="1h").agg(value)
    return by_hour[column].cast(pl.Float64).to_numpy().copy()


def main() -> int:
    """Print events, notices and letters a week, of a site and of one person who is told of all."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    stored = [
        each
        for place in range(count)
        for each in events_of_site(load_site(DEMO / f"{MIX[place % len(MIX)]}.yaml"), place)
    ]
    reported = [each for each in stored if each.reaches]
    sent = letters(reported)
    sys.stdout.write(f"{count} sites, {WEEKS} weeks: {len(stored)} events, {len(reported)} notices in {sent} letters\n")
    sys.stdout.write(f"a site: {len(reported) / count / WEEKS:.2f} notices a week\n")
    sys.stdout.write(
        f"one person told of all: {len(reported) / WEEKS:.2f} notices, {sent / WEEKS:.2f} letters a week\n"
    )
    for (site_id, kind), number in sorted(Counter((each.site_id, each.event.kind) for each in reported).items()):
        sys.stdout.write(f"  {site_id:8} {kind:12} {number}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

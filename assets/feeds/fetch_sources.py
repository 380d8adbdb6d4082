"""A look at the pulled sources of a site: InfluxDB buckets and markets of prices; what they tell lands as files.

Two times: the interval that a price is of, and when the lake took it; a price that the market corrects is a correction.
"""

import os
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from assets.feeds.day_ahead import MarketPrices, read_awattar, read_entsoe
from assets.feeds.fetch import Patience, Question, fetch
from assets.feeds.influx_pull import Pulled, pull
from assets.feeds.landed import land, read_note, write_note
from assets.stores.whole_file import write_whole
from data_quality.contracts.errors import BadInput, Unreachable
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.settings import Project
from data_quality.contracts.site_file.live_source import InfluxSource, PricesSource
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.units import unit_of
from data_quality.price_age import MARKET_ZONE, market_midnight, staleness

# A schedule that looks on the quarter hour must not skip one because the last look took a minute.
SLACK = timedelta(minutes=2)
# A plan holds new prices against those of so many days before.
LOOK_BACK = timedelta(days=15)


class FetchedPrices(Model):
    """Prices of one look. until_utc: the end of the last price that is known. asked: False where all was here."""

    source_id: str
    asked: bool
    until_utc: datetime | None
    files: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


def fetch_prices(
    site: Site,
    source: PricesSource,
    *,
    landing: Path,
    notes: Path,
    now_utc: datetime,
    patience: Patience = Patience(),  # noqa: B008 - frozen
    sleep: Callable[[float], None] = time.sleep,
) -> FetchedPrices:
    """Request the prices that are not known yet, and land them. An earlier answer is kept next to the note.

    Raises BadInput (token, another currency, a document that is none); a service that is away is a finding as long as
    known prices reach beyond now, and then Unreachable.
    """
    folder = notes / site.site_id
    note = read_note(folder / f"{source.source_id}.json")
    until = datetime.fromisoformat(note["until_utc"]) if note else None
    start, end = _requested_span(until, now_utc)
    if until is not None and until >= end:
        return FetchedPrices(source_id=source.source_id, asked=False, until_utc=until)
    kept = folder / f"{source.source_id}.answer"
    try:
        body = fetch(_question(source, start, end), patience=patience, sleep=sleep)
    except Unreachable as fault:
        if until is None or until <= now_utc:
            raise
        late = Finding(code="prices_not_asked", message=str(fault), severity="warning")
        findings = (late, *staleness(until, now_utc))
        return FetchedPrices(source_id=source.source_id, asked=True, until_utc=until, findings=findings)
    write_whole(kept, body)
    found = read_awattar(body, file=source.url) if source.provider == "awattar" else read_entsoe(kept, file=source.url)
    files = _land(site, source, found, landing)
    ends: datetime = found.rows.select((pl.col("at") + pl.duration(minutes="minutes")).max()).item()
    until = max(ends, until) if until is not None else ends
    write_note(folder / f"{source.source_id}.json", {"until_utc": until.isoformat(), "asked_utc": now_utc.isoformat()})
    return FetchedPrices(
        source_id=source.source_id, asked=True, until_utc=until, files=files, findings=staleness(until, now_utc)
    )


def _requested_span(until: datetime | None, now_utc: datetime) -> tuple[datetime, datetime]:
    """From where prices are missing up to where the market has published them."""
    local = now_utc.astimezone(MARKET_ZONE)
    # From one on tomorrow's may be there; before that, asking is in vain.
    end = market_midnight(local, days=2 if local.hour >= 13 else 1)
    start = market_midnight((until or now_utc - LOOK_BACK).astimezone(MARKET_ZONE), days=0)
    return min(start, market_midnight(local, days=0)), end


def _question(source: PricesSource, start: datetime, end: datetime) -> Question:
    named = f"sources ({source.source_id})"
    if source.provider == "awattar":
        span = {"start": f"{start.timestamp() * 1000:.0f}", "end": f"{end.timestamp() * 1000:.0f}"}
        return Question(source.url, "/v1/marketdata", span, named=named)
    token = os.environ.get(source.token_env, "") if source.token_env else ""
    if not token or not source.area:
        missing = "area" if not source.area else f"the environment variable {source.token_env or 'token_env'}"
        raise BadInput(f"source {source.source_id!r}: ENTSO-E needs {missing}", reason="no_token")
    query = {"documentType": "A44", "in_Domain": source.area, "out_Domain": source.area, "securityToken": token}
    query |= {"periodStart": f"{start:%Y%m%d%H%M}", "periodEnd": f"{end:%Y%m%d%H%M}"}
    return Question(source.url, "/api", query, {"Accept": "application/xml"}, named=named)


def _land(site: Site, source: PricesSource, found: MarketPrices, landing: Path) -> tuple[str, ...]:
    """One file for each length of interval, in the unit of the driver."""
    if found.currency != site.currency:
        # Told, not converted: an exchange rate is no part of a price.
        raise BadInput(
            f"source {source.source_id!r}: prices are in {found.currency}, site {site.site_id} in {site.currency}",
            reason="currency_mismatch",
        )
    (point,) = source.points
    driver = next((each for each in site.drivers if each.driver_id == point.stream), None)
    if driver is None or unit_of(driver.unit).canonical != "per_kwh":
        raise BadInput(f"source {source.source_id!r}: {point.stream!r} is no driver in per_kwh", reason="unit_mismatch")
    factor = unit_of("per_mwh").factor / unit_of(driver.unit).factor
    names = []
    for (minutes,), rows in found.rows.partition_by("minutes", as_dict=True, maintain_order=True).items():
        frame = rows.select("at", value=(pl.col("value") * factor).round(9))
        stem = f"{source.source_id}.{rows['at'][0]:%Y%m%dT%H%MZ}.{minutes}min"
        path = land(landing / site.site_id, stem, {point.stream: frame}, is_synthetic=source.is_synthetic)
        names += [path.name] if path is not None else []
    return tuple(names)


def pulled_sources(site: Site, source_id: str | None = None) -> list[InfluxSource | PricesSource]:
    """The sources that are pulled, or the one of that name. Raises BadInput where there is none."""
    found = [each for each in site.sources if isinstance(each, InfluxSource | PricesSource)]
    named = [each for each in found if source_id in (None, each.source_id)]
    if source_id is not None and not named:
        has = ", ".join(each.source_id for each in found) or "none"
        raise BadInput(f"{source_id!r} is no source of {site.site_id} that is pulled; it has {has}", reason="no_source")
    return named


def is_due(project: Project, site: Site, source: InfluxSource | PricesSource, now_utc: datetime) -> bool:
    """Whether to look again, by when the last look was made."""
    try:
        note = read_note(_notes(project) / site.site_id / f"{source.source_id}.json")
        requested_utc = note.get("asked_utc") or note.get("until_utc")
        every = timedelta(hours=source.every_h) if source.kind == "prices" else timedelta(minutes=source.every_minutes)
        return requested_utc is None or now_utc - datetime.fromisoformat(requested_utc) >= every - SLACK
    except (BadInput, ValueError):
        # The look itself says what is wrong with the note.
        return True


def fetch_source(
    project: Project,
    site: Site,
    source: InfluxSource | PricesSource,
    *,
    now_utc: datetime,
    progress: Callable[[str], None] = lambda _: None,
) -> Pulled | FetchedPrices:
    """Ask one source for what is not known yet. Raises BadInput, Unreachable, OSError."""
    landing, notes = project.landing_dir, _notes(project)
    if isinstance(source, InfluxSource):
        return pull(site, source, landing=landing, notes=notes, now_utc=now_utc, progress=progress)
    return fetch_prices(site, source, landing=landing, notes=notes, now_utc=now_utc)


def _notes(project: Project) -> Path:
    return project.data_dir / "feeds"

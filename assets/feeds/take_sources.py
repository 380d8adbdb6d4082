"""A look at the pulled sources of a site: InfluxDB buckets and markets of prices; what they tell lands as files."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from assets.feeds.influx_pull import Pulled, pull
from assets.feeds.landed import read_note
from assets.feeds.take_prices import TakenPrices, take_prices
from data_quality.contracts.errors import BadInput
from data_quality.contracts.settings import Project
from data_quality.contracts.site_file.live_source import InfluxSource, PricesSource
from data_quality.contracts.site_file.site import Site

# A schedule that looks on the quarter hour must not skip one because the last look took a minute.
SLACK = timedelta(minutes=2)


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
        asked = note.get("asked_utc") or note.get("until_utc")
        every = timedelta(hours=source.every_h) if source.kind == "prices" else timedelta(minutes=source.every_minutes)
        return asked is None or now_utc - datetime.fromisoformat(asked) >= every - SLACK
    except (BadInput, ValueError):
        # The look itself says what is wrong with the note.
        return True


def take_source(
    project: Project,
    site: Site,
    source: InfluxSource | PricesSource,
    *,
    now_utc: datetime,
    said: Callable[[str], None] = lambda _: None,
) -> Pulled | TakenPrices:
    """Ask one source for what is not known yet. Raises BadInput, Unreachable, OSError."""
    landing, notes = project.landing_dir, _notes(project)
    if isinstance(source, InfluxSource):
        return pull(site, source, landing=landing, notes=notes, now_utc=now_utc, said=said)
    return take_prices(site, source, landing=landing, notes=notes, now_utc=now_utc)


def _notes(project: Project) -> Path:
    return project.data_dir / "feeds"

"""A look at a site's feed of weather forecasts: what it tells goes into the store."""

from pathlib import Path

from assets.feeds import bright_sky, open_meteo
from assets.feeds.fetch import Patience, Question, fetch
from assets.feeds.weather_file import read_weather_file
from assets.stores.ledgers.forecasts import WeatherStore
from data_quality.contracts.control.weather_issue import WeatherIssue
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.site_file.weather_feed import WeatherFeed
from data_quality.contracts.time import Clock


class FetchedWeather(Model):
    """Weather of one look. new: issues that were not known yet. issues: the last of each source."""

    site_id: str
    kind: str
    found: int
    new: int
    issues: tuple[WeatherIssue, ...]


def fetch_weather(
    site: Site,
    *,
    store: WeatherStore,
    clock: Clock,
    root: Path,
    patience: Patience = Patience(),  # noqa: B008 - frozen
) -> FetchedWeather:
    """Ask the site's feed, or read its files, and keep what is new. root: the project folder.

    Raises BadInput (no feed, no file, a wrong document) and Unreachable.
    """
    feed = site.weather_feed
    if feed is None:
        raise BadInput(
            f"site {site.site_id} has no weather_feed",
            reason="no_feed",
            mend="add one to its site file (docs/ems/weather.md), or 'meterloom weather import'",
        )
    issues = _from_files(feed, root) if feed.kind == "file" else _requested(site, feed, clock, patience)
    if feed.is_synthetic:
        issues = [each.model_copy(update={"is_synthetic": True}) for each in issues]
    new = store.add(site.site_id, issues, clock)
    last = {each.source: each for each in issues}
    return FetchedWeather(site_id=site.site_id, kind=feed.kind, found=len(issues), new=new, issues=tuple(last.values()))


def _requested(site: Site, feed: WeatherFeed, clock: Clock, patience: Patience) -> list[WeatherIssue]:
    # The site file is refused where it names a service and no place.
    latitude, longitude = site.latitude_deg or 0.0, site.longitude_deg or 0.0
    if feed.kind == "open_meteo":
        path, query = "/v1/forecast", open_meteo.query(latitude, longitude)
    else:
        path, query = "/weather", bright_sky.query(latitude, longitude, clock.now_utc())
    content = fetch(Question(feed.url, path, query), patience=patience)
    read = open_meteo.read_open_meteo if feed.kind == "open_meteo" else bright_sky.read_bright_sky
    # After the answer, not before the question: it was known then.
    return read(content, fetched_at_utc=clock.now_utc(), file=feed.url)


def _from_files(feed: WeatherFeed, root: Path) -> list[WeatherIssue]:
    paths = sorted(path for path in root.glob(feed.path) if path.is_file())
    if not paths:
        raise BadInput(f"no file fits weather_feed.path {feed.path!r} in {root}", reason="no_file")
    found = [issue for path in paths for issue in read_weather_file(path)]
    return sorted(found, key=lambda each: (each.issued_at_utc, each.available_at_utc))

"""A look at a site's feed, over HTTP and into the store."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import ValidationError

from assets.feeds.fetch import Patience
from assets.feeds.fetch_weather import fetch_weather
from assets.sites.load_sites import load_site
from assets.stores.ledgers.forecasts import WeatherStore
from assets.stores.transactions import Store
from data_quality.contracts.errors import BadInput, Unreachable
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.site_file.weather_feed import WeatherFeed
from data_quality.contracts.time import FixedClock
from tests.feeds.documents import FIRST, HOUR, NOW, bright_sky, content, open_meteo
from tests.feeds.server import Reply, Service, serving

HOME = load_site(Path("assets/sites/demo/home.yaml"))
ONCE = Patience(pauses_s=())


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as found:
        yield found


def site(**feed: object) -> Site:
    update = {"weather_feed": WeatherFeed.model_validate(feed), "latitude_deg": 52.5, "longitude_deg": 13.4}
    return HOME.model_copy(update=update)


def test_what_a_service_forecasts_stands_in_the_store_once(service: Service, store: Store, tmp_path: Path) -> None:
    weather, clock = WeatherStore(store), FixedClock(NOW)
    fed = site(kind="open_meteo", url=service.url)
    service.say(Reply(body=content(open_meteo())))
    assert fetch_weather(fed, store=weather, clock=clock, root=tmp_path, patience=ONCE).new == 1
    clock.advance(HOUR)
    assert fetch_weather(fed, store=weather, clock=clock, root=tmp_path, patience=ONCE).new == 0
    (issue,) = weather.known("home", start_utc=FIRST, end_utc=FIRST + HOUR)
    assert (issue.source, issue.available_at_utc, issue.labels) == ("open_meteo", NOW, ("issued_as_fetched",))
    url = parse_qs(urlsplit(service.asked[0]).query)
    assert (url["latitude"], url["timezone"]) == (["52.5000"], ["GMT"])


def test_bright_sky_is_asked_in_the_units_that_are_read(service: Service, store: Store, tmp_path: Path) -> None:
    service.say(Reply(body=content(bright_sky())))
    fed = site(kind="bright_sky", url=f"{service.url}/", is_synthetic=True)
    taken = fetch_weather(fed, store=WeatherStore(store), clock=FixedClock(NOW), root=tmp_path, patience=ONCE)
    assert [each.source for each in taken.issues] == ["bright_sky", "bright_sky_measured"]
    assert all(each.is_synthetic for each in taken.issues)
    url = urlsplit(service.asked[0])
    assert (url.path, parse_qs(url.query)["units"]) == ("/weather", ["dwd"])


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'{"hourly": {"time": []}}'])
def test_garbage_leaves_nothing_in_the_store(service: Service, store: Store, tmp_path: Path, body: bytes) -> None:
    service.say(Reply(body=body))
    fed = site(kind="open_meteo", url=service.url)
    with pytest.raises(BadInput, match=f"{service.url}: .*expected an Open-Meteo forecast"):
        fetch_weather(fed, store=WeatherStore(store), clock=FixedClock(NOW), root=tmp_path, patience=ONCE)
    assert WeatherStore(store).heads("home") == []


def test_a_service_that_is_down_leaves_nothing_in_the_store(service: Service, store: Store, tmp_path: Path) -> None:
    service.say(Reply(500))
    fed = site(kind="bright_sky", url=service.url)
    with pytest.raises(Unreachable, match="does not answer"):
        fetch_weather(fed, store=WeatherStore(store), clock=FixedClock(NOW), root=tmp_path, patience=ONCE)


def test_files_that_arrive_are_known_from_when_they_were_written(store: Store, tmp_path: Path) -> None:
    weather, folder = WeatherStore(store), tmp_path / "weather"
    folder.mkdir()
    for place, document in enumerate((open_meteo(), open_meteo(24))):
        path = folder / f"{place}.json"
        path.write_bytes(content(document))
        written = datetime(2025, 6, 1, 6 * place, tzinfo=UTC).timestamp()
        os.utime(path, (written, written))
    fed = site(kind="file", path="weather/*.json")
    taken = [fetch_weather(fed, store=weather, clock=FixedClock(NOW), root=tmp_path) for _ in range(2)]
    assert [(each.found, each.new) for each in taken] == [(2, 2), (2, 0)]
    assert [row["available_at_utc"].hour for row in weather.heads("home")] == [0, 6]


def test_without_feed_or_file_the_sentence_says_what_to_do(store: Store, tmp_path: Path) -> None:
    weather = WeatherStore(store)
    with pytest.raises(BadInput, match="site home has no weather_feed"):
        fetch_weather(HOME, store=weather, clock=FixedClock(NOW), root=tmp_path)
    with pytest.raises(BadInput, match=r"no file fits weather_feed\.path 'w/\*' in"):
        fetch_weather(site(kind="file", path="w/*"), store=weather, clock=FixedClock(NOW), root=tmp_path)


def test_a_look_is_due_when_the_last_is_as_old_as_the_site_wants() -> None:
    feed = WeatherFeed(kind="file", path="a", every_h=3)
    assert feed.is_due(None, NOW)
    assert not feed.is_due(NOW - timedelta(hours=2), NOW)
    # The last look took some seconds: the third hour is not skipped for them.
    assert feed.is_due(NOW - timedelta(hours=3) + timedelta(seconds=20), NOW)


@pytest.mark.parametrize(
    ("feed", "sentence"),
    [
        ({"kind": "open_meteo"}, "needs a url"),
        ({"kind": "open_meteo", "url": "file:///etc/passwd"}, "needs a url"),
        ({"kind": "open_meteo", "url": "https://a:b@c"}, "without a password"),
        ({"kind": "open_meteo", "url": "https://a?apikey=b"}, "a query"),
        ({"kind": "file"}, "needs a path within the project"),
        ({"kind": "file", "path": "/etc/*"}, "needs a path within the project"),
        ({"kind": "file", "path": "../*"}, "needs a path within the project"),
        ({"kind": "file", "path": "a", "every_h": 0}, "greater than or equal to 1"),
        ({"kind": "radio"}, "Input should be 'open_meteo', 'bright_sky' or 'file'"),
    ],
)
def test_a_feed_that_cannot_be_is_refused_in_the_site_file(feed: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        WeatherFeed.model_validate(feed)


def test_a_service_is_asked_for_a_place() -> None:
    document = HOME.model_dump(mode="json") | {
        "latitude_deg": None,
        "weather_feed": {"kind": "bright_sky", "url": "https://a"},
    }
    with pytest.raises(ValidationError, match="give latitude_deg and longitude_deg"):
        Site.model_validate(document)


def test_a_site_without_a_feed_is_stored_as_before() -> None:
    assert "weather_feed" not in HOME.model_dump(mode="json")

"""Day-ahead prices from a real server on this machine: aWATTar's and ENTSO-E's shapes, once, and how old they are."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from typer.testing import CliRunner

from assets.feeds.day_ahead import read_awattar, read_entsoe
from assets.feeds.defs import raw_landing__pulled_files
from assets.feeds.fetch import Patience
from assets.feeds.fetch_sources import FetchedPrices, fetch_prices
from assets.readings.sniff_files import sniff_file
from assets.sites.load_sites import load_site
from data_quality.contracts.errors import BadInput, Unreachable
from data_quality.contracts.site_file.live_source import PricesSource
from data_quality.contracts.time import FixedClock
from data_quality.price_age import MARKET_ZONE, staleness
from orchestration.cli.main import build_app
from orchestration.partitions import SITES
from orchestration.resources import ProjectResource
from orchestration.schedules import quarter_hourly_pulls
from tests.feeds.server import Reply, Service, serving

# 13:30 in Berlin on a summer's day: tomorrow's prices are there.
NOW = datetime(2025, 6, 10, 11, 30, tzinfo=UTC)
MIDNIGHT = datetime(2025, 6, 9, 22, tzinfo=UTC)
QUICK = Patience(connect_s=0.5, read_s=1, whole_s=2, pauses_s=(0.01,))
SITE = """\
site_id: works
name: Works
time_zone: Europe/Berlin
currency: EUR
country: DE
meters: [{{meter_id: m1}}]
drivers: [{{driver_id: price, unit: per_kwh, aggregation: mean}}]
price_stream: price
sources:
  - source_id: market
    kind: prices
    provider: {provider}
    url: {url}
    area: 10Y1001A1001A82H
    token_env: ENTSOE_TOKEN
    points: [{{point: price, stream: price, what: mean, unit: per_mwh}}]
"""


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("ENTSOE_TOKEN", "t0ken")
    with serving() as found:
        yield found


def awattar(hours: int = 48, start: datetime = MIDNIGHT, price: float = 80.5, unit: str = "Eur/MWh") -> bytes:
    rows = []
    for hour in range(hours):
        begin = int((start + timedelta(hours=hour)).timestamp() * 1000)
        end = begin + 3_600_000
        rows.append({"start_timestamp": begin, "end_timestamp": end, "marketprice": price + hour, "unit": unit})
    return json.dumps({"object": "list", "data": rows}).encode()


def entsoe(
    points: str, *, curve: str = "A01", resolution: str = "PT60M", hours: int = 3, currency: str = "EUR"
) -> bytes:
    end = MIDNIGHT + timedelta(hours=hours)
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<Publication_MarketDocument xmlns="urn:iec62325.351:tc57wg16:451-3:publicationdocument:7:3">
 <TimeSeries><mRID>1</mRID><currency_Unit.name>{currency}</currency_Unit.name>
  <price_Measure_Unit.name>MWH</price_Measure_Unit.name><curveType>{curve}</curveType>
  <Period><timeInterval><start>{MIDNIGHT:%Y-%m-%dT%H:%MZ}</start><end>{end:%Y-%m-%dT%H:%MZ}</end></timeInterval>
   <resolution>{resolution}</resolution>{points}</Period></TimeSeries>
</Publication_MarketDocument>""".encode()


def point(place: int, price: float) -> str:
    return f"<Point><position>{place}</position><price.amount>{price}</price.amount></Point>"


def take(folder: Path, service: Service, provider: str = "awattar", now: datetime = NOW) -> FetchedPrices:
    (folder / "works.yaml").write_text(SITE.format(provider=provider, url=service.url))
    site = load_site(folder / "works.yaml")
    (source,) = site.sources
    assert isinstance(source, PricesSource)
    return fetch_prices(
        site, source, landing=folder / "landing", notes=folder / "notes", now_utc=now, patience=QUICK,
        sleep=lambda _: None,
    )  # fmt: skip


def test_prices_land_in_the_unit_of_their_driver_and_are_asked_for_once(tmp_path: Path, service: Service) -> None:
    service.say(Reply(body=awattar()))
    taken = take(tmp_path, service)
    assert (taken.asked, taken.until_utc, taken.findings) == (True, MIDNIGHT + timedelta(hours=48), ())
    # Two weeks back: a plan holds new prices against them.
    assert service.asked[0].startswith(
        f"/v1/marketdata?start={int((MIDNIGHT - timedelta(days=15)).timestamp() * 1000)}&"
    )
    (name,) = taken.files
    path = tmp_path / "landing" / "works" / name
    table = pl.read_csv(path, try_parse_dates=True)
    assert table.columns == ["timestamp", "price"]
    assert (table["timestamp"][0], table["price"][:2].to_list()) == (MIDNIGHT, [0.0805, 0.0815])
    report = sniff_file(path, site=load_site(tmp_path / "works.yaml"), now_utc=NOW)
    assert (report.accepted_rows, report.rejected_rows) == (48, 0)
    assert not take(tmp_path, service).asked
    assert len(service.asked) == 1


def test_the_same_prices_again_are_the_same_file(tmp_path: Path, service: Service) -> None:
    service.say(Reply(body=awattar()))
    first = take(tmp_path, service)
    (tmp_path / "notes" / "works" / "market.json").unlink()
    assert take(tmp_path, service).files == first.files


def test_entsoe_is_asked_by_its_zone_and_a_price_that_is_left_out_goes_on(tmp_path: Path, service: Service) -> None:
    service.say(Reply(body=entsoe(point(1, 50) + point(3, -3.25), curve="A03")))
    taken = take(tmp_path, service, "entsoe", now=MIDNIGHT + timedelta(hours=1))
    url = service.asked[0]
    assert "documentType=A44" in url
    assert "in_Domain=10Y1001A1001A82H" in url
    table = pl.read_csv(tmp_path / "landing" / "works" / taken.files[0])
    assert table["price"].to_list() == [0.05, 0.05, -0.00325]


def test_quarter_hours_stand_where_an_hour_says_the_same_time(tmp_path: Path) -> None:
    path = tmp_path / "answer"
    hours = entsoe(point(1, 9), hours=1).decode()
    quarters = entsoe("".join(point(place, place) for place in range(1, 5)), resolution="PT15M", hours=1).decode()
    series = quarters[quarters.index("<TimeSeries") : quarters.index("</Publication")]
    path.write_text(hours.replace("</Publication", f"{series}</Publication"))
    rows = read_entsoe(path).rows
    assert (rows["minutes"].to_list(), rows["value"].to_list()) == ([15] * 4, [1, 2, 3, 4])


def test_a_document_that_cannot_be_is_one_sentence(tmp_path: Path) -> None:
    reason = b"<Reason><code>999</code><text>No matching data found</text></Reason>"
    acknowledged = b"<Acknowledgement_MarketDocument>" + reason + b"</Acknowledgement_MarketDocument>"
    whole = point(1, 1) + point(2, 1) + point(3, 1)
    cases = {
        "no prices: No matching data found": acknowledged,
        "has 2 of 3 positions": entsoe(point(1, 1) + point(2, 1)),
        "has 4 of 3 positions, among them 9": entsoe(whole + point(9, 1)),
        "resolution 'PT7M'": entsoe(whole, resolution="PT7M"),
        "'x' is no number": entsoe(point(1, 7.5) + whole).replace(b"7.5", b"x"),
        "is no price": entsoe(point(1, 1) + point(2, 99_999) + point(3, 1)),
        "a document type or entity is declared": b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
    }
    for reported, document in cases.items():
        path = tmp_path / "answer"
        path.write_bytes(document)
        with pytest.raises(BadInput, match=reported):
            read_entsoe(path)
    for body, reported in (
        (b"[]", "expected prices as aWATTar"),
        (b'{"data": []}', "it holds no price"),
        (awattar(1, unit="Eur/kWh"), "in EUR/MWh"),
        (awattar(1).replace(b"80.5", b'"80.5"'), "element 1 of data"),
        (awattar(1).replace(b"80.5", b"NaN"), "this is no JSON"),
        (awattar(2).replace(b"Eur", b"Gbp", 1), "EUR, GBP; expected one currency"),
    ):
        with pytest.raises(BadInput, match=reported):
            read_awattar(body)


def test_another_currency_is_told_and_not_converted(tmp_path: Path, service: Service) -> None:
    service.say(Reply(body=awattar(unit="Czk/MWh")))
    with pytest.raises(BadInput, match="prices are in CZK, site works in EUR"):
        take(tmp_path, service)
    assert not (tmp_path / "landing").exists()


def test_without_its_token_entsoe_is_not_asked(
    tmp_path: Path, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ENTSOE_TOKEN")
    with pytest.raises(BadInput, match="ENTSO-E needs the environment variable ENTSOE_TOKEN"):
        take(tmp_path, service, "entsoe")
    assert service.asked == []


def test_a_market_that_is_away_is_a_finding_until_prices_run_out(tmp_path: Path, service: Service) -> None:
    service.say(Reply(body=awattar(24)))
    take(tmp_path, service, now=MIDNIGHT + timedelta(hours=1))
    service.say(Reply(503))
    late = take(tmp_path, service, now=MIDNIGHT + timedelta(hours=16))
    assert [each.code for each in late.findings] == ["prices_not_asked", "prices_late"]
    with pytest.raises(Unreachable):
        take(tmp_path, service, now=MIDNIGHT + timedelta(hours=25))


def test_prices_are_stale_when_none_is_for_now_and_late_when_tomorrows_should_be_there() -> None:
    end = MIDNIGHT + timedelta(hours=24)
    assert staleness(end, MIDNIGHT + timedelta(hours=14)) == ()
    assert [each.code for each in staleness(end, MIDNIGHT + timedelta(hours=15))] == ["prices_late"]
    assert [each.severity for each in staleness(end, end)] == ["blocking"]
    # The day on which clocks go forward has 23 hours, and its prices are whole.
    march = datetime(2025, 3, 29, 23, tzinfo=UTC)
    assert staleness(march + timedelta(hours=23), march - timedelta(hours=9)) == ()


def test_command_asset_and_schedule_take_the_same_look(tmp_path: Path, service: Service) -> None:
    now = datetime.now(UTC)
    midnight = now.astimezone(MARKET_ZONE).replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)
    service.say(Reply(body=awattar(48, start=midnight)))
    (tmp_path / "sites").mkdir()
    (tmp_path / "meterloom.yaml").write_text("{}\n")
    (tmp_path / "people.yaml").write_text("people: []\n")
    (tmp_path / "sites" / "works.yaml").write_text(SITE.format(provider="awattar", url=service.url))
    words = ["pull", "--site", "works", "--project", str(tmp_path), "--json"]

    def requested(instance: dg.DagsterInstance) -> list[str | None]:
        with dg.build_schedule_context(
            instance=instance,
            resources={"project": ProjectResource(root=str(tmp_path))},
            scheduled_execution_time=now.replace(second=0, microsecond=0),
        ) as context:
            return [each.partition_key for each in quarter_hourly_pulls(context) if isinstance(each, dg.RunRequest)]

    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        instance.add_dynamic_partitions(SITES.name or "", ["works"])
        assert requested(instance) == ["works"]
        done = CliRunner().invoke(build_app(("pull",)), words)
        assert done.exit_code == 0, done.stderr
        (source,) = json.loads(done.stdout)["sources"]
        assert (source["asked"], source["file_count"]) == (True, 1)
        assert requested(instance) == []
        resources = {"project": ProjectResource(root=str(tmp_path)), "clock": FixedClock(now)}
        taken = dg.materialize(
            [raw_landing__pulled_files], instance=instance, partition_key="works", resources=resources
        )
    (made,) = taken.asset_materializations_for_node("raw_landing__pulled_files")
    assert made.metadata["dagster/row_count"].value == 0
    done = CliRunner().invoke(build_app(("pull",)), [*words, "--source", "bucket"])
    assert (done.exit_code, "it has market" in done.stderr) == (2, True)

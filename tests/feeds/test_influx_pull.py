"""Pulling an InfluxDB: everything once, whatever was killed on the way, and one sentence for what cannot be."""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from assets.feeds.fetch import Patience
from assets.feeds.fetch_sources import is_due
from assets.feeds.influx_csv import read_tables, values_of
from assets.feeds.influx_pull import Pulled, means, pull, rows_query, states
from assets.sites.load_sites import load_site
from data_quality.contracts.errors import BadInput, Unreachable
from data_quality.contracts.settings import load_project
from data_quality.contracts.site_file.live_source import InfluxPoint, InfluxSource
from tests.feeds.influx_server import TOKEN, InfluxServer, channel, influx
from tests.feeds.influx_site import make_project

NOW = datetime(2026, 3, 10, 12, 7, tzinfo=UTC)
QUICK = Patience(connect_s=0.5, read_s=5, whole_s=10, pauses_s=(0.01, 0.02))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[InfluxServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("INFLUX_TOKEN", TOKEN)
    with influx() as found:
        for number in range(4):
            found.add("hall", f"c{number}", channel(number), host="a")
        yield found


def pulled(
    folder: Path, server: InfluxServer, now: datetime = NOW, since: date = date(2026, 1, 20), **more: Any
) -> Pulled:
    project = make_project(folder, server.url, 4, since, **more)
    site = load_site(project / "sites" / "works.yaml")
    (source,) = site.sources
    assert isinstance(source, InfluxSource)
    return pull(site, source, landing=folder / "landing", notes=folder / "notes", now_utc=now, patience=QUICK)


def landed(folder: Path, kind: str) -> pl.DataFrame:
    files = sorted((folder / "landing").rglob(f"*.{kind}.*.csv"))
    return pl.concat([pl.read_csv(each, try_parse_dates=True) for each in files]).sort("timestamp")


def whole(folder: Path, since: datetime, until: datetime) -> None:
    """Every quarter hour of every channel is there, and says what the bucket has."""
    found = landed(folder, "means").unique()
    quarters = int((until - since) / timedelta(minutes=15))
    assert found.height == quarters
    counted = landed(folder, "states").unique()
    assert counted.height == 2 * quarters
    assert sum(frame[name].null_count() for frame in (found, counted) for name in frame.columns) == 0
    at_s, values = channel(2)(int(since.timestamp()), int(until.timestamp()))
    values_by_s = dict(zip(at_s.tolist(), values.tolist(), strict=True))
    assert all(
        values_by_s[int(at.timestamp())] == value for at, value in counted.select("timestamp", "m2.import").iter_rows()
    )


def test_a_history_lands_month_by_month_and_the_news_behind_it(tmp_path: Path, server: InfluxServer) -> None:
    first = pulled(tmp_path, server)
    since, until = datetime(2026, 1, 20, tzinfo=UTC), datetime(2026, 3, 10, 12, tzinfo=UTC)
    assert (first.since_utc, first.until_utc, len(first.files), first.empty) == (since, until, 6, ())
    assert first.values == 4 * (until - since) / timedelta(minutes=1)
    whole(tmp_path, since, until)
    size = len(server.asked)
    second = pulled(tmp_path, server, NOW + timedelta(hours=1))
    # What comes late is looked for once more.
    assert second.since_utc == until - timedelta(hours=2)
    assert len(server.asked) - size == 8
    whole(tmp_path, since, until + timedelta(hours=1))


def test_what_lands_becomes_readings_whose_sums_are_the_registers(tmp_path: Path, server: InfluxServer) -> None:
    from typer.testing import CliRunner

    from orchestration.cli.main import build_app

    pulled(tmp_path, server, since=date(2026, 2, 20))
    files = [str(each) for each in sorted((tmp_path / "landing").rglob("*.csv"))]
    done = CliRunner().invoke(
        build_app(("ingest",)), ["ingest", *files, "--site", "works", "--project", str(tmp_path), "--json"]
    )
    assert done.exit_code == 0, done.stderr
    reports = json.loads(done.stdout)["files"]
    assert {each["rejected_rows"] for each in reports} == {0}
    quarters = int((datetime(2026, 3, 10, 12, tzinfo=UTC) - datetime(2026, 2, 20, tzinfo=UTC)) / timedelta(minutes=15))
    assert sum(each["new_rows"] for each in reports) == 4 * quarters


def test_a_pull_killed_at_random_leaves_no_gap(tmp_path: Path, server: InfluxServer) -> None:
    """Five real processes are killed in the middle; the sixth ends."""
    since = date(2025, 9, 1)
    make_project(tmp_path, server.url, 4, since)
    chance, killed = random.Random(20), 0
    code = "from orchestration.cli.main import main; main()"
    words = [sys.executable, "-c", code, "pull", "--site", "works", "--project", str(tmp_path)]
    while True:
        size = len(server.asked)
        process = subprocess.Popen(words, env=os.environ.copy(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if killed < 5:
            # In the middle of its questions, wherever that is.
            stop_at = size + chance.randint(1, 24)
            while len(server.asked) < stop_at and process.poll() is None:
                time.sleep(0.002)
            process.kill()
            killed += 1
        _, stderr = process.communicate()
        if process.returncode == 0:
            break
        assert process.returncode == -9, stderr
    until = datetime.fromisoformat(json.loads((tmp_path / "var/feeds/works/history.json").read_text())["until_utc"])
    whole(tmp_path, datetime(2025, 9, 1, tzinfo=UTC), until)
    assert killed == 5


def test_a_server_that_fails_for_a_moment_is_asked_again(tmp_path: Path, server: InfluxServer) -> None:
    server.next = [503, 500]
    assert pulled(tmp_path, server, since=date(2026, 3, 10)).values == 4 * 720
    server.next = [503] * 40
    with pytest.raises(Unreachable, match="does not answer: it answers 503"):
        pulled(tmp_path, server, NOW + timedelta(hours=1))
    server.next = []
    assert pulled(tmp_path, server, NOW + timedelta(hours=1)).until_utc == datetime(2026, 3, 10, 13, tzinfo=UTC)


def test_two_series_under_one_name_are_refused_with_what_tells_them_apart(tmp_path: Path, server: InfluxServer) -> None:
    server.add("hall", "c1", channel(1), host="b")
    with pytest.raises(BadInput, match=r"point 'c1' meets 2 series \(host=a; host=b\)"):
        pulled(tmp_path, server)
    assert not (tmp_path / "landing").exists()


def test_a_token_that_is_missing_or_wrong_is_one_sentence(
    tmp_path: Path, server: InfluxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFLUX_TOKEN", "other")
    with pytest.raises(BadInput, match="refuses the question with 401: unauthorized access"):
        pulled(tmp_path, server)
    monkeypatch.delenv("INFLUX_TOKEN")
    with pytest.raises(BadInput, match="expected one in the environment variable INFLUX_TOKEN"):
        pulled(tmp_path, server)


def test_another_meaning_of_the_source_pulls_anew(tmp_path: Path, server: InfluxServer) -> None:
    pulled(tmp_path, server, since=date(2026, 3, 9))
    assert pulled(tmp_path, server, since=date(2026, 3, 8)).since_utc == datetime(2026, 3, 8, tzinfo=UTC)
    (tmp_path / "notes" / "works" / "history.json").write_text("{")
    with pytest.raises(BadInput, match="this is no note of a pull"):
        pulled(tmp_path, server)


def test_a_bucket_without_values_in_a_month_says_so(tmp_path: Path, server: InfluxServer) -> None:
    late = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp())
    for number in range(4):
        server.add("hall", f"c{number}", lambda a, b, n=number: channel(n)(max(a, late), max(b, late)), host="a")
    assert pulled(tmp_path, server).empty == ("2026-01-20 to 2026-02-01", "2026-02-01 to 2026-03-01")


def test_a_source_is_due_as_often_as_it_says(tmp_path: Path, server: InfluxServer) -> None:
    make_project(tmp_path, server.url, 4, date(2026, 3, 10), every_minutes=60)
    project, site = load_project(tmp_path, {}), load_site(tmp_path / "sites" / "works.yaml")
    (source,) = site.sources
    assert isinstance(source, InfluxSource)
    assert is_due(project, site, source, NOW)
    pull(site, source, landing=project.landing_dir, notes=project.data_dir / "feeds", now_utc=NOW, patience=QUICK)
    assert not is_due(project, site, source, NOW + timedelta(minutes=30))
    assert is_due(project, site, source, NOW + timedelta(minutes=58))


def frame(*rows: tuple[float, float]) -> pl.DataFrame:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    at = [start + timedelta(minutes=minute) for minute, _ in rows]
    schema = {"at": pl.Datetime("us", "UTC"), "value": pl.Float64}
    return pl.DataFrame({"at": at, "value": [float(value) for _, value in rows]}, schema=schema)


def test_of_a_counter_edges_and_falls_are_kept() -> None:
    kept = states(frame(*[(minute, minute if minute < 7 else minute - 7) for minute in range(30)]))
    assert [at.minute for at in kept["at"]] == [0, 5, 6, 7, 8, 14, 15, 29]


def test_an_instant_value_counts_as_long_as_it_holds() -> None:
    # 20 for ten minutes, then 30 for five.
    found, uncovered = means(frame((0, 20), (10, 30), (15, 40)), holds_s=900)
    assert found["value"].to_list() == [pytest.approx(20 * 2 / 3 + 10), 40]
    assert uncovered == 0
    found, uncovered = means(frame((0, 20), (15, 40)), holds_s=60)
    assert (found.height, uncovered) == (0, 2)


def test_annotated_csv_of_several_tables_and_hostile_ones() -> None:
    head = b"#datatype,string,long,dateTime:RFC3339,double\r\n#group,false,false,false,false\r\n#default,_result,,,\r\n"
    names = b",result,table,_time,_value\r\n"
    body = head + names + b",,0,2026-01-01T00:00:00Z,1\r\n,,0,2026-01-01T00:01:00.5Z,NaN\r\n\r\n"
    body += head + names + b",,1,2026-01-01T00:02:00.123456789Z,2.5\r\n,,1,soon,3\r\n"
    values, refused = values_of(read_tables(body), what="c0")
    assert values["value"].to_list() == [1, 2.5]
    assert refused == 2
    assert read_tables(b"") == []
    assert values_of([], what="c0")[0].is_empty()
    cases = {
        "the server says: out of memory": b"#datatype,string,long\r\n,error,reference\r\n,out of memory,897\r\n",
        "cut in its last line": body[:-3],
        "expected annotated CSV": b"<html>\n",
        "of type string": (head + names + b",,0,2026-01-01T00:00:00Z,on\r\n").replace(b"double", b"string"),
    }
    for reported, document in cases.items():
        with pytest.raises(BadInput, match=reported):
            values_of(read_tables(document), what="c0")


def test_a_name_never_becomes_code_of_the_query() -> None:
    hostile = 'x") |> drop() //\\ ${1}'
    point = InfluxPoint(
        point="p", stream="m", what="register", unit="kwh", measurement=hostile, field="f", tags={hostile: "\n"}
    )
    source = InfluxSource(
        source_id="s", kind="influxdb2", url="http://h", org="o", bucket=hostile, token_env="TOKEN",
        since=date(2026, 1, 1), points=(point,),
    )  # fmt: skip
    flux = rows_query(source, point, NOW, NOW)
    escaped = 'x\\") |> drop() //\\\\ \\${1}'
    assert flux.count(escaped) == 3
    assert "\n" not in flux
    rest = flux.replace(escaped, "")
    assert ("drop" in rest, "${" in rest) == (False, False)

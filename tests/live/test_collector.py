"""The collector: what is no sample is kept as a refusal, one bad source stops no other, and it says how it is doing."""

import json
import logging
import threading
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from assets.stores.live.live_store import LiveReader
from controls.collector.collector import KEPT_REFUSALS, Collector
from controls.collector.main import main, run_collector, serve_collector, sites_with_sources
from controls.collector.spool import Spool, read_piece
from controls.gateways.sources.adapter import Adapter
from data_quality.contracts.errors import BadInput
from data_quality.contracts.live.sample import Refusal, Sample
from data_quality.contracts.settings import LiveSettings, Project, Settings
from data_quality.contracts.site_file.live_source import Streaming
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import FixedClock
from tests.live.live_sites import site_of
from tests.live.numbered import Device, Wire

NOW = datetime(2026, 3, 4, 12, 1, tzinfo=UTC)


def collector_in(folder: Path, *, keep_free_mb: int = 0) -> Collector:
    spool = Spool(folder, clock=FixedClock(NOW), limits=LiveSettings(keep_free_mb=keep_free_mb))
    return Collector(site_of(2), [Wire("line", 1)], spool)


def kept(collector: Collector) -> tuple[list[str], list[list[str]]]:
    """Lines and refusals of everything that it closed."""
    collector.stop()
    pieces = [read_piece(each) for each in collector.spool.pieces()]
    refusals = [json.loads(line) for piece in pieces for line in piece.refusals.splitlines()]
    return [line for piece in pieces for line in piece.lines.decode().splitlines()], refusals


def take(collector: Collector, samples: list[Sample], refusals: list[Refusal] | None = None) -> bool:
    acks: list[bool] = []
    came = threading.Event()

    def done(is_kept: bool) -> None:
        acks.append(is_kept)
        came.set()

    collector.take("line", samples, refusals or [], done)
    assert came.wait(5)
    return acks[0]


def test_nan_and_unknown_points_are_kept_as_refusals_and_stop_no_other(tmp_path: Path) -> None:
    collector = collector_in(tmp_path)
    collector.start()
    bad = [Sample("m0.kwh", NOW, float("nan"), "kwh", NOW), Sample("m9.kwh\n,", NOW, 1.0, "kwh", NOW)]
    assert take(collector, [*bad, Sample("m1.kwh", NOW, 7.5, "kwh", NOW, 3)])
    assert [row[2] for row in collector.board.changed()] == ["m1.kwh"]
    lines, refusals = kept(collector)
    assert len(lines) == 1
    assert lines[0].startswith("line,m1.kwh,")
    assert [each[3] for each in refusals] == [
        "the value is no number: nan",
        "source 'line' has no point of this name in the site file",
    ]
    assert refusals[1][4] == "m9.kwh\\n,"


def test_a_flood_of_refusals_is_counted_and_not_kept_whole(tmp_path: Path) -> None:
    collector = collector_in(tmp_path)
    collector.start()
    flood = [Refusal("", NOW, "no JSON", "?")] * 1000
    assert take(collector, [], flood)
    assert take(collector, [], [Refusal("", NOW + timedelta(minutes=1), "no JSON", "?")])
    _, refusals = kept(collector)
    assert len(refusals) == KEPT_REFUSALS + 2
    assert refusals[KEPT_REFUSALS][3] == "940 more were refused in the minute from 12:01 UTC"


def test_while_the_spool_keeps_nothing_that_is_the_state_of_each_source(tmp_path: Path) -> None:
    collector = collector_in(tmp_path, keep_free_mb=1_000_000)
    collector.start()
    assert not take(collector, [Sample("m0.kwh", NOW, 1.0, "kwh", NOW)])
    (state,) = collector.states()
    assert (state.state, "left to the ledger" in state.sentence) == ("disk_full", True)
    assert collector.board.changed() == []
    port = serve_collector([collector], {}, clock=FixedClock(NOW), port=0)
    try:
        address = f"http://127.0.0.1:{port.server_address[1]}"
        with pytest.raises(urllib.error.HTTPError) as raised:
            urllib.request.urlopen(f"{address}/healthz", timeout=5)
        assert (raised.value.code, b"plant: the disk has" in raised.value.read()) == (503, True)
        with urllib.request.urlopen(f"{address}/metrics", timeout=5) as answer:
            text = answer.read().decode()
        assert 'meterloom_collector_spool_refused_total{site="plant"} 1' in text
        assert 'meterloom_collector_source_live{site="plant",source="line"} 0' in text
    finally:
        port.shutdown()
        port.server_close()
        collector.stop()


def test_a_source_that_cannot_be_opened_is_a_state_and_the_others_go_on(tmp_path: Path) -> None:
    document = site_of(2).model_dump(mode="json")
    broken = document["sources"][0] | {"source_id": "broken", "points": []}
    first, second = document["sources"][0]["points"]
    document["sources"] = [document["sources"][0] | {"points": [first]}, broken | {"points": [second]}]
    site = Site.model_validate(document)
    project, stop = Project(root=tmp_path, settings=Settings(live=LiveSettings(keep_free_mb=0))), threading.Event()
    with Device(["m0.kwh"], per_s=50) as device:

        def opened(_: Site, source: Streaming) -> Adapter:
            if source.source_id == "broken":
                raise BadInput("source 'broken': no such template")
            return Wire(source.source_id, device.port)

        running = threading.Thread(
            target=run_collector, args=(project, [site]), kwargs={"stop": stop, "open_adapter": opened}
        )
        running.start()
        reader, until_s = LiveReader(project.live_dir), time.monotonic() + 10
        while time.monotonic() < until_s and not (reader.values("plant") and reader.states("plant")):
            time.sleep(0.1)
        states = {each.source_id: each for _, each in reader.states("plant")}
        stop.set()
        running.join(10)
    assert [each.point for each in reader.values("plant")] == ["m0.kwh"]
    assert (states["broken"].state, states["broken"].sentence) == ("refused", "source 'broken': no such template")
    assert states["line"].state == "live"


def test_a_site_file_that_cannot_be_read_stops_no_other_site(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "sites").mkdir()
    (tmp_path / "sites" / "aaa.yaml").write_text("site_id: [")
    project = Project(root=tmp_path, settings=Settings())
    with caplog.at_level(logging.ERROR), pytest.raises(BadInput, match="no site has a live source"):
        sites_with_sources(project, [])
    assert "not valid YAML" in caplog.text
    plant = yaml.safe_dump(site_of(1).model_dump(mode="json", exclude_unset=True))
    (tmp_path / "sites" / "plant.yaml").write_text(plant)
    assert [site.site_id for site in sites_with_sources(project, [])] == ["plant"]


def test_the_process_says_in_one_sentence_what_is_wrong(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert main(["--project", str(tmp_path), "--site", "attic"]) == 2
    assert "unknown site 'attic'" in caplog.text

"""An erasure of a meter takes what came live of it and is no reading yet, and lets what its neighbours told land."""

import gzip
import json
import signal
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from controls.collector.drain import Drain
from controls.collector.spool import Spool
from data_quality.contracts.live.sample import Refusal, Sample
from data_quality.contracts.live.spool_frames import SAMPLES, frame, refusal_lines, sample_lines
from data_quality.contracts.settings import LiveSettings
from data_quality.contracts.time import FixedClock
from orchestration.open_project import OpenProject
from tests.backup.test_backup import refused
from tests.backup.test_erasure import KILLED, classes, holding, prepared, project, run

__all__ = ["prepared", "project"]
pytestmark = pytest.mark.filterwarnings("ignore")
START, VALUE, WORD = datetime(2026, 3, 4, 12, 0, tzinfo=UTC), 4712.0625, "canary of the flat"
POINT = "{{point: {0}.kwh, stream: {0}, what: interval, interval_minutes: 1, unit: kwh, topic: works/{0}, path: kwh}}"
SOURCES = f"""
sources:
  - source_id: broker
    kind: mqtt
    host: 127.0.0.1
    is_synthetic: true
    points:
      - {POINT.format("flat")}
      - {POINT.format("line")}
"""
ERASE = ("erase", "meter/works/flat", "--yes", "--as", "hana")


def sample(meter: str, minute: int, value: float) -> Sample:
    at_utc = START + timedelta(minutes=minute)
    return Sample(f"{meter}.kwh", at_utc, value, "kwh", at_utc, minute)


@pytest.fixture
def spooled(project: Path) -> Path:
    """The project with a source; in its spool two pieces, one of a collector that was killed, then a piece of carry and
    a landed file that nobody ingested.
    """
    site = project / "sites" / "works.yaml"
    site.write_text(site.read_text().rstrip() + SOURCES)
    spool, drain = collector(project, minute=46)
    spool.start()
    for quarter in (0, 1):
        samples = [each for minute in range(15 * quarter + 1, 15 * quarter + 16) for each in both(minute)]
        refused = Refusal("", START, "no number", WORD), Refusal("line.kwh", START, "no number", "of the line")
        spool.put(sample_lines("broker", samples), refusal_lines("broker", refused), len(samples), lambda _: None)
    spool.close()
    drain.run(now_utc=START + timedelta(minutes=29))
    assert len(list((project / "landing" / "works").glob("*.samples.gz"))) == 1
    assert len(list((project / "var" / "live" / "carry" / "works").iterdir())) == 1
    spool, _ = collector(project, minute=47)
    spool.start()
    spool.put(sample_lines("broker", both(31)), b"", 2, lambda _: None)
    spool.close()
    rest = [each for minute in range(33, 46) for each in both(minute)]
    left = frame(SAMPLES, sample_lines("broker", both(32))) + frame(SAMPLES, sample_lines("broker", rest))
    (project / "var" / "live" / "spool" / "works" / "20260304T124800000000Z-00.open").write_bytes(left + b"\xffMS torn")
    return project


def both(minute: int) -> list[Sample]:
    return [sample("flat", minute, VALUE), sample("line", minute, 1.5)]


def collector(folder: Path, *, minute: int) -> tuple[Spool, Drain]:
    clock = FixedClock(START + timedelta(minutes=minute))
    with closing(OpenProject(str(folder))) as opened:
        site, live = opened.site("works"), opened.project.live_dir
    spool = Spool(live / "spool" / "works", clock=clock, limits=LiveSettings(keep_free_mb=0))
    return spool, Drain(site, spool, landing=folder / "landing" / "works", carry=live / "carry" / "works")


def expect_line_alone(folder: Path) -> None:
    """No byte of the flat; all that the line told lands, and becomes its readings."""
    texts = [path.read_bytes() for path in (folder / "var" / "live").rglob("*") if path.is_file()]
    landed = folder / "landing" / "works"
    texts += [gzip.decompress(path.read_bytes()) for path in landed.glob("*.samples.gz")]
    for word in (str(VALUE), "flat.kwh", WORD):
        assert not any(word.encode() in text for text in texts)
    spool, drain = collector(folder, minute=60)
    spool.start()
    drain.run(now_utc=START + timedelta(hours=2))
    spool.close()
    lines = {
        line for path in landed.glob("*.samples.gz") for line in gzip.decompress(path.read_bytes()).decode().split("\n")
    }
    assert {int(line.split(",")[5]) for line in lines if line.startswith("line.kwh")} == set(range(1, 46))
    assert sum("of the line" in line for line in lines) == 1
    for path in sorted(landed.glob("*.samples.gz")):
        run("ingest", path, "--site", "works", "--project", folder)
    with closing(OpenProject(str(folder))) as opened:
        rows = opened.lake.current("works", meters=["line"]).filter(pl.col("interval_start_utc") >= START)
        assert rows["value"].to_list() == [22.5] * 3
        assert opened.lake.current("works", meters=["flat"]).is_empty()


def test_unlanded_samples_of_other_meters_survive_and_land(spooled: Path) -> None:
    found = classes(run("erase", "meter/works/flat", "--dry-run", "--project", spooled))
    # 45 samples in landing, carry and spool, and what was refused of no point that is known.
    assert found["live"]["rows"] == 45 + 1
    assert holding(spooled / "var" / "live", str(VALUE)) != []
    assert classes(run(*ERASE, "--project", spooled))["live"]["rows"] == found["live"]["rows"]
    expect_line_alone(spooled)


def test_a_point_that_the_site_file_lost_is_known_by_what_it_said_before(spooled: Path) -> None:
    run("report", "data_quality", "--site", "works", "--period", "2025-02", "--as", "p7", "--project", spooled)
    site = spooled / "sites" / "works.yaml"
    site.write_text(site.read_text().replace(f"      - {POINT.format('flat')}\n", ""))
    run(*ERASE, "--project", spooled)
    expect_line_alone(spooled)


def test_killed_between_two_files_of_the_spool_the_same_call_takes_the_rest(spooled: Path) -> None:
    line = [*ERASE, "--project", str(spooled)]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, "write_without", "after", *line], check=False, capture_output=True
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    run(*line)
    expect_line_alone(spooled)


@pytest.mark.parametrize("more", [("--dry-run",), ("--yes", "--as", "hana")])
def test_a_mistyped_meter_is_refused_although_the_spool_holds_samples(spooled: Path, more: tuple[str, ...]) -> None:
    assert "nothing of meter/works/flatt is here" in refused("erase", "meter/works/flatt", *more, "--project", spooled)
    assert holding(spooled / "var" / "live", json.dumps(VALUE)) != []

"""`meterloom up` while everything runs: simulated homes get their files, and get them at once."""

import signal
import socket
import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

import assets.sites
from assets.sites.load_sites import load_site
from data_quality.contracts.errors import Unreachable
from data_quality.contracts.settings import load_project
from orchestration.supervised import deliveries, supervisor
from orchestration.supervised.children import Children
from tests.controls.collector.pushing import SITE


def test_the_first_delivery_waits_for_nothing_on_a_machine_that_has_just_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = load_site(Path(assets.sites.__file__).parent / "demo" / "home.yaml")
    stopped, delivered = threading.Event(), list[str]()

    def deliver(_project: object, site: object, **_options: object) -> None:
        delivered.append(site.site_id)  # type: ignore[attr-defined]
        stopped.set()

    monkeypatch.setattr(deliveries, "deliver_home", deliver)
    # The seconds since its start, as many systems count them.
    monkeypatch.setattr(supervisor, "time", SimpleNamespace(monotonic=lambda: 5.0))
    too_late = threading.Timer(3.0, stopped.set)
    too_late.start()
    supervisor._watch(load_project(tmp_path, {}), {"home": home}, Children(tmp_path), stopped, print)
    too_late.cancel()
    assert delivered == ["home"]


def test_a_door_whose_port_is_taken_is_said_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "works.yaml").write_text(SITE)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        project = load_project(tmp_path, {"METERLOOM_PUSH__PORT": str(port)})
        try:
            with pytest.raises(Unreachable, match=f"port {port}, for push, is taken by .* with METERLOOM_PUSH__PORT"):
                supervisor.serve(project, sites={"works": load_site(tmp_path / "works.yaml")}, say=print)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    assert not (tmp_path / "var" / "logs").exists()


def test_a_plant_whose_files_reach_this_month_or_the_last_gets_them_up_to_now_once_a_day_and_no_older_one(
    tmp_path: Path,
) -> None:
    plant = load_site(Path(assets.sites.__file__).parent / "demo" / "factory.yaml")
    project, delivered = load_project(tmp_path, {}), dict[str, date]()
    folder = project.landing_dir / "factory"
    folder.mkdir(parents=True)
    now_utc = datetime(2026, 1, 31, 22, 50, tzinfo=UTC)
    (folder / "factory_2025-11_meters.csv").touch()
    deliveries.deliver(project, [plant], now_utc=now_utc, delivered={})
    assert len(list(folder.iterdir())) == 1
    # December's was made by the demo, whose faults of January stay.
    (folder / "factory_2025-12_meters.csv").touch()
    (folder / "factory_2026-01_meters.csv").touch()
    (folder / "factory_2026-01_portal.json").touch()
    deliveries.deliver(project, [plant], now_utc=now_utc, delivered=delivered)
    names = {f"factory_{month}_{kind}.csv" for month in ("2025-12", "2026-01") for kind in ("meters", "drivers")}
    # Of January the meters' portal has estimates, and rows that are refused.
    others = {"factory_2025-11_meters.csv", "factory_2026-01_portal.json"}
    assert {path.name for path in folder.iterdir()} == names | others
    running = folder / "factory_2026-01_meters.csv"
    # The quarter hour in progress is not yet metered.
    assert running.read_text().splitlines()[-1].split(",")[2] == "2026-01-31T22:30:00Z"
    running.write_text("as it is")
    deliveries.deliver(project, [plant], now_utc=now_utc + timedelta(minutes=5), delivered=delivered)
    assert running.read_text() == "as it is"
    # The next local day, in February.
    deliveries.deliver(project, [plant], now_utc=now_utc + timedelta(minutes=15), delivered=delivered)
    assert running.read_text().splitlines()[-1].split(",")[2] == "2026-01-31T22:45:00Z"
    # Of a month that is newer than the demo no portal estimates anything, and no meter has a gap.
    deliveries.deliver(project, [plant], now_utc=datetime(2026, 2, 20, 12, tzinfo=UTC), delivered=delivered)
    assert [path.name for path in folder.glob("*.json")] == ["factory_2026-01_portal.json"]
    meters = pl.read_csv(folder / "factory_2026-02_meters.csv").group_by("meter").len()["len"]
    assert set(meters) == {19 * 96 + 13 * 4}


def test_the_tower_of_a_demo_goes_on_and_what_its_senders_brought_of_earlier_months_stays(tmp_path: Path) -> None:
    tower = load_site(Path(assets.sites.__file__).parent / "demo" / "tower.yaml")
    project, now_utc = load_project(tmp_path, {}), datetime(2026, 11, 30, 12, tzinfo=UTC)
    folder = project.landing_dir / "tower"
    folder.mkdir(parents=True)
    # Months before the running one came as files of several senders.
    (folder / "tower_2026-10_drivers.csv").write_text("as it is")
    (folder / "tower_2026-11_meters.csv").touch()
    deliveries.deliver(project, [tower], now_utc=now_utc, delivered={})
    assert {path.name[:13] for path in folder.glob("*_meters.csv")} == {"tower_2026-11"}
    assert (folder / "tower_2026-10_drivers.csv").read_text() == "as it is"
    deliveries.deliver(project, [tower], now_utc=now_utc + timedelta(days=3), delivered={})
    # By the clock of New York, November ends at five.
    ends = [pl.read_csv(path)["timestamp"].max() for path in sorted(folder.glob("*_meters.csv"))]
    assert ends == ["2026-12-01T04:45:00Z", "2026-12-03T11:45:00Z"]

"""From a message to an event: real broker, real collector and live store, the scorer by a clock that is moved."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from assets.stores.ledgers.anomaly_ledger import AnomalyLedger
from assets.stores.live.live_store import LiveReader, LiveStore
from controls.collector.main import run_collector
from controls.gateways.mqtt_line import BrokerAddress, MqttLine
from data_quality.contracts.errors import Unreachable
from data_quality.contracts.live.source_state import SourceState
from data_quality.contracts.reporting.anomaly_event import AnomalyEvent, event_id_of
from data_quality.contracts.settings import load_project
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import FixedClock
from data_quality.contracts.yaml_file import yaml_text
from ml.anomalies.params import DetectorParams
from ml.anomaly_scoring.live_limits import SiteLimits, StreamLimits, keep_limits
from orchestration.live_scoring.main import Scorer
from orchestration.open_project import OpenProject
from orchestration.supervised.children import Children
from orchestration.supervised.parts import on_demand_processes
from orchestration.views.open_findings import FindingsQuery, open_findings
from tests.live.mqtt_tap import Broker
from tests.ml.anomaly_scoring.minutes import MINUTE, live_works
from tests.ml.anomaly_scoring.scored import NOW

FLAT = StreamLimits(
    stream_id="press", register_id="import", ceiling_kwh=(100.0,) * 24, floor_kwh=(5.0,) * 24, lowest_kwh=15.0,
    workday_kwh=(20.0,) * 24, day_off_kwh=(20.0,) * 24, stuck_hours=8.0,
)  # fmt: skip
LIMITS = SiteLimits(
    site_id="works", until_utc=NOW, params=DetectorParams(), price_per_kwh=0.25, streams=(FLAT,)
)  # fmt: skip


class Plant:
    """A project with a press that publishes its power each minute of a clock, a collector, and a scorer."""

    def __init__(self, folder: Path, site: Site, port: int) -> None:
        (folder / "sites").mkdir()
        (folder / "sites" / "works.yaml").write_text(yaml_text(site.model_dump(mode="json", exclude_unset=True)))
        (folder / "meterloom.yaml").write_text("live: {keep_free_mb: 0}\n")
        self.clock, self.project = FixedClock(NOW), OpenProject(str(folder))
        self.scorer, self._stop = Scorer(self.project, self.clock), threading.Event()
        self._board = LiveReader(self.project.project.live_dir)
        given = {"stop": self._stop, "clock": self.clock}
        self._collector = threading.Thread(target=run_collector, args=(load_project(folder, {}), [site]), kwargs=given)
        self._collector.start()
        self._line = MqttLine(BrokerAddress(host="127.0.0.1", port=port), client_id="press", subscriptions=())

    def minute(self, kw: float, after: timedelta = MINUTE) -> list[AnomalyEvent]:
        """A minute later the press tells its power; the events that stand once the scorer has looked."""
        self.clock.advance(after)
        at_utc, patience_s = self.clock.now_utc(), time.monotonic() + 30
        body = json.dumps({"at": round(at_utc.timestamp() * 1000), "value": kw}).encode()
        while self._newest() != at_utc:
            assert time.monotonic() < patience_s, "the collector does not take it"
            # Again while it is not connected yet: the same sample counts once.
            self._line.publish("works/press", body)
            time.sleep(0.02)
        self.scorer.look()
        return self.current()

    def current(self) -> list[AnomalyEvent]:
        return AnomalyLedger(self.project.store).current("works")

    def _newest(self) -> datetime | None:
        with suppress(Unreachable):  # The collector is making its store.
            return next((each.at_utc for each in self._board.values("works") if each.point == "press"), None)
        return None

    def close(self) -> None:
        self._line.close()
        self._stop.set()
        self._collector.join(30)
        self.project.close()


@pytest.fixture
def points_form() -> dict[str, Any]:
    """Form of the press's points; none: its power."""
    return {}


@pytest.fixture
def press(tmp_path: Path, points_form: dict[str, Any]) -> Iterator[Plant]:
    broker = Broker(tmp_path)
    folder = tmp_path / "project"
    folder.mkdir()
    made = Plant(folder, live_works(port=broker.port, **points_form), broker.port)
    yield made
    made.close()
    broker.kill()


@pytest.mark.real
def test_a_raised_load_is_an_event_with_its_third_minute_ends_with_it_and_outlives_the_scorer(press: Plant) -> None:
    assert press.minute(20.0) == [], "no night has written limits"
    keep_limits(press.project.project.limits_dir, LIMITS)
    for kw in (20.0, 20.0, 300.0, 300.0):
        assert press.minute(kw) == []
    [event] = press.minute(300.0)
    assert event.event_id == event_id_of("works", "press", "import", "spike", NOW)
    assert (event.start_utc, event.end_utc, event.severity) == (NOW, NOW + timedelta(hours=1), 3)
    assert (event.kwh, event.cost) == (280.0, 70.0)
    # A look that sees no more than the last adds no row; a scorer that is begun anew takes nothing back.
    assert press.minute(300.0) == [event]
    press.scorer = Scorer(press.project, press.clock)
    assert press.minute(20.0) == [event]


@pytest.mark.real
@pytest.mark.parametrize("points_form", [{"what": "interval", "unit": "kwh", "interval_minutes": 5}], ids=["amounts"])
def test_a_meter_that_stands_still_is_an_event_with_the_first_look_after_its_eighth_equal_hour(press: Plant) -> None:
    keep_limits(press.project.project.limits_dir, LIMITS)
    amounts = [1.7 + 0.01 * n for n in range(12)] + [1.75] * (8 * 12)
    found = [press.minute(kwh, timedelta(minutes=5)) for kwh in amounts]
    assert not any(found[:-1])
    [event] = found[-1]
    assert event.event_id == event_id_of("works", "press", "import", "stuck", NOW + timedelta(hours=2))
    assert (event.end_utc, event.cause, event.severity) == (NOW + timedelta(hours=9), "sensor_fault", 3)


@pytest.mark.real
def test_a_burst_that_ends_is_withdrawn_and_old_limits_judge_nothing(
    press: Plant, caplog: pytest.LogCaptureFixture
) -> None:
    folder = press.project.project.limits_dir
    keep_limits(folder, LIMITS)
    found = [len(press.minute(kw)) for kw in (20.0, 300.0, 300.0, 300.0, 20.0, 20.0, 20.0, 20.0)]
    assert found == [0, 0, 0, 1, 1, 1, 1, 0]
    press.clock.advance(timedelta(days=4))
    assert [press.minute(300.0) for _ in range(4)] == [[]] * 4
    assert [each for each in caplog.messages if "nothing is judged" in each] == [
        "works: limits end with readings of 2025-04-08 23:00 UTC: nothing is judged"
    ]
    (folder / "works.json").write_text("{}")
    assert press.minute(300.0) == []
    assert "expected limits of version 1" in caplog.messages[-1]


def test_limits_that_are_too_old_are_a_finding_while_live_values_come(tmp_path: Path) -> None:
    (tmp_path / "meterloom.yaml").write_text("{}\n")
    project, site = OpenProject(str(tmp_path)), live_works()
    board = LiveStore(project.project.live_dir)

    def found(days: int, *, is_live: bool = True) -> list[tuple[str, str]]:
        now_utc = NOW + timedelta(days=days)
        state = SourceState(source_id="hall", kind="mqtt", state="live")
        board.put_states("works", [state], now_utc=now_utc if is_live else NOW - timedelta(days=1))
        listed = open_findings(FindingsQuery(project, site, now_utc)).standing
        causes = ((each.finding.cause, str(each.finding.what)) for each in listed)
        return [each for each in causes if each[0].startswith("limits")]

    assert found(4) == []
    keep_limits(project.project.limits_dir, LIMITS)
    assert (found(2), found(4, is_live=False)) == ([], [])
    assert found(4) == [
        ("limits_old", "Live values are not checked: limits are of 9 April 2025; the job anomalies makes new ones")
    ]
    (project.project.limits_dir / "works.json").write_text("{}")
    [(cause, what)] = found(0)
    assert (cause, "expected limits of version 1" in what) == ("limits_bad", True)
    board.close()
    project.close()


def test_the_process_begins_with_the_first_limits_of_a_project_with_live_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "meterloom.yaml").write_text("{}\n")
    (tmp_path / "sites").mkdir()
    project = load_project(tmp_path, {})
    monkeypatch.setattr("orchestration.supervised.parts.LOOK_S", 0.0)
    with Children(tmp_path / "logs") as children:
        _, scorer = on_demand_processes(project, [live_works()], children, {}, "5")
        scorer.begin()
        assert len(children) == 0
        keep_limits(project.limits_dir, LIMITS)
        scorer.begin()
        scorer.begin()
        assert (len(children), children[0].name) == (1, "scorer")
        assert children[0].process.poll() is None

"""The plan sensor asks the battery itself: a charge that is not the planned one asks for a new plan."""

import json
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

import assets.sites
from controls.gateways.serve_modbus import ModbusServer, ModbusUnit
from controls.ledger.modes import set_mode
from controls.planning.make import Desk, make_plan_now
from controls.planning.measured import state_reader
from controls.templates.load_templates import load_template
from data_quality.contracts.control.command import Mode
from data_quality.contracts.finding import Finding
from data_quality.contracts.time import FixedClock
from orchestration.resources import ProjectResource
from orchestration.sensors.plan_trigger import plan_changes
from tests.controls.ledger.rows_of import CARLA
from tests.controls.planning.examples import NOW, forecast

HOME_FILE = Path(assets.sites.__file__).parent / "demo" / "home.yaml"
# Dagster announces what is in beta.
pytestmark = [pytest.mark.real, pytest.mark.filterwarnings("ignore")]


class Bed:
    """A project with the demo home, a plan, and a real Modbus battery whose charge a test sets."""

    def __init__(self, folder: Path, mode: Mode = Mode.PARTIAL) -> None:
        self.measured = {"read_soc_percent": 50.0, "read_power_kw": 0.0}
        unit = ModbusUnit(load_template("sim_battery_10kwh"), measure=lambda: self.measured, monotonic=time.monotonic)
        self.server = ModbusServer([unit]).start()
        (folder / "sites").mkdir(parents=True)
        # At its flat price: no price file is needed.
        text = HOME_FILE.read_text().replace("price_stream: day_ahead_price", "")
        (folder / "sites" / "home.yaml").write_text(text)
        people = [CARLA.model_dump(mode="json")]
        (folder / "people.yaml").write_text(json.dumps({"people": people}))
        (folder / "meterloom.yaml").write_text(json.dumps({"server": {"modbus_port": self.server.port}}))
        self.project = ProjectResource(root=str(folder))
        clock, site = FixedClock(NOW), self.project.site("home")
        for target, kwh in (("house", 1.0), ("pv", 0.5)):
            self.project.forecasts.add(forecast(target, kwh), FixedClock(NOW - timedelta(minutes=1)))
        set_mode(self.project.store, "home", mode=mode, person=CARLA, reason="test", clock=clock)
        desk = Desk(
            site=site,
            lake=self.project.lake,
            forecasts=self.project.forecasts,
            plans=self.project.plans,
            mode=mode,
            read_states=state_reader(site, self.project.project.settings, clock),
            clock=clock,
        )
        plan = make_plan_now(desk)
        assert not isinstance(plan, Finding), plan

    def tick(self, at_utc: datetime) -> list[dg.RunRequest | dg.SkipReason]:
        """What the sensor answers at that time."""
        resources = {"project": ProjectResource(root=self.project.root), "clock": FixedClock(at_utc)}
        with dg.build_sensor_context(resources=resources) as context:
            return list(plan_changes(context))

    def close(self) -> None:
        """End the device's server and the store."""
        self.server.stop()
        self.project.close()


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    """A fresh one."""
    made = Bed(tmp_path / "p")
    yield made
    made.close()


def test_a_charge_off_the_plan_asks_for_a_new_one_and_no_sooner_than_allowed(bed: Bed) -> None:
    (held,) = bed.tick(NOW + timedelta(minutes=6))
    assert isinstance(held, dg.SkipReason)
    assert "still holds" in str(held.skip_message)
    bed.measured["read_soc_percent"] = 40.0
    (early,) = bed.tick(NOW + timedelta(minutes=4))
    assert isinstance(early, dg.SkipReason)
    (asked,) = bed.tick(NOW + timedelta(minutes=6))
    assert isinstance(asked, dg.RunRequest)
    assert asked.partition_key == "home"
    # The same cause in the same quarter hour is one run.
    (again,) = bed.tick(NOW + timedelta(minutes=7))
    assert isinstance(again, dg.RunRequest)
    assert again.run_key == asked.run_key


def test_below_partial_the_charge_goes_its_own_way(tmp_path: Path) -> None:
    bed = Bed(tmp_path / "p", Mode.ADVISORY)
    bed.measured["read_soc_percent"] = 20.0
    (held,) = bed.tick(NOW + timedelta(minutes=6))
    assert isinstance(held, dg.SkipReason)
    bed.close()


def test_a_battery_that_does_not_answer_is_said_and_asks_for_nothing(bed: Bed) -> None:
    bed.server.stop()
    (held,) = bed.tick(NOW + timedelta(minutes=6))
    assert isinstance(held, dg.SkipReason)
    assert "the state of charge is not known" in str(held.skip_message)

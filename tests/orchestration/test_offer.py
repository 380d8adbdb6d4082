"""Plan, forecasts, cost and savings on a real Mosquitto as Home Assistant reads them; and nothing that commands."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.stores.ledgers.job_outcomes import failed_jobs
from controls.gateways.broker import Broker, start_broker
from controls.gateways.mqtt_line import MqttLine
from controls.gateways.ports import free_port
from data_quality.contracts.control.command import Mode
from data_quality.contracts.time import FixedClock
from orchestration.resources import ProjectResource
from orchestration.sensors.offer import home_assistant
from tests.controls.conftest import need_mosquitto
from tests.controls.planning.examples import NOW
from tests.orchestration.test_cli import run
from tests.orchestration.test_plan_sensor import Bed

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings("ignore")]
COMMANDING = ("command_topic", "cmd_t", "set_position_topic", "command_template")


@dataclass
class Offering:
    """The demo home in SIMULATION with a plan, whose settings name the broker."""

    folder: Path
    broker: Broker
    cursor: str | None = None

    def settings(self, **changes: Any) -> None:
        address = self.broker.address
        told = {"host": address.host, "port": address.port, "username": address.username, "password": address.password}
        path = self.folder / "meterloom.yaml"
        document = json.loads(path.read_text())
        path.write_text(json.dumps(document | {"home_assistant": told | changes}))
        path.chmod(0o600)

    def tick(self) -> str:
        """Message of the sensor."""
        resources: dict[str, Any] = {"project": ProjectResource(root=str(self.folder)), "clock": FixedClock(NOW)}
        with (
            dg.DagsterInstance.ephemeral() as instance,
            dg.build_sensor_context(instance=instance, cursor=self.cursor, resources=resources) as context,
        ):
            (told,) = list(home_assistant(context))  # type: ignore[call-overload]
            self.cursor = context.cursor
        assert isinstance(told, dg.SkipReason)
        return str(told.skip_message)

    def kept(self) -> dict[str, str]:
        """Everything that the broker keeps, by topic."""
        found: dict[str, str] = {}
        came = threading.Event()

        def keep(topic: str, payload: bytes, _properties: object) -> None:
            found[topic] = payload.decode()
            came.set()

        line = MqttLine(self.broker.address, client_id="", subscriptions=("#",), on_kept=keep)
        while came.wait(1.0):
            came.clear()
        line.close()
        return found


@pytest.fixture
def offering(tmp_path: Path) -> Iterator[Offering]:
    need_mosquitto()
    bed = Bed(tmp_path / "project", mode=Mode.SIMULATION)
    bed.server.stop()
    (tmp_path / "broker").mkdir()
    with start_broker(tmp_path / "broker") as broker:
        yield Offering(tmp_path / "project", broker)


def test_a_plan_is_offered_in_simulation_and_nothing_commands(offering: Offering) -> None:
    assert "names no broker" in offering.tick()
    assert offering.kept() == {}
    offering.settings()
    assert "figures are offered" in offering.tick()
    kept = offering.kept()
    configs = {topic: json.loads(text) for topic, text in kept.items() if topic.endswith("/config")}
    names = {topic.split("/")[-2] for topic in configs}
    assert {"plan", "plan_cost", "plan_saving", "forecast_meter_house"} <= names
    for topic, config in configs.items():
        assert topic.startswith("homeassistant/sensor/meterloom_home/")
        assert not set(config) & set(COMMANDING)
        assert config["device"]["identifiers"] == ["meterloom_home"]
        assert config["unique_id"].startswith("meterloom_home_")
        assert kept[config["availability_topic"]] == "online"
        assert "is_synthetic" in json.loads(kept[config["json_attributes_topic"]])
        float(kept[config["state_topic"]].replace("None", "0"))
    plan = configs["homeassistant/sensor/meterloom_home/plan/config"]
    assert (plan["unit_of_measurement"], plan["device_class"]) == ("kW", "power")
    series = json.loads(kept[plan["json_attributes_topic"]])["series"]
    assert float(kept[plan["state_topic"]]) == pytest.approx(series[0]["import_kw"] - series[0]["export_kw"], abs=1e-3)
    # Every topic is of discovery or of ours: none that a device could hear.
    assert {topic.split("/")[0] for topic in kept} == {"homeassistant", "meterloom"}
    assert "nothing has changed" in offering.tick()


def test_what_is_switched_off_is_taken_back_whole(offering: Offering) -> None:
    offering.settings()
    offering.tick()
    line = MqttLine(offering.broker.address, client_id="", subscriptions=())
    line.publish("homeassistant/sensor/meterloom_home/forecast_gone/config", b'{"name": "of before"}', retain=True)
    line.publish("homeassistant/sensor/other/thing/config", b'{"name": "of others"}', retain=True)
    line.close()
    assert run("offer", "--site", "home", folder=offering.folder)[0] == 0
    assert "homeassistant/sensor/meterloom_home/forecast_gone/config" not in offering.kept()
    offering.settings(is_offered=False)
    assert offering.tick() == "what was offered is taken back"
    assert list(offering.kept()) == ["homeassistant/sensor/other/thing/config"]
    assert "names no broker, or is off" in offering.tick()


def test_a_broker_that_is_away_is_one_finding_and_goes_with_it(offering: Offering) -> None:
    offering.settings(port=free_port())
    assert "does not accept a connection" in offering.tick()
    project = ProjectResource(root=str(offering.folder))
    (finding,) = [each for each in failed_jobs(project.store, ["home"]) if each.facts["job"] == "offer"]
    assert "does not accept a connection" in finding.message
    code, _, error = run("offer", folder=offering.folder)
    assert (code, "does not accept a connection" in error) == (2, True)
    offering.settings()
    assert run("offer", folder=offering.folder)[0] == 0
    assert not [each for each in failed_jobs(project.store, ["home"]) if each.facts["job"] == "offer"]


def test_without_a_broker_the_command_says_where_it_is_named(offering: Offering) -> None:
    code, _, error = run("offer", folder=offering.folder)
    assert code == 2
    assert "home_assistant: {host: ADDRESS}" in error

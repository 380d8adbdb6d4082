"""`meterloom devices`: templates, one value, a scan, a test that reads; to write needs a person, a mode and peace."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from assets.stores.transactions import open_store
from controls.gateways.broker import start_broker
from controls.gateways.mqtt_line import MqttLine
from controls.gateways.serve_modbus import ModbusServer
from controls.gateways.served_unit import ModbusUnit
from controls.ledger.device_lease import acquire_lease
from controls.simulator.served_template import simulated_unit
from controls.templates.load_templates import Template, load_template, template_names
from data_quality.contracts.settings import load_project
from data_quality.contracts.time import SystemClock
from tests.controls.conftest import need_mosquitto
from tests.orchestration.test_cli import run

SITE = """
site_id: my_site
name: My site
time_zone: Europe/London
currency: GBP
country: GB
meters:
  - {{meter_id: main, name: Main}}
assets:
  - {{asset_id: battery, kind: battery, template: sim_battery_10kwh, address: "127.0.0.1:{port}/1",
     params: {{max_charge_kw: 3.0}}}}
"""


@pytest.fixture
def unit() -> Iterator[tuple[ModbusUnit, int]]:
    """A battery that is served, and its port."""
    battery = simulated_unit(load_template("sim_battery_10kwh"), monotonic=time.monotonic)
    server = ModbusServer([battery]).start()
    yield battery, server.port
    server.stop()


@pytest.fixture
def project(tmp_path: Path, unit: tuple[ModbusUnit, int]) -> Path:
    folder = tmp_path / "p"
    assert run("init", str(folder))[0] == 0
    (folder / "sites" / "my_site.yaml").write_text(SITE.format(port=unit[1]))
    return folder


def answer(*words: str, folder: Path | None = None, code: int = 0) -> dict[str, Any]:
    found, output, error = run(*words, "--json", folder=folder)
    assert found == code, error
    document: dict[str, Any] = json.loads(output)
    assert set(document) >= {"devices", "checks"}
    return document


def test_templates_are_listed_and_shown() -> None:
    assert [each["name"] for each in answer("devices", "list")["devices"]] == list(template_names())
    shown = answer("devices", "show", "sunspec_storage_124")["devices"][0]
    assert shown["source"].startswith("SunSpec Alliance")
    first = shown["capabilities"][0]
    assert (first["capability"], first["unit"], first["safe_default"]) == ("set_charge_power_kw", "kw", 0.0)
    code, output, _ = run("devices", "list")
    assert code == 0
    assert "no: PARTIAL at most" in output


def test_a_template_is_tried_against_a_simulator_made_from_it() -> None:
    checks = answer("devices", "test", "sunspec_pv_704")["checks"]
    assert {each["status"] for each in checks} == {"ok"}
    assert any(each["name"] == "time to live set_power_limit_kw" for each in checks)


@pytest.mark.parametrize("name", ["sim_pv_inverter", "generic_mqtt_power"])
def test_a_template_on_a_broker_is_tried_on_one_of_its_own(name: str) -> None:
    need_mosquitto()
    checks = answer("devices", "test", name)["checks"]
    assert {each["status"] for each in checks} <= {"ok", "warn"}
    assert any(each["name"].startswith("write ") for each in checks)


def test_a_device_of_the_site_is_listed_read_and_tried_without_a_write(
    project: Path, unit: tuple[ModbusUnit, int]
) -> None:
    assert answer("devices", "list", "--site", "my_site", folder=project)["devices"][0]["name"] == "battery"
    value = answer("devices", "read", "battery", "read_soc_percent", "--site", "my_site", folder=project)["devices"]
    assert value == [{"name": "battery", "capability": "read_soc_percent", "value": 50.0, "unit": "percent"}]
    checks = answer("devices", "test", "battery", "--site", "my_site", folder=project)["checks"]
    assert [each["name"] for each in checks] == [
        "read read_soc_percent", "read read_power_kw", "read back set_charge_power_kw"
    ]  # fmt: skip
    assert unit[0].writes == 0


def test_a_write_needs_an_engineer_a_reason_a_quiet_site_and_no_agent(
    project: Path, unit: tuple[ModbusUnit, int]
) -> None:
    words = ("devices", "test", "battery", "--site", "my_site", "--write")
    for more, sentence in (
        ((), "add --as PERSON"),
        (("--as", "publisher"), "engineer"),
        (("--as", "colleague"), "say why with --reason"),
    ):
        code, _, error = run(*words, *more, folder=project)
        assert (code, sentence in error) == (2, True), error
    store = open_store(load_project(project, {}).store_url, {})
    assert acquire_lease(store, "my_site", "agent-7", now_utc=SystemClock().now_utc()) is not None
    code, _, error = run(*words, "--as", "colleague", "--reason", "new", folder=project)
    assert (code, "an agent holds site 'my_site'" in error) == (2, True), error
    store.close()
    assert unit[0].writes == 0


def test_a_write_stays_within_the_sites_limits_and_ends_at_the_safe_default(
    project: Path, unit: tuple[ModbusUnit, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    battery, _ = unit
    passed = [time.monotonic()]
    monkeypatch.setattr(battery, "_monotonic", lambda: passed[0])

    def wait(seconds: float) -> None:
        passed[0] += seconds

    monkeypatch.setattr("orchestration.operations.control.devices.time.sleep", wait)
    words = ("devices", "test", "battery", "--site", "my_site", "--write", "--as", "colleague", "--reason", "new")
    checks = answer(*words, folder=project)["checks"]
    assert {each["status"] for each in checks} == {"ok"}
    written = [words[0] - 0x10000 if words[0] & 0x8000 else words[0] for _, _, words in battery.frames]
    # The site says 3 kW at most, the template 5 kW both ways.
    assert (min(written), max(written), written[-1]) == (-500, 300, 0)
    assert {frame[2][1] for frame in battery.frames} == {5}


def test_discover_asks_only_the_named_addresses_and_says_which_templates_fit() -> None:
    storage = simulated_unit(load_template("sunspec_storage_704"), monotonic=time.monotonic)
    server = ModbusServer([storage]).start()
    try:
        found = answer("devices", "discover", f"127.0.0.1:{server.port}", "127.0.0.1:9", "--timeout", "0.3")["devices"]
        assert [each["model"] for each in found[0]["models"]] == [1, 701, 704, 713]
        assert found[0]["templates"] == ["sunspec_storage_704"]
        assert "does not accept a connection" in found[1]["detail"]
        assert storage.writes == 0
    finally:
        server.stop()
    assert answer("devices", "discover", "127.0.0.1:9", "--timeout", "0.2", code=1)["devices"][0]["models"] == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("devices", "show", "nope"), "unknown device template 'nope'"),
        (("devices", "read", "meter_sdm630"), "Give --site or --address"),
        (("devices", "read", "meter_sdm630", "--address", "here:x"), "expected host:port/unit"),
        (("devices", "discover", "here:x"), "expected host:port/unit"),
        (("devices", "discover"), "Name addresses as host:port/unit, or give --mqtt"),
        (("devices", "test", "ocpp16_charger"), "name a device of a site with --site"),
        (("devices", "test", "sim_battery_10kwh", "--address", "127.0.0.1:9", "--write"), "give --site"),
    ],
)
def test_a_wrong_request_is_one_sentence(words: tuple[str, ...], sentence: str) -> None:
    code, output, error = run(*words)
    assert (code, output) == (2, "")
    assert sentence in error


def test_what_announces_itself_on_the_broker_comes_with_its_template(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_mosquitto()
    (tmp_path / "broker").mkdir()
    with start_broker(tmp_path / "broker") as broker:
        where = broker.address
        settings = {"PORT": where.port, "HOST": where.host, "USERNAME": where.username, "PASSWORD": where.password}
        for key, value in settings.items():
            monkeypatch.setenv(f"METERLOOM_MQTT__{key}", str(value))
        teller = MqttLine(where, client_id="", subscriptions=(), on_message=lambda *_: None)
        boiler = {"name": "Boiler", "cmd_t": "boiler/set", "stat_t": "boiler/state", "avty_t": "boiler/lwt"}
        teller.publish("homeassistant/switch/boiler/config", json.dumps(boiler).encode(), retain=True)
        lamp = {"name": "Lamp", "cmd_t": "lamp/set"}
        teller.publish("homeassistant/light/lamp/config", json.dumps(lamp).encode(), retain=True)
        found = answer("devices", "discover", "--mqtt", "--timeout", "0.5", folder=project)["devices"]
        teller.close()
    by_name = {each["name"]: each for each in found}
    assert by_name["Lamp"]["templates"] == []
    assert "takes no set-point" in by_name["Lamp"]["detail"]
    # What is shown can be saved as a template file as it is.
    Template.model_validate(by_name["Boiler"]["definition"])

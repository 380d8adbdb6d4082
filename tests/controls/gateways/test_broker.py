"""The broker is private, bounded, and gone when it should be; the fallback is named as such."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from controls.gateways import broker as broker_module
from controls.gateways.broker import find_mosquitto, mosquitto_lines, start_broker
from controls.gateways.mqtt_line import BrokerAddress
from controls.gateways.ports import free_port, is_listening
from controls.templates.load_templates import load_template
from data_quality.contracts.errors import Unreachable
from data_quality.contracts.time import FixedClock
from tests.controls.conftest import need_mosquitto
from tests.controls.devices import command, serving_mqtt

pytestmark = pytest.mark.real


def test_it_starts_answers_and_stops_clean(tmp_path: Path) -> None:
    need_mosquitto()
    with start_broker(tmp_path / "private") as running:
        assert (running.kind, running.is_running, running.note) == ("mosquitto", True, "")
        assert is_listening(running.address.port)
        stored = (tmp_path / "private" / "passwords").read_text()
        assert running.address.password not in stored
        assert running.address.password not in (tmp_path / "private" / "mosquitto.conf").read_text()
        assert (tmp_path / "private").stat().st_mode & 0o077 == 0
    assert not running.is_running
    assert not is_listening(running.address.port)
    running.stop()


def test_nobody_enters_without_a_password(tmp_path: Path) -> None:
    lines = mosquitto_lines(BrokerAddress(port=1883), tmp_path / "passwords", is_root=True)
    assert lines[0] == "listener 1883 127.0.0.1"
    for line in ("allow_anonymous false", "max_queued_messages 100000", "message_size_limit 262144", "user root"):
        assert line in lines
    assert "user root" not in mosquitto_lines(BrokerAddress(port=1883), tmp_path / "passwords", is_root=False)


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    need_mosquitto()
    with (
        start_broker(tmp_path / "one") as running,
        pytest.raises(Unreachable, match=f"port {running.address.port} on 127.0.0.1 is taken"),
    ):
        start_broker(tmp_path / "two", port=running.address.port)


def test_a_broker_that_cannot_start_names_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need_mosquitto()
    monkeypatch.setattr(broker_module, "_LIMITS", ("no_such_option true",))
    with pytest.raises(Unreachable, match=r"did not start on port .*mosquitto\.log"):
        start_broker(tmp_path / "private")


def test_mosquitto_is_found_outside_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    need_mosquitto()
    monkeypatch.setenv("PATH", "/nowhere")
    found = find_mosquitto()
    assert found is not None
    assert os.access(found, os.X_OK)


def test_without_mosquitto_the_mend_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_module, "find_mosquitto", lambda name="mosquitto": None)
    with pytest.raises(Unreachable, match="apt-get install -y mosquitto"):
        start_broker(tmp_path)


def test_the_fallback_carries_a_command_and_says_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: FixedClock
) -> None:
    monkeypatch.setattr(broker_module, "find_mosquitto", lambda name="mosquitto": None)
    with start_broker(tmp_path, port=free_port(), allow_fallback=True) as running:
        assert (running.kind, running.address.version) == ("fallback", "3.1.1")
        assert "MQTT 3.1.1" in running.note
        with serving_mqtt(load_template("sim_pv_inverter"), clock, running.address) as served:
            served.device.write(command(clock, device_id="device", capability="set_power_limit_kw", value=3.0))
            assert served.device.read_back("set_power_limit_kw").value == 3.0
    assert not running.is_running


def test_the_agents_side_starts_without_heavy_libraries() -> None:
    code = (
        "import sys, controls.gateways.open, controls.gateways.broker\n"
        "heavy = {'dagster', 'dbt', 'mlflow', 'duckdb', 'polars', 'pandas', 'numpy', 'pyarrow'} & set(sys.modules)\n"
        "sys.exit(repr(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

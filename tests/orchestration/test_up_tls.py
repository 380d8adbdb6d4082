"""`mqtt.tls: true`: all that `meterloom up` starts speaks MQTT over TLS, and there is nothing beside it."""

import shutil
import threading
from pathlib import Path

import pytest

from assets.sites.load_sites import load_site
from controls.gateways.access import demo_certificate
from controls.gateways.access.demo_certificate import certificate_in
from controls.gateways.broker import start_broker
from controls.gateways.capabilities import DeviceSilent
from controls.gateways.mqtt_line import MqttLine
from controls.gateways.open import broker_address
from data_quality.contracts.errors import Unreachable
from data_quality.contracts.settings import load_project
from orchestration.doctor.ports import broker as found_broker
from orchestration.supervised.supervisor import live_sites
from tests.conftest import ROOT
from tests.controls.conftest import need_mosquitto
from tests.orchestration.test_cli import run
from tests.real.test_agent_devices import _until

pytestmark = pytest.mark.real
DEMO = ROOT / "assets" / "sites" / "demo"
# Who must have entered, by the names that they give the broker.
PARTS = ("ml-home-", "dev-home-", "plant-factory", "ml-live-factory-")


def test_everything_that_up_starts_speaks_tls_and_plain_text_is_refused(tmp_path: Path) -> None:
    need_mosquitto()
    (tmp_path / "sites").mkdir()
    (tmp_path / "meterloom.yaml").write_text("mqtt: {tls: true}\n")
    for name in ("home", "factory"):
        shutil.copy(DEMO / f"{name}.yaml", tmp_path / "sites")
    shutil.copy(DEMO / "people.yaml", tmp_path)
    project, said = load_project(tmp_path, {"METERLOOM_SERVER__MODBUS_PORT": "0"}), list[str]()
    sites = {name: load_site(tmp_path / "sites" / f"{name}.yaml") for name in ("home", "factory")}
    log, heard = tmp_path / "var" / "broker" / "mosquitto.log", threading.Event()
    with live_sites(project, sites, say=said.append, allow_fallback=True) as live:
        inside = load_project(tmp_path, live.environment)
        address = broker_address(inside.settings)
        line = MqttLine(address, client_id="watch", subscriptions=("+/home/#",), on_message=lambda *_: heard.set())
        assert heard.wait(30), "no device speaks"
        line.close()
        assert _until(lambda: all(f" as {part}" in log.read_text() for part in PARTS), 60), log.read_text()
        with pytest.raises(DeviceSilent):
            MqttLine(address.model_copy(update={"ca_file": ""}), client_id="plain", subscriptions=())
        # In another shell, which the settings tell neither port nor password.
        assert "takes the connection" in found_broker(project).detail
        # A simulated machine drops out about once an hour, for 40 s or more: it ends as soon as all were heard.
        code, shown, error = run("sources", "test", "machines", "--within", "420", folder=tmp_path)
        assert (code, "main_kw" in shown) == (0, True), error
        assert any("over TLS" in each for each in said)
    before = Path(address.ca_file).read_bytes()
    kept = certificate_in(tmp_path / "var" / "broker" / "tls")
    assert (kept.certificate.read_bytes(), kept.key.stat().st_mode & 0o077) == (before, 0)


def test_a_certificate_that_ends_soon_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = certificate_in(tmp_path).certificate.read_bytes()
    assert certificate_in(tmp_path).certificate.read_bytes() == first
    monkeypatch.setattr(demo_certificate, "_LEFT_DAYS", demo_certificate._DAYS + 1)
    assert certificate_in(tmp_path).certificate.read_bytes() != first


def test_who_asked_for_tls_never_gets_the_fallback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = certificate_in(tmp_path)
    monkeypatch.setattr("controls.gateways.broker.find_mosquitto", lambda *_: None)
    with pytest.raises(Unreachable, match="no Mosquitto"):
        start_broker(tmp_path / "b", allow_fallback=True, certificate=certificate)

"""Exposure to others of a machine or network: no open port, no secret in any output, no readable secret file."""

import json
import logging
import os
import re
import socket
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from assets.stores.lake.lake import Lake
from assets.stores.ledgers.baselines import BaselineStore
from assets.stores.published.report_ledger import ReportStore
from assets.stores.sign import key_path, load_key, new_key
from assets.stores.transactions import open_store
from controls.gateways.access.device_keys import device_key_path, find_device_key, new_device_key
from controls.gateways.broker import find_mosquitto, start_broker
from controls.gateways.ports import free_port
from controls.gateways.serve_modbus import ModbusServer
from data_quality.contracts.errors import BadInput, Unreachable
from data_quality.contracts.settings import ServerSettings, load_project
from data_quality.contracts.time import FixedClock
from data_quality.contracts.yaml_file import BadConfiguration
from orchestration.cli.main import build_app
from orchestration.instance.write import instance_environment
from orchestration.supervised import supervisor
from orchestration.supervised.serve_role import OF_A_PROJECT, service
from reports.make_report import ReportRequest, make_report
from reports.recompute.figure_sources import Sources
from tests.controls.planning.examples import HOME
from tests.definitions import DEFINITIONS
from tests.reports import plant

CANARY = "canary-7f3a9"
# Every secret of the settings, none of which leads anywhere.
SECRETS = {
    "METERLOOM_MQTT__PASSWORD": f"{CANARY}-mqtt",
    "METERLOOM_DELIVERY__SMTP_PASSWORD": f"{CANARY}-smtp",
    "METERLOOM_DELIVERY__WEBHOOK_SECRET": f"{CANARY}-hook",
}
AWAY = f"postgresql://ml:{CANARY}-db@127.0.0.1:9/none?connect_timeout=1"


def listening(pid: int) -> set[str]:
    """Addresses on which a process listens."""
    found = psutil.Process(pid).net_connections(kind="inet")
    return {each.laddr.ip for each in found if each.status == psutil.CONN_LISTEN}


@pytest.mark.skipif(find_mosquitto() is None, reason="no Mosquitto on this machine")
def test_fault_f90_what_is_started_listens_on_this_machine_alone(tmp_path: Path) -> None:
    with start_broker(tmp_path / "b", password="x") as running:
        assert listening(running.process.pid) == {"127.0.0.1"}
    server = ModbusServer([]).start()
    try:
        assert listening(os.getpid()) <= {"127.0.0.1", "::1"}
    finally:
        server.stop()
    project = load_project(tmp_path, {"METERLOOM_SERVER__CODE_PORT": "3"})
    for role in ("webserver", "code", "mlflow"):
        words = service(project, role, "")[1].words
        assert words[words.index("--host") + 1] == "127.0.0.1"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with a home, made by `meterloom init`."""
    made = tmp_path / "p"
    app = build_app(("init", "keys"))
    assert CliRunner().invoke(app, ["init", str(made)]).exit_code == 0
    (made / "sites" / "home.yaml").write_text(json.dumps(HOME.model_dump(mode="json", exclude_unset=True)))
    return made


COMMANDS = (
    ("doctor",),
    ("check",),
    ("next",),
    ("dispatch", "status", "--site", "home"),
    ("dispatch", "verify", "--site", "home"),
    ("kpis", "--site", "home", "--period", "2025-01"),
)


@pytest.mark.parametrize("database", ["", AWAY], ids=["files", "a database that is away"])
def test_fault_f93_no_command_prints_a_secret_even_where_everything_fails(
    folder: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (SECRETS | ({"METERLOOM_DATABASE__URL": database} if database else {})).items():
        monkeypatch.setenv(name, value)
    for words in COMMANDS:
        done = CliRunner().invoke(build_app((words[0],)), [*words, "--json", "--debug", "--project", str(folder)])
        assert CANARY not in done.output + done.stderr, words
        assert CANARY not in repr(done.exception), words


def _with_a_report(folder: Path, store_url: str) -> None:
    """A plant with a quarter's readings and a stored report, its store on a server."""
    site, clock = plant.plant_site(), FixedClock(plant.NOON)
    text = json.dumps(site.model_dump(mode="json", exclude_defaults=True))
    (folder / "sites" / "plant.yaml").write_text(text)
    with closing(open_store(store_url)) as store:
        lake, baselines, reports = Lake(folder / "var" / "lake", store), BaselineStore(store), ReportStore(store)
        plant.write(lake, plant.plant_rows(date(2025, 1, 1), date(2025, 4, 1)), clock)
        plant.register_baselines(baselines, clock, approved=("hvac",))
        sources = Sources(lake=lake, sites={site.site_id: site}, definitions=DEFINITIONS)
        given = {"sources": sources, "reports": reports, "clock": clock}
        out, formats = folder / "reports", ("json", "xlsx")
        make_report("enpi_quarter", site, plant.quarter(), ReportRequest(**given, out_dir=out, formats=formats))


def _bytes_of(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below a folder, and what is inside of those that are archives."""
    for path in (each for each in folder.rglob("*") if each.is_file()):
        yield str(path), path.read_bytes()
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                yield from ((f"{path}!{name}", archive.read(name)) for name in archive.namelist())


@pytest.mark.real
def test_fault_f93_the_password_of_a_database_that_is_there_is_in_no_output_pack_log_or_argument(
    folder: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The packaged server asks for no password, so that a canary opens it."""
    url = postgres_url.replace(":@", f":{CANARY}-db@", 1)
    if CANARY not in url:
        pytest.skip("this server has a password of its own")
    for name, value in (SECRETS | {"METERLOOM_DATABASE__URL": url}).items():
        monkeypatch.setenv(name, value)
    caplog.set_level(logging.DEBUG)
    _with_a_report(folder, load_project(folder, os.environ).store_url)
    report = "enpi_quarter/plant/2025-Q1@1"
    packed = folder / "pack.zip"
    commands = (
        *COMMANDS,
        ("reports", "list"),
        ("pack", report, "--out", str(packed), "--inputs", "digests"),
        ("verify", str(packed), "--sample", "0"),
        ("pack", "enpi_quarter/plant/2024-Q4"),
    )
    for words in commands:
        # A pack is verified by itself, without a project.
        where = [] if words[0] == "verify" else ["--project", str(folder)]
        done = CliRunner().invoke(build_app((words[0],)), [*words, "--json", "--debug", *where])
        assert CANARY not in done.output + done.stderr + repr(done.exception), words
    words = [sys.executable, "-m", "controls.agent.main", "--project", str(folder), "--site", "home"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as agent:
        assert agent.stdout is not None
        said = [agent.stdout.readline() for _ in range(2)]
        # One that ended meanwhile has no line any more.
        shown = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
        agent.terminate()
        said += agent.stdout.readlines()
    assert any("controls.agent.main" in each for each in shown)
    assert CANARY not in "".join([*said, *shown, caplog.text])
    # A pack is opened, not only looked at from outside: what is packed would not show.
    found = dict(_bytes_of(folder))
    assert any(name.startswith(f"{packed}!") for name in found)
    assert [name for name, data in found.items() if CANARY.encode() in data] == []


def test_fault_f93_no_child_is_given_a_secret_by_its_arguments_and_no_file_of_dagster_holds_one(tmp_path: Path) -> None:
    url = f"postgresql://ml:{CANARY}-db@127.0.0.1:9/none"
    project = load_project(tmp_path, SECRETS | {"METERLOOM_DATABASE__URL": url})
    words = [service(project, role, "")[1].words for role in OF_A_PROJECT if role != "code"]
    assert CANARY not in " ".join(word for each in words for word in each)
    environment = instance_environment(project)
    written = [path.read_text() for path in Path(environment["DAGSTER_HOME"]).rglob("*.yaml")]
    assert written
    assert CANARY not in "".join(written)


def test_fault_f93_the_agent_that_finds_nothing_says_so_without_a_secret(folder: Path) -> None:
    environment = {**os.environ, **SECRETS, "METERLOOM_DATABASE__URL": AWAY}
    keys = folder / "keys" / "devices" / "home"
    new_device_key(keys, "battery")
    digits = device_key_path(keys, "battery").read_text().strip()
    words = [sys.executable, "-m", "controls.agent.main", "--project", str(folder), "--site", "home"]
    # It goes on: a store that is away may come back, and its devices are safe meanwhile.
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as agent:
        assert agent.stdout is not None
        said = [agent.stdout.readline() for _ in range(2)]
        agent.terminate()
        said += agent.stdout.readlines()
    assert "127.0.0.1" in said[1]
    assert CANARY not in "".join(said)
    assert digits not in "".join(said)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("mqtt: {password: x}", "mqtt.password"),
        ("database: {url: 'postgresql://ml:x@db/ml'}", "database.url"),
        ("delivery: {webhook_secret: x}", "delivery.webhook_secret"),
    ],
)
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_fault_f94_settings_with_a_secret_that_others_can_read_are_refused(
    tmp_path: Path, text: str, key: str, mode: int
) -> None:
    path = tmp_path / "meterloom.yaml"
    path.write_text(text)
    path.chmod(mode)
    with pytest.raises(BadConfiguration, match=rf"{re.escape(key)}: secret, in a file that others can read"):
        load_project(tmp_path, {})
    path.chmod(0o600)
    load_project(tmp_path, {})


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_fault_f94_keys_of_people_and_devices_that_others_can_read_are_refused(tmp_path: Path, mode: int) -> None:
    new_key(tmp_path, "anna")
    key_path(tmp_path, "anna").chmod(mode)
    with pytest.raises(BadInput, match="the private key of 'anna' can be read by others"):
        load_key(tmp_path, "anna")
    new_device_key(tmp_path, "battery")
    device_key_path(tmp_path, "battery").chmod(mode)
    with pytest.raises(BadInput, match="the key of device 'battery' can be read by others"):
        find_device_key(tmp_path, "battery")


def test_fault_f94_a_process_does_not_start_on_an_open_secret_file(folder: Path) -> None:
    (folder / "meterloom.yaml").write_text("mqtt: {password: hush}\n")
    (folder / "meterloom.yaml").chmod(0o644)
    done = CliRunner().invoke(build_app(("doctor",)), ["doctor", "--project", str(folder)])
    assert done.exit_code != 0
    assert "hush" not in done.output
    assert "chmod 600" in done.output


def test_settings_without_a_secret_may_be_read_by_everybody(tmp_path: Path) -> None:
    path = tmp_path / "meterloom.yaml"
    path.write_text("database: {url: 'postgresql:///ml?host=/run/postgresql'}\nmqtt: {port: 1}\n")
    path.chmod(0o644)
    load_project(tmp_path, {})


def test_fault_f46_a_port_that_was_named_and_is_taken_is_refused_with_its_owner(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        said: list[str] = []
        with pytest.raises(Unreachable, match=rf"port {port}, for dagster, is taken by .*pid {os.getpid()}") as refused:
            supervisor.port_of(ServerSettings(dagster_port=port), "dagster", said.append)
        assert str(refused.value).endswith("METERLOOM_SERVER__DAGSTER_PORT")
        # Nobody asked for the usual one: a free one does, and that is said.
        usual = ServerSettings.model_construct(dagster_port=port, _fields_set=set())
        assert supervisor.port_of(usual, "dagster", said.append) != port
    assert f"port {port}" in said[0]
    assert supervisor.port_of(ServerSettings(dagster_port=port), "dagster", said.append) == port


def test_fault_f46_a_simulated_home_whose_port_is_taken_ends_and_names_it(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        words = ["--project", str(tmp_path), "--modbus-port", str(port), "--mqtt-port", str(free_port())]
        done = subprocess.run(
            [sys.executable, "-m", "controls.simulator.site_process", *words],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 3, done.stderr
    assert str(port) in done.stderr
    assert "Traceback" not in done.stderr

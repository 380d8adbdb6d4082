"""`meterloom doctor` tells its own ports from others', and a dead broker from a live one."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from controls.gateways.access.broker_of_up import broker_file, broker_of_up, listener_of
from controls.gateways.broker import find_mosquitto, start_broker
from controls.gateways.ports import free_port
from data_quality.contracts.errors import Unreachable
from data_quality.contracts.settings import Project, load_project
from orchestration.cli.main import build_app
from orchestration.doctor.ports import Port, broker, look
from orchestration.supervised.supervisor import need_sign_in

needs_broker = pytest.mark.skipif(find_mosquitto() is None, reason="no Mosquitto on this machine")
# A server of its own process that answers GET by path, and says nothing else.
SERVER = """
import http.server, json, sys
pages = json.loads(sys.argv[2])
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        found = pages.get(self.path)
        self.send_response(200 if found else 404)
        self.end_headers()
        self.wfile.write((found or "").encode())
    def log_message(self, *words):
        pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Page).serve_forever()
"""
DAGSTER = {"/server_info": json.dumps({"dagster_webserver_version": "1.13.27"})}
MLFLOW = {"/health": "OK", "/version": "3.17.2"}


def project(folder: Path, **settings: str) -> Project:
    free = {f"METERLOOM_SERVER__{name}_PORT": str(free_port()) for name in ("DAGSTER", "MLFLOW", "MODBUS")}
    return load_project(folder, free | {f"METERLOOM_{name}": value for name, value in settings.items()})


@contextmanager
def serving(pages: dict[str, str], *, of: Path | None = None) -> Iterator[tuple[int, int]]:
    """A real server in another process, started for a project; its port and its process."""
    port = free_port()
    variables = {**os.environ, "METERLOOM_PROJECT": str(of)} if of else dict(os.environ)
    words = [sys.executable, "-c", SERVER, str(port), json.dumps(pages)]
    process = subprocess.Popen(words, env=variables)
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(5)


def one(found: list[Port], name: str) -> Port:
    return next(port for port in found if port.name == name)


@needs_broker
def test_a_live_broker_is_ours_by_its_answer_and_anothers_where_it_refuses_our_user(tmp_path: Path) -> None:
    with start_broker(tmp_path / "elsewhere", password="right") as running:
        known = {"MQTT__PORT": str(running.address.port), "MQTT__USERNAME": running.address.username}
        assert broker(project(tmp_path, **known, MQTT__PASSWORD="right")).state == "ours"
        refused = broker(project(tmp_path, **known, MQTT__PASSWORD="wrong"))
        assert (refused.state, "refuses this project's user" in refused.detail) == ("other", True)
        assert "METERLOOM_MQTT__PASSWORD" in refused.mend
    assert broker(project(tmp_path, **known, MQTT__PASSWORD="right")).state == "free"


@needs_broker
def test_our_own_broker_is_found_on_any_port_by_what_up_tells_other_shells(tmp_path: Path) -> None:
    ours, listener = project(tmp_path, MQTT__PORT=str(free_port())), listener_of([])
    with start_broker(tmp_path / "var" / "broker", clients=(listener,)) as running:
        with broker_file(ours, running.address, listener):
            found = broker(ours)
            assert (found.state, f":{running.address.port} " in found.detail) == ("ours", True)
            [file] = (tmp_path / "var" / "broker").glob("*.json")
            assert (file.stat().st_mode & 0o077, running.address.password in file.read_text()) == (0, False)
        assert (file.exists(), broker_of_up(ours)) == (False, None)
    # Killed with its broker, it leaves the file behind; whoever takes the port is not our broker.
    with serving({}) as (port, _), broker_file(ours, running.address.model_copy(update={"port": port}), listener):
        assert (broker(ours).state, str(port) in broker(ours).detail) == ("free", False)
    with broker_file(ours, running.address, listener):
        assert broker_of_up(ours) is None


@needs_broker
def test_a_broker_that_hangs_is_dead_and_that_is_said_in_time(tmp_path: Path) -> None:
    with start_broker(tmp_path / "b", password="right") as running:
        process = running.process
        process.send_signal(signal.SIGSTOP)
        try:
            began = time.monotonic()
            found = broker(project(tmp_path, MQTT__PORT=str(running.address.port)), timeout_s=0.4)
        finally:
            process.send_signal(signal.SIGCONT)
    assert time.monotonic() - began < 10
    assert (found.state, "is dead" in found.detail, f"pid {process.pid}" in found.detail) == ("dead", True, True)


def test_a_socket_that_listens_and_never_answers_is_no_broker(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        found = broker(project(tmp_path, MQTT__PORT=str(port)), timeout_s=0.4)
    assert found.state == "other"
    for part in (f"port {port} is used by another program", f"pid {os.getpid()}", "no live broker"):
        assert part in found.detail
    assert "METERLOOM_MQTT__PORT" in found.mend


def test_our_servers_are_told_from_those_of_another_project_and_of_strangers(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    with (
        serving(DAGSTER, of=ours) as (dagster, _),
        serving(MLFLOW, of=theirs) as (mlflow, _),
        serving({"/health": "OK"}) as (stranger, pid),
    ):
        ports = {"SERVER__DAGSTER_PORT": str(dagster), "SERVER__MLFLOW_PORT": str(mlflow)}
        found = look(project(ours, **ports, SERVER__MODBUS_PORT=str(stranger)))
        swapped = look(project(ours, SERVER__DAGSTER_PORT=str(mlflow), SERVER__MLFLOW_PORT=str(stranger)))
    assert one(found, "dagster") == Port("dagster", "ours", f"Dagster 1.13.27 answers at 127.0.0.1:{dagster}")
    assert (one(found, "mlflow").state, str(theirs) in one(found, "mlflow").detail) == ("other", True)
    modbus = one(found, "modbus")
    assert (modbus.state, f"pid {pid}" in modbus.detail, modbus.mend) == (
        "other", True, "choose another port with METERLOOM_SERVER__MODBUS_PORT",
    )  # fmt: skip
    assert [one(swapped, name).state for name in ("dagster", "mlflow", "modbus")] == ["other", "other", "free"]


def doctor(folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: int) -> tuple[int, dict[str, dict[str, Any]]]:
    for name, port in settings.items():
        monkeypatch.setenv(f"METERLOOM_{name}", str(port))
    done = CliRunner().invoke(build_app(("doctor",)), ["doctor", "--json", "--project", str(folder)])
    return done.exit_code, {each["name"]: each for each in json.loads(done.stdout)["checks"]}


def test_doctor_warns_of_a_strangers_port_and_not_of_a_free_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "p"
    assert CliRunner().invoke(build_app(("init",)), ["init", str(folder)]).exit_code == 0
    with serving({}) as (port, pid):
        free = {"MQTT__PORT": free_port(), "SERVER__MLFLOW_PORT": free_port(), "SERVER__MODBUS_PORT": free_port()}
        code, checks = doctor(folder, monkeypatch, SERVER__DAGSTER_PORT=port, **free)
    assert (code, checks["dagster"]["status"]) == (0, "warn")
    assert f"pid {pid}" in checks["dagster"]["detail"]
    assert "METERLOOM_SERVER__DAGSTER_PORT" in checks["dagster"]["mend"]
    assert {checks[name]["status"] for name in ("broker", "mlflow", "modbus")} == {"ok"}
    assert "not running" in checks["broker"]["detail"]


def test_a_page_that_answers_without_a_sign_in_stops_the_start() -> None:
    with serving({"/": "everything"}) as (port, _), pytest.raises(Unreachable, match="answers 200 without a sign-in"):
        need_sign_in(f"http://127.0.0.1:{port}/")

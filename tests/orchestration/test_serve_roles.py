"""Each role that `meterloom serve` knows starts on a real project, does its work, and ends within 30 s of SIGTERM."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

import assets.sites
from controls.gateways.access.demo_certificate import certificate_in
from controls.gateways.ports import free_port
from data_quality.contracts.settings import Project, load_project
from orchestration.doctor.role_health import health_of
from orchestration.supervised.serve_role import OF_A_PROJECT, OF_A_SITE, ROLES
from orchestration.supervised.supervisor import need_sign_in
from tests.controls.collector.pushing import SITE
from tests.orchestration.test_children import until

METERLOOM = str(Path(sys.executable).parent / "meterloom")
PORTS = ("SERVER__DAGSTER_PORT", "SERVER__MLFLOW_PORT", "SERVER__WEB_PORT", "SERVER__CODE_PORT", "PUSH__PORT")
BEHIND_SIGN_IN = {"webserver": "SERVER__DAGSTER_PORT", "mlflow": "SERVER__MLFLOW_PORT"}
# Loads the graph, and at its first start dbt's models.
READY_S, END_S = 180.0, 30.0


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, dict[str, str]]:
    folder = tmp_path_factory.mktemp("roles")
    (folder / "sites").mkdir()
    (folder / "meterloom.yaml").write_text("{}")
    (folder / "people.yaml").write_text("people: []\n")
    for name in ("home", "factory"):
        shutil.copy(Path(assets.sites.__file__).parent / "demo" / f"{name}.yaml", folder / "sites")
    (folder / "sites" / "works.yaml").write_text(SITE)
    ports = {f"METERLOOM_{name}": str(free_port()) for name in PORTS}
    return load_project(folder, ports), ports


def start(project: Project, ports: dict[str, str], role: str, log: Path, *words: str) -> "subprocess.Popen[bytes]":
    with log.open("wb") as output:
        return subprocess.Popen(
            [METERLOOM, "serve", role, *words, "--project", str(project.root)],
            env=os.environ | ports, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip


def end(process: "subprocess.Popen[bytes]") -> float:
    begun_s = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.wait(END_S)
    return time.monotonic() - begun_s


# The signals of a site need a VTN: `tests/orchestration/test_dr_event_wire.py` starts them so.
@pytest.mark.parametrize("role", [role for role in ROLES if role not in ("code", "signals")])
def test_a_role_starts_is_ready_and_ends_when_it_is_told(
    served: tuple[Project, dict[str, str]], role: str, tmp_path: Path
) -> None:
    (project, ports), log = served, tmp_path / "log"
    site = ("--site", "home") if role in OF_A_SITE else ()
    name = "-".join((role, *site[1:]))
    # By itself, each part that needs the graph loads it.
    own = {key: value for key, value in ports.items() if "CODE" not in key}
    process = start(project, own, role, log, *site)
    try:
        # The agent has no broker to reach here: it is there, and says that it is not at work, or is.
        wanted = "live" if role == "agent" else "ready"
        assert until(lambda: process.poll() is not None or getattr(health_of(project, name)[0], wanted), READY_S)
        assert process.poll() is None, log.read_text()[-2000:]
        if role in BEHIND_SIGN_IN:
            need_sign_in(f"http://127.0.0.1:{ports[f'METERLOOM_{BEHIND_SIGN_IN[role]}']}")
        assert end(process) < END_S
    finally:
        process.kill()
        process.wait()
    assert not health_of(project, name)[0].live


def test_the_health_of_the_pages_follows_their_address_and_certificate(
    served: tuple[Project, dict[str, str]], tmp_path: Path
) -> None:
    (project, ports), made = served, certificate_in(tmp_path)
    of_ipv4 = [each for every in psutil.net_if_addrs().values() for each in every if each.family == socket.AF_INET]
    # Of the network where there is one: then not by the loopback.
    hosts = sorted((each.address for each in of_ipv4), key=lambda address: address.startswith("127."))
    for host in (hosts[0], "::1"):
        own = ports | {
            "METERLOOM_SERVER__WEB_HOST": host,
            "METERLOOM_SERVER__CERTIFICATE_FILE": str(made.certificate),
            "METERLOOM_SERVER__KEY_FILE": str(made.key),
        }
        process = start(project, own, "web", tmp_path / "log")
        try:
            assert until(lambda p=process: p.poll() is not None or health_of(project, "web")[0].ready, 60), (  # type: ignore[misc]
                health_of(project, "web"), (tmp_path / "log").read_text()[-2000:],
            )  # fmt: skip
            assert process.poll() is None, (tmp_path / "log").read_text()[-2000:]
        finally:
            assert end(process) < END_S


def test_webserver_and_daemon_find_the_graph_at_one_code_server(
    served: tuple[Project, dict[str, str]], tmp_path: Path
) -> None:
    project, ports = served
    running = {role: start(project, ports, role, tmp_path / role) for role in ("code", "webserver", "daemon")}
    try:
        for role in running:
            assert until(lambda role=role: health_of(project, role)[0].ready, READY_S), (tmp_path / role).read_text()  # type: ignore[misc]
        assert set(running) < set(OF_A_PROJECT)
        for role in ("daemon", "webserver", "code"):
            assert end(running[role]) < END_S
    finally:
        for process in running.values():
            process.kill()
            process.wait()

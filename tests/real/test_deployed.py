"""Command lines of compose and systemd start, with their environment, what they say: real PostgreSQL and Mosquitto.

No container engine is asked for: programs, paths and ports are of this machine, everything else is as it stands in
`deploy`.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from controls.gateways.broker import find_mosquitto
from controls.gateways.ports import free_port, is_listening
from tests.conftest import ROOT
from tests.controls.collector.pushing import SITE
from tests.controls.conftest import need_mosquitto
from tests.orchestration.deployed import (
    CONTAINER,
    PROGRAMS,
    PROJECT,
    SECRETS,
    Started,
    compose,
    here,
    of_compose,
    of_systemd,
)
from tests.orchestration.test_children import until

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(900)]
DEMO = ROOT / "assets" / "sites" / "demo"
HERE = str(Path(sys.executable).parent)
# Loads the graph, and at its first start dbt's models; several at once on few cores.
READY_S = 400.0
# A signal's listener needs a VTN: `tests/orchestration/test_dr_event_wire.py`.
LEFT_OUT = {"postgres", "broker", "migrate", "signals"}


@pytest.fixture
def database(postgres_server: str) -> Iterator[str]:
    import psycopg

    name = "as_deployed"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {name}")
    base, _, query = postgres_server.partition("?")
    yield base.rsplit("/", 1)[0] + f"/{name}" + (f"?{query}" if query else "")
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def places(tmp_path: Path, database: str) -> Iterator[dict[str, str]]:
    """Places of `deploy` and what they are here: programs, project, secrets, ports; the broker runs."""
    need_mosquitto()
    project, secrets = tmp_path / "project", tmp_path / "secrets"
    (project / "sites").mkdir(parents=True)
    secrets.mkdir()
    (project / "meterloom.yaml").write_text("{}")
    (project / "people.yaml").write_text("people: []\n")
    for name in ("home", "factory"):
        shutil.copy(DEMO / f"{name}.yaml", project / "sites")
    (project / "sites" / "works.yaml").write_text(SITE)
    users = secrets / "mqtt-users"
    users.write_text("meterloom:of-the-broker\n")
    subprocess.run([str(find_mosquitto("mosquitto_passwd")), "-U", str(users)], check=True, capture_output=True)
    (secrets / "mqtt-password").write_text("of-the-broker\n")
    (secrets / "database-url").write_text(f"{database}\n")
    for each in secrets.iterdir():
        each.chmod(0o400)
    environment = compose()["services"]["web"]["environment"]
    ports = {value: str(free_port()) for name, value in environment.items() if name.endswith("_PORT")}
    found = {PROJECT: str(project), SECRETS: str(secrets), PROGRAMS: HERE, **ports, "/mosquitto/data/": f"{tmp_path}/"}
    text = (CONTAINER / "mosquitto.conf").read_text()
    for old, new in found.items():
        text = text.replace(old, new)
    (tmp_path / "mosquitto.conf").write_text(text + "user root\n" * (os.geteuid() == 0))
    with subprocess.Popen(
        [str(find_mosquitto()), "-c", str(tmp_path / "mosquitto.conf")], stderr=subprocess.DEVNULL
    ) as broker:
        assert until(lambda: is_listening(int(ports["1883"])))
        yield found
        broker.terminate()


def start(started: Started, log: Path) -> "subprocess.Popen[bytes]":
    """As a container does: nothing of our own environment, the program by the image's path."""
    words = [f"{HERE}/{started.words[0]}" if "/" not in started.words[0] else started.words[0], *started.words[1:]]
    with log.open("wb") as output:
        return subprocess.Popen(
            words, cwd=ROOT, env=environment_of(started), stdout=output, stderr=output, start_new_session=True
        )


def environment_of(started: Started) -> dict[str, str]:
    # Where this checkout is not installed, its place.
    return {
        "PATH": os.environ["PATH"],
        "HOME": started.environment.get("METERLOOM_PROJECT", ""),
        "PYTHONPATH": str(ROOT),
    } | (started.environment)


def is_healthy(started: Started) -> bool:
    words = [f"{HERE}/{started.check[0]}", *started.check[1:]]
    return (
        subprocess.run(words, env=environment_of(started), cwd=ROOT, capture_output=True, check=False).returncode == 0
    )


def health(places: dict[str, str], started: Started) -> dict[str, dict[str, object]]:
    words = [f"{HERE}/meterloom", "health", "--json", "--project", places[PROJECT]]
    done = subprocess.run(words, env=environment_of(started), cwd=ROOT, capture_output=True, text=True, check=False)
    return {each["name"]: each for each in json.loads(done.stdout)["roles"]}


def ended(running: "dict[str, subprocess.Popen[bytes]]") -> list[str]:
    return [role for role, process in running.items() if process.poll() is not None]


def end(process: "subprocess.Popen[bytes]") -> float:
    begun_s = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.wait(30)
    return time.monotonic() - begun_s


def test_every_service_of_compose_comes_up_by_its_own_health_and_ends_when_it_is_told(
    places: dict[str, str], tmp_path: Path
) -> None:
    services = {
        role: here(of_compose(role), places) for role in compose()["services"] if role not in ("postgres", "broker")
    }
    migrate = start(services["migrate"], tmp_path / "migrate.log")
    assert migrate.wait(300) == 0, (tmp_path / "migrate.log").read_text()
    running: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for role in sorted(set(services) - LEFT_OUT):
            running[role] = start(services[role], tmp_path / f"{role}.log")
        begun_s = time.monotonic()
        # One machine, not a container each: every check asks for the health of all. Simulated devices are not here: the
        # agent holds its site and says what it does not reach.
        for role in running:
            left_s = READY_S - (time.monotonic() - begun_s)
            until(lambda r=role: ended(running) or is_healthy(services[r]), left_s)  # type: ignore[misc]
            logs = {each: (tmp_path / f"{each}.log").read_text()[-2000:] for each in ended(running)}
            assert not logs, logs
            sys.stdout.write(f"{role} healthy after {time.monotonic() - begun_s:.0f} s\n")
        found = health(places, services["web"])
        names = {"agent-home" if each == "agent" else each for each in running}
        assert {name for name in names if not found[name]["ready"]} == set(), found
        assert found["store"]["ready"], found["store"]
        for role in reversed(running):
            assert end(running[role]) < 30, role
        assert health(places, services["web"]).keys() & names == set()
    finally:
        for process in running.values():
            process.kill()
            process.wait()
    secrets = [each.read_text().strip() for each in Path(places[SECRETS]).iterdir()]
    for log in tmp_path.glob("*.log"):
        assert not [each for each in secrets if each in log.read_text()], log


@pytest.mark.parametrize(("unit", "role", "name"), [
    ("meterloom-role@.service", "web", "web"),
    ("meterloom-agent@.service", "home", "agent-home"),
])  # fmt: skip
def test_the_command_line_of_a_unit_starts_its_service(
    places: dict[str, str], tmp_path: Path, unit: str, role: str, name: str
) -> None:
    found = here(of_systemd(unit, role), places)
    # Its secrets.env, of which the runbook says that it holds such names.
    own = {
        key: value for key, value in here(of_compose("web"), places).environment.items() if key.startswith("METERLOOM_")
    }
    found = found._replace(environment=own)
    migrate = start(here(of_compose("migrate"), places), tmp_path / "migrate.log")
    assert migrate.wait(300) == 0
    process = start(found, tmp_path / "log")
    try:
        assert until(lambda: process.poll() is not None or bool(health(places, found).get(name, {}).get("ready")), 120)
        assert process.poll() is None, (tmp_path / "log").read_text()[-2000:]
        assert end(process) < 30
    finally:
        process.kill()
        process.wait()
    assert name not in health(places, found)

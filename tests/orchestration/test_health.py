"""`meterloom health` says which services run and do their work, `meterloom serve ROLE` is one of them."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml
from typer.testing import CliRunner

from assets.stores.transactions import connect_store, open_store
from controls.gateways.ports import free_port
from data_quality.contracts.errors import BadInput
from data_quality.contracts.settings import Project, load_project
from orchestration.cli.main import build_app
from orchestration.doctor.role_files import RoleFile, health_port, roles, roles_dir, started, write_role
from orchestration.doctor.role_health import RoleHealth, answer_of, health_of
from orchestration.instance.write import CODE_WORKSPACE, WORKSPACE
from orchestration.supervised import serve_role
from orchestration.supervised.children import Children
from tests.orchestration.test_children import PYTHON, until

SLEEP = [*PYTHON, "import time; time.sleep(600)"]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "meterloom.yaml").write_text("{}")
    (tmp_path / "people.yaml").write_text("people: []\n")
    (tmp_path / "sites").mkdir()
    found = load_project(tmp_path, {})
    found.data_dir.mkdir()
    open_store(found.store_url).close()
    return found


def of(found: list[RoleHealth], name: str) -> RoleHealth:
    return next(each for each in found if each.name == name)


def role_health(project: Project, *words: str) -> tuple[int, list[dict[str, Any]]]:
    done = CliRunner().invoke(build_app(), ["health", "--project", str(project.root), "--json", *words])
    return done.exit_code, json.loads(done.stdout)["roles"]


def test_a_project_without_a_service_is_not_healthy_and_what_it_stands_on_is_said(project: Project) -> None:
    code, found = role_health(project)
    assert code == 1
    assert [(each["name"], each["live"], each["ready"]) for each in found] == [
        ("services", False, False),
        ("store", True, True),
        ("disk", True, True),
        ("lake", True, True),
        ("backup", True, True),
    ]
    assert "meterloom up" in found[0]["detail"]


def test_services_are_followed_through_death_and_restart_to_their_end(project: Project) -> None:
    folder = roles_dir(project)
    with Children(project.data_dir / "logs", folder) as children:
        web = children.start("web", SLEEP, environment={}, is_needed=False)
        assert of(health_of(project), "web").detail.startswith(f"process {web.process.pid} since 20")
        os.kill(web.process.pid, signal.SIGKILL)
        assert until(lambda: not of(health_of(project), "web").live)
        assert "is gone" in of(health_of(project), "web").detail
        children.keep_up(lambda _: None, 0.0)
        assert of(health_of(project), "web").detail == "ended 1 time(s) and is started again"
        children.keep_up(lambda _: None, 5.0)
        found = of(health_of(project), "web")
        assert (found.live, found.ready) == (True, True)
        assert "restarted 1 time(s)" in found.detail
    assert roles(folder) == []


def test_a_later_process_with_the_number_of_a_service_is_not_that_service(project: Project) -> None:
    now = started("web", os.getpid())
    write_role(roles_dir(project), now.model_copy(update={"began_s": now.began_s - 60}))
    assert health_of(project, "web")[0].live is False
    write_role(roles_dir(project), now)
    assert health_of(project, "web")[0].ready is True
    (roles_dir(project) / "other.json").write_text("{}")
    assert [each.name for each in roles(roles_dir(project))] == ["web"]


def test_a_container_is_as_well_as_its_own_role_whatever_those_of_others_are(project: Project) -> None:
    folder, gone = roles_dir(project), f"tcp://127.0.0.1:{free_port()}"
    write_role(folder, started("web", os.getpid()))
    write_role(folder, started("mlflow", os.getpid(), gone).model_copy(update={"space": "another pid:[1]"}))
    code, found = role_health(project, "--here")
    assert (code, [(each["name"], each["ready"]) for each in found]) == (0, [("web", True)])
    assert role_health(project)[0] == 1
    write_role(folder, started("web", os.getpid(), gone))
    assert role_health(project, "--here")[0] == 1
    (folder / "web.json").unlink()
    code, found = role_health(project, "--here")
    assert (code, [(each["name"], each["detail"]) for each in found]) == (1, [("services", "no service runs here")])


@pytest.fixture
def page() -> Iterator[tuple[int, dict[str, Any]]]:
    answer: dict[str, Any] = {"status": 200, "text": "at work\nmore"}

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(answer["status"])
            self.end_headers()
            self.wfile.write(answer["text"].encode())

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1], answer
    server.shutdown()
    server.server_close()


OF_CONTAINER = """
import json, os, sys
from pathlib import Path
from data_quality.contracts.settings import load_project
from orchestration.doctor.role_files import roles_dir, started, write_role
from orchestration.doctor.role_health import health_here
project = load_project(Path(sys.argv[1]), {})
# Of a container that was killed: the number of its space is given to the next.
write_role(roles_dir(project), started("collector", os.getpid()).model_copy(update={"began_s": 1.0}))
found = [health_here(project)]
write_role(roles_dir(project), started("web", os.getpid()))
print(json.dumps([[each.name for each in every] for every in (*found, health_here(project))]))
"""


def test_a_killed_container_makes_none_ill_that_has_its_number_of_before(project: Project) -> None:
    apart = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc"]
    if subprocess.run([*apart, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody make a space of process numbers")
    words = [*apart, sys.executable, "-c", OF_CONTAINER, str(project.root)]
    done = subprocess.run(words, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert json.loads(done.stdout) == [["services"], ["web"]]


def test_a_service_is_ready_by_its_own_word_alone(project: Project, page: tuple[int, dict[str, Any]]) -> None:
    port, answer = page
    write_role(roles_dir(project), started("agent-home", os.getpid(), f"http://127.0.0.1:{port}/healthz"))
    found = of(health_of(project), "agent-home")
    assert (found.ready, found.detail.endswith("; at work")) == (True, True)
    answer.update(status=503, text="no lease is held")
    code, told = role_health(project, "--role", "agent-home")
    assert (code, told[0]["live"], told[0]["ready"]) == (1, True, False)
    assert told[0]["detail"].endswith("no lease is held")
    assert answer_of(f"tcp://127.0.0.1:{port}") == (True, "")
    is_ready, said = answer_of(f"tcp://127.0.0.1:{free_port()}")
    assert (is_ready, "no answer at 127.0.0.1:" in said) == (False, True)


def test_a_store_of_an_earlier_version_is_not_ready_and_is_not_migrated_by_looking(project: Project) -> None:
    store = connect_store(project.store_url)
    with store.engine.begin() as connection:
        before = connection.execute(sa.text("select version_num from alembic_version")).scalar()
        connection.execute(sa.text("update alembic_version set version_num = '9999'"))
    store.close()
    found = health_of(project)
    assert before is not None
    assert (of(found, "store").ready, "9999" in of(found, "store").detail) == (False, True)


def test_a_role_that_is_none_and_a_site_that_is_wrong_are_refused_by_name(project: Project) -> None:
    for role, site, said in (
        ("nothing", "", "unknown role 'nothing'; there are webserver, daemon"),
        ("agent", "", "the role agent is of one site: name it with --site"),
        ("web", "home", "the role web serves all sites: leave --site out"),
        ("code", "", "the code server has no port"),
    ):
        with pytest.raises(BadInput, match=said):
            serve_role.service(project, role, site)
    assert roles(roles_dir(project)) == []


def test_a_code_server_serves_webserver_and_daemon_where_it_has_a_port(tmp_path: Path) -> None:
    project = load_project(tmp_path, {"METERLOOM_SERVER__CODE_PORT": "4266"})
    code, *askers = (serve_role.service(project, role, "")[1] for role in ("code", "webserver", "daemon"))
    assert code.words[-4:] == ["--module-name", "orchestration.definitions", "--location-name", "meterloom"]
    assert all(each.words[-2:] == ["--workspace", str(CODE_WORKSPACE)] for each in askers)
    assert all(each.environment["METERLOOM_SERVER__CODE_PORT"] == "4266" for each in askers)


def test_the_location_has_one_name_whoever_loads_it() -> None:
    # Links to it, and which schedules are on, hang on its name.
    loads = [yaml.safe_load(each.read_text())["load_from"][0] for each in (WORKSPACE, CODE_WORKSPACE)]
    assert [each["location_name"] for load in loads for each in load.values()] == ["meterloom", "meterloom"]


def test_each_part_with_a_port_of_its_own_is_asked_there(tmp_path: Path) -> None:
    project = load_project(tmp_path, {"METERLOOM_SERVER__AGENT_PORT": "8701"})
    assert health_port(project.settings.server, "agent") == (
        {"METERLOOM_SERVER__AGENT_PORT": "8701"},
        "http://127.0.0.1:8701/healthz",
    )
    port, health = health_port(project.settings.server, "collector")
    assert health == f"http://127.0.0.1:{port['METERLOOM_SERVER__COLLECTOR_PORT']}/healthz"


def test_a_served_role_is_the_process_of_its_file_and_ends_when_it_is_told(project: Project) -> None:
    port = free_port()
    words = [str(Path(sys.executable).parent / "meterloom"), "serve", "web", "--project", str(project.root)]
    served = subprocess.Popen(
        words, env=os.environ | {"METERLOOM_SERVER__WEB_PORT": str(port)}, stderr=subprocess.PIPE, text=True
    )
    try:
        assert until(lambda: any(each.ready for each in health_of(project, "web")), 60)
        found = roles(roles_dir(project))
        assert [(each.name, each.pid) for each in found] == [("web", served.pid)]
        begun_s = time.monotonic()
        served.send_signal(signal.SIGTERM)
        # The server's library ends by the signal that it was told by, once every answer is given.
        assert served.wait(30) in (0, -signal.SIGTERM)
        assert time.monotonic() - begun_s < 30
    finally:
        served.kill()
        served.communicate()
    assert (roles(roles_dir(project)), health_of(project, "web")[0].detail) == ([], "no service web runs")
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_role_file_is_whole_or_not_there(project: Project) -> None:
    role = RoleFile(name="web", pid=1, began_s=0, since_utc="2026-01-01T00:00:00Z")
    write_role(roles_dir(project), role)
    assert roles(roles_dir(project)) == [role]
    assert [path.name for path in roles_dir(project).iterdir()] == ["web.json"]

"""The process behind the pages: where it may listen, that it starts, ends, and comes back; and who is invited first."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import psutil
import pytest
from typer.testing import CliRunner

from assets.sites.load_sites import NOBODY
from assets.stores.web.credentials import CredentialStore
from controls.gateways.ports import free_port
from data_quality.contracts.errors import BadInput
from data_quality.contracts.settings import ServerSettings
from data_quality.contracts.time import FixedClock, SystemClock
from orchestration.cli.main import build_app
from orchestration.open_project import OpenProject
from orchestration.supervised import parts as supervised
from orchestration.supervised.children import Children
from orchestration.web.own_origin import own_hosts
from orchestration.web.people.invite import first_invited, invitation_link
from orchestration.web.serve import check_server
from tests.web.served import NOW, PASSWORD, SITE, Served, people_text

WITHIN_S = 60.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project that nobody serves yet."""
    (tmp_path / "sites").mkdir()
    (tmp_path / "meterloom.yaml").write_text("{}\n")
    (tmp_path / "people.yaml").write_text(people_text())
    (tmp_path / "sites" / "works.yaml").write_text(SITE)
    return tmp_path


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def running(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The real process."""
    arguments = [sys.executable, "-m", "orchestration.web.serve", "--project", str(folder)]
    variables = {**os.environ, "METERLOOM_SERVER__WEB_PORT": str(port)}
    with (folder / "web.log").open("wb") as log:
        process = subprocess.Popen(arguments, env=variables, stderr=log, stdout=log)
    try:
        answering(port)
        yield process
    finally:
        process.kill()
        process.wait()


def answering(port: int) -> httpx.Response:
    """Its answer, once it gives one."""
    deadline_s = time.monotonic() + WITHIN_S
    while True:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=5)
        except httpx.TransportError:
            assert time.monotonic() < deadline_s
            time.sleep(0.05)


def test_the_process_answers_here_alone_signs_in_by_the_commands_link_and_ends(
    running: subprocess.Popen[bytes], folder: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert answering(port).json()["status"] == "ready"
    found = psutil.Process(running.pid).net_connections(kind="inet")
    assert {each.laddr.ip for each in found if each.status == psutil.CONN_LISTEN} == {"127.0.0.1"}
    monkeypatch.setenv("METERLOOM_SERVER__WEB_PORT", str(port))
    said = CliRunner().invoke(build_app(("web",)), ["web", "invite", "engineer", "--project", str(folder)]).stdout
    link = re.search(r"http://127\.0\.0\.1:\d+/invitation/\S+", said)
    assert link
    form = {"password": "four words of chance", "again": "four words of chance"}
    with httpx.Client(headers={"origin": f"http://127.0.0.1:{port}", "accept": "text/html"}) as client:
        assert client.post(link[0], data=form).status_code == 303
        page = client.get(f"http://127.0.0.1:{port}/api/docs")
        assert page.status_code == 200
        assert "Engineer" in page.text
    assert b"invitation/" not in (folder / "web.log").read_bytes()
    running.send_signal(signal.SIGTERM)
    # uvicorn ends in order and then dies of the signal that it was sent.
    assert running.wait(WITHIN_S) in (0, -signal.SIGTERM)
    assert b"Application shutdown complete" in (folder / "web.log").read_bytes()


def test_ctrl_c_ends_it_without_a_fault(running: subprocess.Popen[bytes], folder: Path) -> None:
    running.send_signal(signal.SIGINT)
    assert running.wait(WITHIN_S) == 0
    assert b"Traceback" not in (folder / "web.log").read_bytes()


def test_what_the_start_loads_is_never_looked_through_again_for_what_nobody_needs(folder: Path, port: int) -> None:
    code = (
        "import gc, sys\nfrom data_quality.contracts.time import SystemClock\n"
        "from orchestration.open_project import OpenProject\nfrom orchestration.web.serve import serve_pages\n"
        "def say(line): print(line, gc.get_freeze_count(), flush=True)\n"
        "serve_pages(OpenProject(sys.argv[1]), SystemClock(), say)"
    )
    variables = {**os.environ, "METERLOOM_SERVER__WEB_PORT": str(port)}
    command = [sys.executable, "-c", code, str(folder)]
    with subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        *said, count = process.stdout.readline().split()
        process.terminate()
    assert said[0] == "pages"
    # All modules of the application: a page makes some hundreds.
    assert int(count) > 100_000


def test_a_request_line_that_is_none_is_refused_by_the_server(running: subprocess.Popen[bytes], port: int) -> None:
    for sent in (b"GET /\r\n\r\n", b"\x16\x03\x01\x02", b"GET / HTTP/1.1\r\n" + b"x: " + b"a" * 70_000 + b"\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(sent)
            assert connection.recv(200).startswith((b"HTTP/1.1 4", b""))
    assert answering(port).status_code == 200


GOOD = [
    ServerSettings(),
    ServerSettings(web_host="localhost"),
    ServerSettings(web_host="::1"),
    ServerSettings(web_host="10.0.0.1", public_url="https://energy.example", trusted_proxies=("10.0.0.2",)),
]
BAD = [
    ServerSettings(web_host="10.0.0.1"),
    ServerSettings(web_host="192.168.1.5", public_url="https://energy.example"),
    ServerSettings(web_host="192.168.1.5", trusted_proxies=("10.0.0.2",)),
    ServerSettings(public_url="http://energy.example"),
    ServerSettings(certificate_file="/no/such/file.pem", key_file="/no/such/key.pem"),
    ServerSettings(certificate_file=__file__),
]


@pytest.mark.parametrize("server", GOOD)
def test_it_may_listen_where_nobody_can_listen_in(server: ServerSettings) -> None:
    check_server(server)


@pytest.mark.parametrize("server", BAD)
def test_it_may_not_listen_where_passwords_would_be_read(server: ServerSettings) -> None:
    with pytest.raises(BadInput) as fault:
        check_server(server)
    assert fault.value.reason == "no_certificate"


def test_it_goes_by_the_names_that_people_use() -> None:
    assert own_hosts("http://127.0.0.1:8600") == {"127.0.0.1:8600", "localhost:8600", "[::1]:8600"}
    assert own_hosts("https://energy.example") == {"energy.example"}
    assert own_hosts("https://energy.example:8443") == {"energy.example:8443"}


def test_without_a_project_it_ends_with_a_sentence(tmp_path: Path) -> None:
    arguments = [sys.executable, "-m", "orchestration.web.serve", "--project", str(tmp_path)]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_on_a_taken_port_web_and_door_say_so_end_with_3_and_name_no_address(folder: Path) -> None:
    web = [str(Path(sys.executable).with_name("meterloom")), "web"]
    pushed = [sys.executable, "-m", "controls.collector.receive_main"]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        pages, door = "METERLOOM_SERVER__WEB_PORT", "METERLOOM_PUSH__PORT"
        for words, variable in ((web, pages), (pushed, door), ([*web, "--port", str(port)], pages)):
            done = subprocess.run(
                [*words, "--project", str(folder)],
                env={**os.environ} if "--port" in words else {**os.environ, variable: str(port)},
                capture_output=True,
                text=True,
                timeout=WITHIN_S,
                check=False,
            )
            said = " ".join((done.stdout + done.stderr).split())
            assert done.returncode == 3, said
            assert re.search(rf"port {port}, for .*, is taken.*: end that program, or name another", said)
            assert variable in said
            assert "http://" not in said


def test_pages_that_die_come_back_and_take_nothing_with_them(folder: Path, port: int) -> None:
    project, said = OpenProject(str(folder)).project, list[str]()
    with Children(folder / "logs") as children:
        child = supervised.start_pages(project, port, children, environment={})
        answering(port)
        first = child.process.pid
        child.process.kill()
        child.process.wait()
        deadline_s = time.monotonic() + WITHIN_S
        # As the supervisor asks once a second: it is never told that a part ended.
        while child.process.pid == first and time.monotonic() < deadline_s:
            children.need_all()
            children.keep_up(said.append, time.monotonic())
            time.sleep(0.05)
        assert answering(port).status_code == 200
    assert said == [f"web ended with code -9 and is started again in 1 s; see {folder / 'logs' / 'web.log'}"]


def test_up_says_where_the_pages_are_and_invites_once(folder: Path, port: int) -> None:
    opened = OpenProject(str(folder))
    project = opened.project
    said: list[str] = []
    with closing(opened), Children(folder / "logs") as children:
        log = supervised.start_pages(project, port, children, environment={}).log
        supervised.report_address(project, port, log, said.append)
        assert said[0] == f"Pages    http://127.0.0.1:{port}"
        assert re.fullmatch(rf"  Admin sets .*: http://127\.0\.0\.1:{port}/invitation/\S+", said[1])
        CredentialStore(opened.store).set_password("viewer", "x", FixedClock(NOW))
        said.clear()
        supervised.report_address(project, port, log, said.append)
        assert len(said) == 1


def test_pages_that_do_not_come_up_are_said_and_nothing_ends(
    folder: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervised, "PAGES_S", 0.2)
    said: list[str] = []
    supervised.report_address(OpenProject(str(folder)).project, port, folder / "web.log", said.append)
    assert said == [f"the pages do not answer yet, they are tried again; see {folder / 'web.log'}"]


@pytest.mark.parametrize("text", ["", "people: [{person_id: admin, roles: [adm"], ids=["no file", "half a file"])
def test_without_people_the_pages_start_and_say_so_until_the_file_is_there(folder: Path, port: int, text: str) -> None:
    people, url, said = folder / "people.yaml", f"http://127.0.0.1:{port}", list[str]()
    people.write_text(text) if text else people.unlink()
    sentence = "the people file is not in order" if text else "no person is named yet"
    with closing(OpenProject(str(folder))) as opened, Children(folder / "logs") as children:
        child = supervised.start_pages(opened.project, port, children, environment={})
        answering(port)
        supervised.report_address(opened.project, port, child.log, said.append)
        assert said[0] == f"Pages    {url}"
        assert ("people.yaml, line 1" in said[1]) if text else (said[1] == f"  {NOBODY}")
        first = child.process.pid
        for path in ("/login", "/", "/none"):
            page = httpx.get(url + path, headers={"accept": "text/html"}, follow_redirects=True, timeout=20).text
            assert sentence in page
            # Where in the file is for who may read it.
            assert "line 1" not in page
        for key in ({}, {"authorization": "Bearer mlk_aabbccddeeff_x"}):
            refused = httpx.get(f"{url}/api/v1/ems/sites", headers=key, timeout=20)
            assert (refused.status_code, sentence in refused.json()["mend"]) == (401, True)
        assert answering(port).status_code == 503
        people.write_text(people_text())
        assert sentence not in httpx.get(f"{url}/login", timeout=20).text
        link, _ = invitation_link(opened, opened.people.known("admin"), SystemClock(), base_url=url)
        form = {"password": PASSWORD, "again": PASSWORD}
        assert httpx.post(link, data=form, headers={"origin": url}, timeout=20).status_code == 303
        children.keep_up(said.append, time.monotonic())
        assert (child.process.pid, child.ends_s, answering(port).status_code) == (first, [], 200)


def test_the_first_invited_is_who_lets_others_in_else_who_sees_most(served: Served) -> None:
    found = first_invited(served.project)
    assert found
    assert found.person_id == "admin"
    for gone, then in (("admin", "engineer"), ("engineer", "operator")):
        file = served.folder / "people.yaml"
        file.write_text("".join(f"{x}\n" for x in file.read_text().splitlines() if f": {gone}," not in x))
        person = first_invited(served.project)
        assert person
        assert person.person_id == then
    link, until_utc = invitation_link(served.project, person, served.clock, base_url="https://a.example")
    assert link.startswith("https://a.example/invitation/")
    assert until_utc > served.clock.now_utc()
    served.browser("viewer")
    assert first_invited(served.project) is None


@pytest.mark.parametrize(("person", "word"), [("nobody", "unknown person"), ("idle", "has no role")])
def test_who_cannot_see_anything_is_not_invited(folder: Path, person: str, word: str) -> None:
    (folder / "people.yaml").write_text(people_text() + "  - {person_id: idle, name: Idle, roles: []}\n")
    done = CliRunner().invoke(build_app(("web",)), ["web", "invite", person, "--project", str(folder)])
    assert done.exit_code == 2
    assert word in done.stderr

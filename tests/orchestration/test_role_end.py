"""A role that was ended is no longer reported; one that was killed is reported as gone, and leaves nothing behind."""

import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from assets.stores.transactions import open_store
from controls.ledger.device_lease import LEASE_S, acquire_lease
from data_quality.contracts.errors import BadInput
from data_quality.contracts.settings import Project, load_project
from data_quality.contracts.time import SystemClock
from orchestration.cli.main import build_app
from orchestration.doctor.role_files import hold_role, roles, roles_dir, started, write_role
from orchestration.doctor.role_health import acknowledge, health_of
from orchestration.supervised import parent_watch
from orchestration.views.site_control import lines, site_control
from tests.conftest import ROOT
from tests.controls.planning.examples import HOME
from tests.orchestration.test_children import PYTHON, is_running, until

# As a server: a worker of its own, its number on the first line, and the signals that it was told on the others.
SERVICE = """
import os, signal, subprocess, sys, time
own = subprocess.Popen([sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"])
signal.signal(signal.SIGUSR1, lambda *_: os.write(1, b"USR1\\n"))
signal.signal(signal.SIGTERM, lambda *_: sys.exit(int(sys.argv[1])))
print(own.pid, flush=True)
while True:
    time.sleep(600)
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "meterloom.yaml").write_text("{}")
    (tmp_path / "sites").mkdir()
    (tmp_path / "sites" / "home.yaml").write_text(json.dumps(HOME.model_dump(mode="json", exclude_unset=True)))
    found = load_project(tmp_path, {})
    found.data_dir.mkdir()
    open_store(found.store_url).close()
    return found


@contextmanager
def kept(project: Project, code: int = 0) -> Iterator[tuple[subprocess.Popen[str], int, int]]:
    """The parent of a service as `meterloom serve` becomes it, the service, and its worker."""
    words = [str(Path(parent_watch.__file__)), str(roles_dir(project) / "web.json"), *PYTHON, SERVICE, str(code)]
    parent = subprocess.Popen([sys.executable, "-I", "-S", *words], stdout=subprocess.PIPE, text=True)
    write_role(roles_dir(project), started("web", parent.pid))
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    (service,) = psutil.Process(parent.pid).children()
    try:
        yield parent, service.pid, worker
    finally:
        parent.kill()
        parent.communicate()
    assert until(lambda: not is_running(service.pid))


def ended(parent: subprocess.Popen[str]) -> int:
    return parent.wait(20)


@pytest.mark.parametrize("code", [0, 3])
def test_a_role_that_was_ended_is_told_of_no_longer_and_its_code_is_its_own(project: Project, code: int) -> None:
    with kept(project, code) as (parent, service, worker):
        assert health_of(project, "web")[0].live
        parent.send_signal(signal.SIGTERM)
        assert ended(parent) == code
        assert not is_running(service)
        assert not is_running(worker)
        assert (roles(roles_dir(project)), health_of(project, "web")[0].detail) == ([], "no service web runs")


@pytest.mark.parametrize("victim", ["service", "parent"])
def test_a_role_that_was_killed_is_gone_and_leaves_nothing_that_holds_its_port(project: Project, victim: str) -> None:
    with kept(project) as (parent, service, worker):
        os.kill(service if victim == "service" else parent.pid, signal.SIGKILL)
        assert ended(parent) == -signal.SIGKILL
        found = health_of(project, "web")[0]
        assert (found.live, found.ready, "is gone" in found.detail) == (False, False, True)
        assert until(lambda: not is_running(service))
        if victim == "service":
            assert not is_running(worker)
        else:
            # Asked by the system, the service ends as it is told to; what it began is its own to end.
            os.kill(worker, signal.SIGKILL)


def test_what_is_no_end_is_passed_on_and_a_later_role_keeps_its_file(project: Project) -> None:
    with kept(project) as (parent, _, _):
        parent.send_signal(signal.SIGUSR1)
        assert parent.stdout is not None
        assert parent.stdout.readline() == "USR1\n"
        # In the container that takes the place of this one, where it has the same number.
        later = started("web", parent.pid).model_copy(update={"space": "another pid:[1]"})
        write_role(roles_dir(project), later)
        parent.send_signal(signal.SIGTERM)
        assert ended(parent) == 0
    assert roles(roles_dir(project)) == [later]


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    words = [sys.executable, "-I", "-S", str(Path(parent_watch.__file__)), str(tmp_path / "web.json"), "/no/mlflow"]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (127, "/no/mlflow: No such file or directory\n")


def test_a_role_of_another_container_is_judged_by_its_own_word_alone(project: Project) -> None:
    there = started("web", 1, "lock:daemon").model_copy(update={"space": "another pid:[1]", "began_s": 1.0})
    held = hold_role(write_role(roles_dir(project), there))
    found = health_of(project, "web")[0]
    assert (found.live, found.detail.startswith("of another container, since 20")) == (False, True)
    os.close(held)
    held = hold_role(write_role(roles_dir(project), there.model_copy(update={"health": ""})))
    assert health_of(project, "web")[0].live
    # Its container was killed: the lock went with it.
    os.close(held)
    found = health_of(project, "web")[0]
    assert (found.live, "is gone" in found.detail) == (False, True)


def test_a_role_lives_whatever_the_clock_is_set_to_and_none_lives_on_after_a_start_of_the_machine(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_role(roles_dir(project), started("web", os.getpid()))
    held = hold_role(file)
    # NFS gives the lock of one alone for writing only.
    assert fcntl.fcntl(held, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDWR
    os.close(held)
    # As the system says its start after a step of the clock.
    (system := tmp_path / "proc").mkdir()
    (system / str(os.getpid())).symlink_to(f"/proc/{os.getpid()}")
    stepped = re.sub(r"btime (\d+)", lambda found: f"btime {int(found[1]) + 3600}", Path("/proc/stat").read_text())
    (system / "stat").write_text(stepped)
    with monkeypatch.context() as at:
        at.setattr(psutil, "PROCFS_PATH", str(system))
        assert roles(roles_dir(project))[0].is_alive
    write_role(roles_dir(project), started("web", os.getpid()).model_copy(update={"boot": "the one before"}))
    assert not roles(roles_dir(project))[0].is_alive


def test_a_role_of_another_machine_is_alive_until_somebody_says_otherwise(project: Project) -> None:
    """No lock need reach us from there; of this machine before its last start none is needed."""
    there = started("web", 1).model_copy(update={"space": "another pid:[1]", "boot": "another"})
    write_role(roles_dir(project), there)
    [found] = roles(roles_dir(project))
    assert (found.is_held, found.is_alive) == (False, True)
    mend = "if that machine is gone for good: meterloom health --acknowledge web)"
    assert found.description == f"web (process 1 on another, since {there.since_utc}; {mend}"
    space = f"{socket.gethostname()} pid:[1]"
    write_role(roles_dir(project), there.model_copy(update={"space": space}))
    assert not roles(roles_dir(project))[0].is_alive
    # Of a version that took no lock nobody can tell either.
    write_role(roles_dir(project), there.model_copy(update={"boot": ""}))
    assert roles(roles_dir(project))[0].is_alive


@pytest.mark.slow
def test_an_agent_that_systemd_starts_is_in_the_health_until_it_is_ended_and_gone_where_it_was_killed(
    project: Project,
) -> None:
    words = [sys.executable, "-m", "controls.agent.main", "--project", str(project.root), "--site", "home"]

    def agent() -> "subprocess.Popen[bytes]":
        found = subprocess.Popen(words, cwd=ROOT, stderr=subprocess.DEVNULL)
        assert until(lambda: any((each.name, each.ready) == ("agent-home", True) for each in health_of(project)), 60)
        assert health_of(project, "agent-home")[0].detail.startswith(f"agent {found.pid}-")
        return found

    first = agent()
    first.send_signal(signal.SIGTERM)
    assert first.wait(60) == 0
    assert "agent-home" not in [each.name for each in health_of(project)]
    assert health_of(project, "agent-home")[0].detail == "no service agent-home runs"
    with closing(open_store(project.store_url)) as store:
        assert lines(site_control(store, HOME, now_utc=SystemClock().now_utc()))[-2].startswith(
            "no agent runs: the last"
        )
    second = agent()
    second.kill()
    second.wait()
    assert until(lambda: not health_of(project, "agent-home")[0].live, LEASE_S + 10)
    assert health_of(project, "agent-home")[0].detail.endswith("was not given back: it is gone")
    # One that a supervisor had started and that was killed is no longer told of once another came and was ended.
    gone = started("agent-home", second.pid)
    write_role(roles_dir(project), gone)
    assert "is gone" in health_of(project, "agent-home")[0].detail
    third = agent()
    with pytest.raises(BadInput, match=r"agent-home: agent .* holds the lease until"):
        acknowledge(project, "agent-home")
    third.send_signal(signal.SIGTERM)
    assert third.wait(60) == 0
    assert health_of(project, "agent-home")[0].detail == "no service agent-home runs"
    # But one that was killed since then is.
    write_role(roles_dir(project), gone.model_copy(update={"since_utc": "2099-01-01T00:00:00Z"}))
    assert "is gone" in health_of(project, "agent-home")[0].detail


@pytest.mark.slow
def test_an_agent_begins_while_the_database_is_away_and_nobody_asks_it_for_a_lock(project: Project) -> None:
    away = {**os.environ, "METERLOOM_DATABASE__URL": "postgresql://127.0.0.1:9/none"}
    words = [str(Path(sys.executable).parent / "meterloom"), "agent", "--site", "home", "--project", str(project.root)]
    with subprocess.Popen(words, cwd=ROOT, env=away, stderr=subprocess.PIPE, text=True) as agent:
        assert agent.stderr is not None
        assert "agent of home: battery" in agent.stderr.readline()
        assert any("does not answer" in line for line in agent.stderr)
        agent.send_signal(signal.SIGTERM)
        agent.stderr.read()
    assert agent.returncode == 0


def test_a_killed_agent_is_told_of_until_a_person_acknowledges_it_or_its_site_has_none(project: Project) -> None:
    past_utc = SystemClock().now_utc() - timedelta(minutes=5)
    with closing(open_store(project.store_url)) as store:
        assert acquire_lease(store, "home", "agent of before", now_utc=past_utc)
        assert health_of(project, "agent-home")[0].detail.endswith("it is gone")
        site = project.sites_dir / "home.yaml"
        text = site.read_text()
        site.unlink()
        assert health_of(project, "agent-home")[0].detail == "no service agent-home runs"
        site.write_text(text)
        words = ["health", "--project", str(project.root), "--role", "agent-home"]
        done = CliRunner().invoke(build_app(("health",)), words)
        assert "one that shall not come back: meterloom health --acknowledge ROLE" in done.stdout
        write_role(roles_dir(project), started("agent-home", 1).model_copy(update={"began_s": 1.0}))
        CliRunner().invoke(build_app(("health",)), [*words, "--acknowledge", "agent-home"])
        assert roles(roles_dir(project)) == []
        assert health_of(project, "agent-home")[0].detail == "no service agent-home runs"
        # Its number goes on: what the killed one sent with is refused.
        lease = acquire_lease(store, "home", "the next", now_utc=SystemClock().now_utc())
        assert lease is not None
        assert lease.epoch == 2


def test_only_what_is_gone_is_acknowledged(project: Project) -> None:
    with pytest.raises(BadInput, match="no service web was killed"):
        acknowledge(project, "web")
    write_role(roles_dir(project), started("web", os.getpid()))
    with pytest.raises(BadInput, match=rf"web \(process {os.getpid()} on .* is there"):
        acknowledge(project, "web")
    # A supervisor has it, and starts it again.
    held = hold_role(write_role(roles_dir(project), started("web", 1).model_copy(update={"began_s": 1.0})))
    with pytest.raises(BadInput, match="or is started again"):
        acknowledge(project, "web")
    os.close(held)
    # Nobody sees another machine from here: a person does.
    write_role(roles_dir(project), started("web", 1).model_copy(update={"space": "another pid:[1]", "boot": "another"}))
    acknowledge(project, "web")
    assert roles(roles_dir(project)) == []

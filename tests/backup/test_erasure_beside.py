"""No command and no service begins while an erasure runs, and no erasure while one of them does; whoever was killed
stands in nobody's way.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from data_quality.contracts.settings import load_project
from orchestration.doctor.role_files import roles, roles_dir
from tests.backup.test_backup import refused
from tests.backup.test_erasure import expect_whole, prepared, project, run
from tests.orchestration.test_children import until

__all__ = ["prepared", "project"]
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(300)]
ERASE = ("erase", "person/p7", "--as", "hana")
# A command in a process of its own, that waits for a line before it goes through a function.
HELD = """
import importlib, sys
module, point, *words = sys.argv[1:]
steps = importlib.import_module(module)
step = getattr(steps, point)
def held(*given, **named):
    print("there", flush=True)
    sys.stdin.readline()
    return step(*given, **named)
setattr(steps, point, held)
sys.argv = ["meterloom", *words]
from orchestration.cli.main import main
main()
"""


@contextmanager
def held(module: str, point: str, *words: object) -> "Iterator[subprocess.Popen[str]]":
    """A command that has come to that function. At the end it goes on, and is right."""
    line = [sys.executable, "-c", HELD, module, point, *map(str, words)]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "there\n"
        yield process
        process.stdin.write("on\n")
        process.stdin.close()
        # To its end, or it would wait for a reader.
        process.stdout.read()
    assert process.returncode == 0


def served(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    line = [str(Path(sys.executable).parent / "meterloom"), "serve", *words, "--project", str(project)]
    return subprocess.run(line, check=False, capture_output=True, text=True, timeout=120)


def test_what_would_begin_beside_an_erasure_is_refused_by_its_name(project: Path) -> None:
    march = project / "landing" / "works" / "march.csv"
    with held("assets.stores.erasure.erase", "wipe", *ERASE, "--yes", "--project", project) as erasure:
        for words in (
            ("ingest", march, "--site", "works"), ("kpis", "--site", "works", "--period", "2025-03"),
            ("web", "invite", "p7"), ("web", "past", "--site", "works", "--as-of", "2025-04-01T00:00:00Z"),
            ("lake", "adopt"), ("meters", "propose", "--site", "works"), ("trace", "0" * 16),
            ("anomalies", "list", "--site", "works"), ("bill", "list", "--site", "works"),
            ("carbon", "footprint", "--site", "works", "--period", "2025-03"),
            ("carbon", "restate", "--site", "works", "--period", "2025-03", "--from", "2025-04-01T00:00:00Z",
             "--to", "2025-05-01T00:00:00Z"),
        ):  # fmt: skip
            message = refused(*words, "--project", project)
            assert f"another one runs on this project: an erasure, process {erasure.pid} on " in message
            assert "wait for it" in message
        for role in (("web",), ("collector",), ("agent", "--site", "home")):
            done = served(project, *role)
            assert (done.returncode, f"an erasure, process {erasure.pid} on " in done.stderr) == (2, True)
        assert roles(roles_dir(load_project(project, {}))) == []
        # Who only reads is answered; what the answer quotes is not kept.
        balance = ("meters", "balance", "--site", "works", "--period", "2025-03", "--project", project)
        assert "figure_ids" not in run(*balance, code=1)
        # Nothing may stand between a person and the safe default.
        run("dispatch", "stop", "--site", "home", "--as", "carla", "--project", project)
        assert run("health", "--project", project, code=1)["roles"]
    expect_whole(project)
    assert run(*balance, code=1)["figure_ids"]
    run("ingest", march, "--site", "works", "--project", project)


def test_an_erasure_names_the_commands_that_it_waits_for(project: Path) -> None:
    march = project / "landing" / "works" / "march.csv"
    words = ("ingest", march, "--site", "works", "--project", project)
    place = ("orchestration.operations.readings.ingest", "ingest_file")
    with held(*place, *words) as first, held(*place, *words) as second:
        message = refused(*ERASE, "--yes", "--project", project)
        for each in (first, second):
            assert f"process {each.pid}" in message
    run(*ERASE, "--yes", "--project", project)


def test_a_service_is_named_with_its_start_and_one_that_was_killed_is_in_nobodys_way(project: Path) -> None:
    line = [str(Path(sys.executable).parent / "meterloom"), "serve", "notices", "--project", str(project)]
    folder = roles_dir(load_project(project, {}))
    with subprocess.Popen(line, stderr=subprocess.DEVNULL) as parent:
        assert until(lambda: psutil.Process(parent.pid).children(), 60)
        [service] = psutil.Process(parent.pid).children()
        [role] = roles(folder)
        assert (role.is_held, role.is_alive) == (True, True)
        message = refused(*ERASE, "--yes", "--project", project)
        assert f"services run: notices (process {parent.pid} on {role.host}, since {role.since_utc})" in message
        # What it is seen by from another container lives as long as either of the two does.
        elsewhere = role.model_copy(update={"space": "another pid:[1]"})
        assert until(lambda: "orchestration.notices.main" in service.cmdline(), 60)
        service.suspend()
        # Before its parent is gone, or it is told to end first.
        assert until(lambda: service.status() == psutil.STATUS_STOPPED, 10)
        parent.kill()
        parent.wait()
        # On its way out, and it still holds what is to go.
        assert "services run: notices" in refused(*ERASE, "--yes", "--project", project)
        service.kill()
    assert until(lambda: not roles(folder)[0].is_held, 10)
    assert not elsewhere.model_copy(update={"is_held": roles(folder)[0].is_held}).is_alive
    run(*ERASE, "--yes", "--project", project)

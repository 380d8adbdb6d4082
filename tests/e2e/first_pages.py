"""From a release's wheel to the pages of the demo, in an empty environment: README's commands, as they stand.

Each step with its seconds: the test asks whether the pages answer, `tests.bench.install_bench` how long it took.
"""

import os
import re
import resource
import shlex
import subprocess
import time
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen

from controls.gateways.ports import free_port
from tests.conftest import ROOT
from tests.e2e.dagster_ui import everything_up

# What pip says where no package index is reached.
NO_INDEX = "NewConnectionError"


class Step(NamedTuple):
    """One command that ended well. seconds: by the clock; cpu_s: of all its processes; said: its standard output."""

    words: str
    seconds: float
    cpu_s: float
    said: str


class Watch:
    """Seconds since it was made, by the clock and of the processor: of processes that have ended by then."""

    def __init__(self) -> None:
        self.began_s, self.cpu_s = time.monotonic(), self._cpu_s()

    @staticmethod
    def _cpu_s() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    def step(self, words: str, said: str, seconds: float | None = None) -> Step:
        """The step since then. seconds: None: by the clock."""
        by_clock = time.monotonic() - self.began_s if seconds is None else seconds
        return Step(words, by_clock, self._cpu_s() - self.cpu_s, said)


def readme_lines() -> list[str]:
    """The lines of README that install a release."""
    return re.findall(r"`(pip install [^`]*meterloom-VERSION[^`]*)`", (ROOT / "README.md").read_text("utf-8"))


def first_pages(release: Path, folder: Path) -> Iterator[Step]:
    """Install the release of a folder, make the demo, start everything, ask the pages. Raises AssertionError with what
    a command said that failed.
    """
    watch = Watch()
    venv.create(folder / "clean", with_pip=True)
    yield watch.step("python -m venv clean", "")
    (wheel,) = release.glob("*.whl")
    programs, demo = folder / "clean" / "bin", folder / "demo"
    ours = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "METERLOOM", "VIRTUAL"))
    }
    environment = {**ours, "PATH": f"{programs}{os.pathsep}{ours['PATH']}"}
    for line in (*readme_lines(), "meterloom --version", f"meterloom demo --out {demo}"):
        watch = Watch()
        words = shlex.split(line.replace("VERSION", wheel.name.split("-")[1]))
        done = subprocess.run(words, cwd=release, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{line}\n{done.stderr}"
        yield watch.step(line, done.stdout)
    watch, port = Watch(), free_port()
    # Nothing of the checkout: an empty path is none.
    variables = {"PATH": environment["PATH"], "PYTHONPATH": "", "METERLOOM_MQTT__PORT": "0"}
    with everything_up(demo, {**variables, "METERLOOM_SERVER__WEB_PORT": str(port)}, programs=programs):
        for path in ("login", "readyz"):
            with urlopen(f"http://127.0.0.1:{port}/{path}", timeout=60) as answer:
                said = answer.read().decode()
        seconds = time.monotonic() - watch.began_s
    yield watch.step("meterloom up, until the pages answer", said, seconds)

"""The pages start with what they need: nothing else is loaded. What the start takes is in `tests.bench.web_bench`."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import orchestration.web.boards as boards
from tests.reports import plant
from tests.test_layers import ROOT
from tests.web.marts_world import make_project, plant_of_the_web

FOREIGN = (
    "dagster", "dbt", "mlflow", "duckdb", "statsmodels", "sktime", "great_expectations", "reportlab", "sklearn",
    "highspy", "pandas",
)  # fmt: skip
CODE = """
import sys
from orchestration.web.app import make_app
print(" ".join(name for name in sys.argv[1:] if name in sys.modules))
"""
WARM = """
import sys
from orchestration.open_project import OpenProject
from data_quality.contracts.time import SystemClock
from orchestration.web.warm import warm
warm(OpenProject(sys.argv.pop(1)), SystemClock())
print(" ".join(name for name in sys.argv[1:] if name in sys.modules))
"""

# As the server does: what it gives away goes to a process beside it.
FIRST = """
import asyncio, json, sys
from datetime import datetime
from jinja2 import Environment
from assets.readings.readers.child import apart
from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import FixedClock
from data_quality.contracts.work.offload import offload_to
from orchestration.open_project import OpenProject
from orchestration.web.app import make_app
from orchestration.web.warm import warm
from tests.web.asking import send
project, clock = OpenProject(sys.argv[1]), FixedClock(datetime.fromisoformat(sys.argv[2]))
asked, compiled, compile_one = [], [], Environment.compile
def beside(function, args):
    asked.append(function)
    return apart(function, args)
def noted(self, source, name=None, *rest, **more):
    compiled.append(name)
    return compile_one(self, source, name, *rest, **more)
Environment.compile = noted
offload_to(beside)
project.offload_to(beside)
person = Person(person_id="vera", name="Vera", roles=(Role.VIEWER, Role.OPERATOR, Role.ENGINEER))
app = make_app(project, clock=clock, signed_in=lambda _: (person, "token"))
warm(project, clock)
warmed = {"asked": [*asked], "compiled": [*compiled]}
loaded, statuses = {*sys.modules}, []
asked.clear()
compiled.clear()
for address in sys.argv[3:]:
    statuses.append(asyncio.run(send(app, "GET", address, [("accept", "text/html")])).status)
new = {*sys.modules} - loaded
late = sorted(each for each in new if "." not in each or each.split(".")[0] in ("controls", "numpy"))
print(json.dumps({"statuses": statuses, "warmed": warmed, "late": late, "asked": asked, "compiled": compiled}))
"""


def test_the_application_is_imported_without_what_it_never_needs() -> None:
    done = subprocess.run([sys.executable, "-c", CODE, *FOREIGN], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def late_imports() -> Iterator[str]:
    """Modules of ours that a function of the boards imports."""
    for path in Path(boards.__path__[0]).glob("*.py"):
        for each in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            inner = ast.walk(each) if isinstance(each, ast.FunctionDef) else ()
            yield from (str(node.module) for node in inner if isinstance(node, ast.ImportFrom))


def test_no_board_waits_for_a_module_that_the_start_can_load(tmp_path: Path) -> None:
    # Signed sign-offs are checked by it: of the first board that names one.
    late = {*late_imports(), "cryptography.hazmat.primitives.asymmetric.ed25519"}
    assert "controls.planning.plan_picture" in late
    asked = [*late, *FOREIGN]
    done = subprocess.run(
        [sys.executable, "-c", WARM, str(tmp_path), *asked], capture_output=True, text=True, check=True
    )
    assert {*done.stdout.split()} == late


def test_the_first_pages_load_compile_and_ask_nothing_that_the_start_could(tmp_path: Path) -> None:
    make_project(tmp_path / "project", plant_of_the_web()).close()
    pages = (
        "/board/home?site=plant",
        "/board/ops?site=plant",
        "/board/exec?period=2025",
        "/reports",
        "/data?site=plant",
    )
    command = [sys.executable, "-c", FIRST, str(tmp_path / "project"), plant.NOON.isoformat(), *pages]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    said = json.loads(done.stdout)
    assert said["statuses"] == [200] * len(pages)
    holidays = "assets.sites.calendar:holidays_known"
    assert holidays in said["warmed"]["asked"]
    assert holidays not in said["asked"]
    assert {"page.html", "library.html", "uploads.html", "preview.html"} <= {*said["warmed"]["compiled"]}
    assert said["compiled"] == []
    assert said["late"] == []

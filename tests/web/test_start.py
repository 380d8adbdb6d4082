"""The pages start with what they need: nothing else is loaded. What the start takes is in `tests.bench.web_bench`."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import orchestration.web.boards as boards

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
from orchestration.web import app
app._warm(OpenProject(sys.argv.pop(1)))
print(" ".join(name for name in sys.argv[1:] if name in sys.modules))
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
    late = {*late_imports()}
    assert "controls.planning.plan_picture" in late
    asked = [*late, *FOREIGN]
    done = subprocess.run(
        [sys.executable, "-c", WARM, str(tmp_path), *asked], capture_output=True, text=True, check=True
    )
    assert {*done.stdout.split()} == late

"""The agent stays small: its lines of code, what it loads, and how few libraries of others it stands on."""

import ast
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.syntax import parsed

ROOT = Path(__file__).resolve().parents[3]
MAX_LINES, MAX_LIBRARIES = 1_800, 6
# What is loaded together with the agent and is its own code.
OWN = ("controls", "assets", "data_quality")
PRINT_LOADED = "import sys; sys.modules['x'] = None; import controls.agent.main, controls.gateways.open; " + (
    "print('\\n'.join(f'{n} {getattr(m, \"__file__\", None) or \"\"}' for n, m in sorted(sys.modules.items()) if m))"
)


def lines_of_code(source: str) -> int:
    """Lines that do something: without blank ones, comments and docstrings."""
    reported: set[int] = set()
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
            reported |= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    lines = enumerate(source.splitlines(), start=1)
    return sum(1 for number, line in lines if line.strip() and line.strip()[0] != "#" and number not in reported)


def imported(source: str) -> set[str]:
    """Top-level names that a module imports, wherever it does."""
    found: set[str] = set()
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.Import):
            found |= {each.name.partition(".")[0] for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def test_the_agent_has_at_most_1800_lines_of_code() -> None:
    assert sum(lines_of_code(path.read_text()) for path in (ROOT / "controls" / "agent").glob("*.py")) <= MAX_LINES


def test_lines_of_code_are_counted_without_what_only_says_something() -> None:
    assert lines_of_code('"""Two\nlines."""\n\n# One\nx = 1\n\ndef f():\n    """Says."""\n    return x  # here\n') == 3


@cache
def loaded() -> Mapping[str, str]:
    """Name and file of each module that a running agent loads; without a file, empty."""
    done = subprocess.run([sys.executable, "-c", PRINT_LOADED], cwd=ROOT, capture_output=True, text=True, check=True)
    return {name: file for name, _, file in (line.partition(" ") for line in done.stdout.splitlines())}


def libraries(*, of: Sequence[Path] = ()) -> set[str]:
    """Libraries of others that a running agent's own modules import, lazily or not, and those of more modules.

    Not counted: alembic, which migrates a store before any agent opens it.
    """
    own = [Path(each) for each in loaded().values() if each.startswith(tuple(f"{ROOT}/{name}/" for name in OWN))]
    own = [path for path in own if path.name != "revisions.py"]
    assert any(path.name == "mqtt.py" for path in own)
    names = set().union(*(imported(path.read_text()) for path in (*own, *of)))
    return {packages_distributions().get(name, [name])[0] for name in names - sys.stdlib_module_names - set(OWN)}


def test_the_agent_stands_on_at_most_six_libraries_of_others() -> None:
    """Of all of our modules that a running agent loads, gateways among them."""
    assert len(libraries()) <= MAX_LIBRARIES, sorted(libraries())


def test_a_site_with_charge_points_loads_two_libraries_more() -> None:
    """OCPP's own library speaks over any connection and opens none; a site without chargers loads neither."""
    chargers = sorted((ROOT / "controls" / "gateways" / "charge_points").glob("*.py"))
    assert libraries(of=chargers) - libraries() == {"ocpp", "websockets"}


@pytest.mark.parametrize("heavy", ["dagster", "dbt", "mlflow", "duckdb", "polars", "pandas", "numpy", "pyarrow"])
def test_what_is_heavy_is_imported_by_none_of_it(heavy: str) -> None:
    assert "controls.agent.main" in loaded()
    assert heavy not in loaded()

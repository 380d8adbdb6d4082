"""A command loads what it needs: what is counted is modules, which no other load of the machine changes."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestration.cli.main import MODULES, build_app

# Seconds of CPU each.
HEAVY = {
    "dagster",
    "dbt",
    "great_expectations",
    "mlflow",
    "pandas",
    "sklearn",
    "statsmodels",
    "matplotlib",
    "reportlab",
}
ENDED = """
import atexit, sys
sys.argv[0] = "meterloom"
atexit.register(lambda: print("LOADED", *sys.modules))
from orchestration.cli.main import main
main()
"""
CSV = "timestamp,kwh\n2025-01-01T00:00:00Z,1.5\n2025-01-01T00:15:00Z,2.5\n"


def loaded(*words: str) -> tuple[str, set[str]]:
    """What one command of a process of its own printed, and the modules that it loaded."""
    done = subprocess.run([sys.executable, "-c", ENDED, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said, _, names = done.stdout.rpartition("LOADED ")
    return said, set(names.split())


def libraries(modules: set[str]) -> set[str]:
    """The first words of dotted names."""
    return {name.partition(".")[0] for name in modules}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A fresh project made by `meterloom init`."""
    assert CliRunner().invoke(build_app(("init",)), ["init", str(tmp_path / "p")]).exit_code == 0
    return tmp_path / "p"


def test_the_first_page_of_help_is_the_one_of_all_commands_and_loads_none_of_them() -> None:
    pages = [CliRunner().invoke(build_app(is_glance=is_glance), ["--help"]).stdout for is_glance in (True, False)]
    assert pages[0] == pages[1]
    said, modules = loaded("--help")
    assert all(f"\n  {name} " in said for name in MODULES)
    assert not libraries(modules) & {*HEAVY, "polars", "numpy", "sqlalchemy", "assets"}
    assert not [name for name in modules if name.endswith("_commands")]


def test_looking_at_a_small_file_and_checking_a_project_load_no_store_and_no_engine(
    tmp_path: Path, project: Path
) -> None:
    (tmp_path / "small.csv").write_text(CSV)
    kept_out = {*HEAVY, "sqlalchemy", "alembic", "duckdb", "numpy", "paho"}
    for words in (("sniff", str(tmp_path / "small.csv")), ("check", "--project", str(project))):
        _, modules = loaded(*words)
        assert not libraries(modules) & kept_out, words
        assert len(modules) < 1000, words

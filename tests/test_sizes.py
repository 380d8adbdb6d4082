"""Small rooms: files, functions and SQL models stay readable. There is no exception list."""

import ast
import subprocess
from pathlib import Path

import pytest

from tests.syntax import parsed

ROOT = Path(__file__).resolve().parent.parent
MAX_FILE, MAX_FUNCTION, MAX_SQL = 500, 60, 80


def tracked(*suffixes: str) -> list[Path]:
    """Files of the project, ignored ones left out."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    return [ROOT / name for name in listed if name.endswith(suffixes) and (ROOT / name).exists()]


def long_functions(source: str, limit: int) -> list[str]:
    """Names of functions with more lines than the limit."""
    return [
        node.name
        for node in ast.walk(parsed(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > limit
    ]


def test_no_python_file_is_longer_than_its_limit() -> None:
    assert [p.name for p in tracked(".py") if len(p.read_text().splitlines()) > MAX_FILE] == []


def test_no_function_is_longer_than_its_limit() -> None:
    found = {str(p.relative_to(ROOT)): long_functions(p.read_text(), MAX_FUNCTION) for p in tracked(".py")}
    assert {path: names for path, names in found.items() if names} == {}


def test_no_sql_model_is_longer_than_its_limit() -> None:
    assert [p.name for p in tracked(".sql") if len(p.read_text().splitlines()) > MAX_SQL] == []


def test_the_limit_on_functions_can_fail() -> None:
    assert long_functions("def f():\n" + "    pass\n" * MAX_FUNCTION, MAX_FUNCTION) == ["f"]


@pytest.mark.parametrize("word", ["index-url", "extra-index", "find-links"])
def test_no_lock_names_a_package_index(word: str) -> None:
    for path in (
        ROOT / "requirements.lock",
        ROOT / ".ci" / "uv.lock.txt",
        *sorted(ROOT.glob("tests/*/requirements.lock")),
    ):
        text = path.read_text()
        assert word not in text
        assert "://" not in text

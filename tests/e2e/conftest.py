"""One run of the demo for all tests of the whole line, and a helper that calls the command line."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from orchestration.cli.main import build_app

Meterloom = Callable[..., tuple[int, Any, str]]


def call(*arguments: str, timeout_s: float = 600) -> tuple[int, Any, str]:
    """Exit code, parsed JSON (or None) and standard error of one real command in a process of its own."""
    script = Path(sys.executable).parent / "meterloom"
    environment = {**os.environ, "DAGSTER_DISABLE_TELEMETRY": "true"}
    result = subprocess.run(
        [str(script), *arguments, "--json"],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        env=environment,
        check=False,
    )
    return result.returncode, json.loads(result.stdout) if result.stdout else None, result.stderr


def call_here(*arguments: str) -> tuple[int, Any, str]:
    """The same in this process, without the seconds that each process needs to import what a command works with."""
    before = dict(os.environ)
    try:
        result = CliRunner().invoke(build_app((arguments[0],)), [*arguments, "--json"], catch_exceptions=False)
    finally:
        # A run in this process names its project there.
        os.environ.clear()
        os.environ.update(before)
    return result.exit_code, json.loads(result.stdout) if result.stdout else None, result.stderr


@pytest.fixture(scope="session")
def meterloom() -> Meterloom:
    """The command line as a user calls it; `demo` and `up` are processes of their own."""
    return call_here


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A project folder in which the quick demo ran green, and what it answered."""
    folder = tmp_path_factory.mktemp("demo") / "project"
    code, answer, error = call("demo", "--quick", "--until", "2026-01-01", "--out", str(folder))
    assert code == 0, error
    return folder, answer

"""One run of the demo for all tests of the whole line, and a helper that calls the command line."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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


@pytest.fixture(scope="session")
def meterloom() -> Meterloom:
    """The command line as a user calls it."""
    return call


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A project folder in which the quick demo ran green, and what it answered."""
    folder = tmp_path_factory.mktemp("demo") / "project"
    code, answer, error = call("demo", "--quick", "--out", str(folder))
    assert code == 0, error
    return folder, answer

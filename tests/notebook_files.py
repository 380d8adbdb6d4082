"""Notebooks of the source, and the script that executes them."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SCRIPT = ROOT / ".ci" / "notebooks.py"


def cells(path: Path, kind: str) -> list[Any]:
    """Its cells of one kind: code or markdown."""
    return [each for each in json.loads(path.read_text(encoding="utf-8"))["cells"] if each["cell_type"] == kind]


def code(path: Path) -> str:
    """All of its code."""
    return "\n".join("".join(cell["source"]) for cell in cells(path, "code"))


def execute(project: Path, out: Path, *words: str, timeout_s: float) -> subprocess.CompletedProcess[str]:
    """The script as `make notebooks` calls it, over a project."""
    named = [sys.executable, str(SCRIPT), "--project", str(project), "--out", str(out), *words]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(named, env=environment, capture_output=True, text=True, timeout=timeout_s, check=False)

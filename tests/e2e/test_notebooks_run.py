"""Every notebook runs over the quick demo without an error, changes nothing of it, and says the same a second time."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.notebook_files import NOTEBOOKS, execute

Demo = tuple[Path, dict[str, Any]]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.filterwarnings("ignore")]
# Others fit models and live days on a simulated house: `make notebooks TWICE=1` compares them.
CHEAP = ("1", "2", "4")


def digests(folder: Path) -> dict[str, str]:
    """Digest of each file of a project."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix not in {".db-shm", ".db-wal"}
    }


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_a_notebook_runs_over_the_demo(path: Path, demo: Demo, tmp_path: Path) -> None:
    folder, _ = demo
    before = digests(folder)
    number = path.stem[0]
    done = execute(folder, tmp_path, number, *(["--twice"] if number in CHEAP else []), timeout_s=800)
    assert done.returncode == 0, done.stderr
    assert "1 notebooks, 0 errors" in done.stdout
    made = json.loads((tmp_path / path.name).read_text(encoding="utf-8"))["cells"]
    ends = [cell for cell in made if cell["cell_type"] == "code" and cell["outputs"]]
    assert len(ends) >= 3
    # A warning or a log line on standard error is no part of what a notebook shows.
    assert [each for cell in ends for each in cell["outputs"] if each["output_type"] == "stream"] == []
    assert digests(folder) == before

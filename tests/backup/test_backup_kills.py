"""Backups under a running ingest, with kill -9 of writer and backup at random moments: each list that stands restores,
and holds everything that was acknowledged before its backup began.
"""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from assets.stores.backup.place import LISTS
from assets.stores.schema.tables_readings import batches
from orchestration.open_project import OpenProject
from tests.e2e.conftest import call_here
from tests.old.make import END

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.filterwarnings("ignore")]
FIGURES = 20


@contextmanager
def writing(folder: Path, notes: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A writer that has acknowledged a batch of this round."""
    before = noted(notes)
    first = END + timedelta(days=len(before))
    command = [sys.executable, "-m", "tests.backup.writer", str(folder), str(notes), str(first)]
    process = subprocess.Popen(command)
    try:
        while noted(notes) == before:
            assert process.poll() is None
            time.sleep(0.01)
        yield process
    finally:
        process.kill()
        process.wait()


def noted(notes: Path) -> set[str]:
    # The half of a line is of a writer that was killed: nobody read it as acknowledged.
    return set(notes.read_text().split("\n")[:-1]) if notes.exists() else set()


def backup_once(folder: Path, place: Path, kill_after_s: float | None) -> bool:
    """Whether a backup process ended by itself, and did so well."""
    command = ["-c", "from orchestration.cli.main import main; main()", "backup", "--to", str(place)]
    process = subprocess.Popen(
        [sys.executable, *command, "--project", str(folder), "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    if kill_after_s is not None:
        until = time.monotonic() + 60
        # By the disk: it copies now.
        while not (place / ".scratch").is_dir() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.002)
        time.sleep(kill_after_s)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
    out, error = process.communicate()
    assert process.returncode in {0, -signal.SIGKILL}, error.decode()
    return process.returncode == 0 and bool(json.loads(out)["path"])


def rounds(works: Path, tmp_path: Path, *, number: int, seed: int) -> list[int]:
    """So many backups, each under a writer that is killed; half of them are killed once themselves. Returns how many
    batches each restored project held.
    """
    dice, notes, place, held = random.Random(seed), tmp_path / "notes", tmp_path / "kept", list[int]()
    for each in range(number):
        with writing(works, notes) as writer:
            time.sleep(dice.uniform(0, 0.5))
            if each % 2:
                backup_once(works, place, dice.uniform(0, 0.4))
            known = noted(notes)
            killer = threading.Timer(dice.uniform(0, 2.5), writer.kill)
            killer.start()
            assert backup_once(works, place, None)
            killer.cancel()
        held.append(proven(place, tmp_path / f"restored-{each}", known))
    return held


def proven(place: Path, into: Path, known: set[str]) -> int:
    """Restore the newest backup and hold it against what was acknowledged before it began."""
    code, answer, error = call_here("restore", str(place), "--into", str(into), "--figures", str(FIGURES))
    assert (code, answer["problems"]) == (0, []), error
    assert answer["figures"]["equal"] == answer["figures"]["checked"] == FIGURES
    with closing(OpenProject(str(into))) as opened:
        found = {str(row["batch_id"]) for row in opened.store.rows(sa.select(batches.c.batch_id))}
        assert known <= found
        assert opened.lake.damage("works") == []
    return len(found)


def test_backups_under_a_killed_ingest_restore_with_all_that_was_acknowledged(works: Path, tmp_path: Path) -> None:
    held = rounds(works, tmp_path, number=3, seed=1)
    assert held == sorted(held)
    assert not list((tmp_path / "kept" / "objects").rglob(".tmp-*"))


def test_ten_more_at_other_moments(works: Path, tmp_path: Path) -> None:
    held = rounds(works, tmp_path, number=10, seed=2)
    assert len(held) == 10
    assert len(list((tmp_path / "kept" / LISTS).glob("*.json"))) >= 10

"""Writes of agents in processes of their own (own_process), held against the mode events of their project.

Read past the program. Only that set-points were ever let out is asked: a way home is written in every mode after that.
"""

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

import pytest

OWN_PROCESS = Path(__file__).parent / "own_process"
_LET_OUT = "SELECT min(recorded_at_utc) FROM mode_events WHERE site_id = ? AND mode IN ('PARTIAL', 'FULL')"


def own_frames(place: Path) -> list[dict[str, str]]:
    """Frames noted by all processes."""
    return [json.loads(line) for file in place.glob("*.jsonl") for line in file.read_text("utf-8").splitlines()]


def wrongly_written(place: Path) -> list[str]:
    """Writes of a site before any set-point was let out. A project on a server, which is gone by now, tells nothing."""
    found = []
    for each in own_frames(place):
        file = Path(each["project"]) / "var" / "store.db"
        if file.is_file():
            with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
                (first,) = connection.execute(_LET_OUT, (each["site"],)).fetchone()
            if first is None or datetime.fromisoformat(first) > datetime.fromisoformat(each["at"]):
                found.append(f"site {each['site']}: {each['frame']}, and no set-point was ever let out")
    return found


@contextmanager
def own_processes_watched(place: Path) -> Iterator[None]:
    """While this is open, every process that is begun notes what it writes, if it is an agent."""
    folders = [str(OWN_PROCESS), *filter(None, [os.environ.get("PYTHONPATH")])]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(folders))
        patch.setenv("WIRE_WATCH", str(place))
        yield

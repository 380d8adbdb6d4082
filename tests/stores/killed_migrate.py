"""`meterloom migrate` in a process of its own that gets a signal at its n-th moment: FOLDER NUMBER SIGNAL [COPY].

A moment is a statement to the store, a file that is copied, removed or takes another's place, or a program that is
started, from the first step on. COPY is a pattern in the folder: the signal comes as soon as behind the moment
somebody writes to a file of it. Number 0: none comes, and all moments are written down.
"""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from orchestration.cli.main import main
from orchestration.operations.project import migrate

MOMENTS = "moments.json"
EVENTS = {"os.rename", "os.link", "os.remove", "subprocess.Popen", "shutil.copyfile"}


def states_of(folder: str, copies: str) -> dict[Path, int]:
    """The time of the last write to each file of a pattern."""
    return {path: path.stat().st_mtime_ns for path in Path(folder).glob(copies)}


def run(folder: str, number: int, name: str, copies: str = "") -> None:
    """Migrate; be hurt on the way."""
    seen: list[str] = []
    is_on = False

    def hurt() -> None:
        os.kill(os.getpid(), signal.Signals[name])

    def hurt_at_a_write(before: dict[Path, int]) -> None:
        while states_of(folder, copies) == before:
            time.sleep(0.001)
        hurt()

    def moment(what: str) -> None:
        if is_on:
            seen.append(what)
            if len(seen) == number and copies:
                threading.Thread(target=hurt_at_a_write, args=[states_of(folder, copies)], daemon=True).start()
            elif len(seen) == number:
                hurt()

    def heard(event: str, _: Any) -> None:
        if event in EVENTS:
            moment(event)

    def note_statement(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        moment(statement)

    def taken(*given: Any) -> None:
        nonlocal is_on
        is_on = True
        original(*given)
        moment("end")
        is_on = False
        (Path(folder) / MOMENTS).write_text(json.dumps(seen))

    sys.addaudithook(heard)
    sa.event.listen(sa.Engine, "before_cursor_execute", note_statement)
    sa.event.listen(sa.Engine, "commit", lambda _: moment("COMMIT"))
    original, migrate.take_steps = migrate.take_steps, taken
    sys.argv = ["meterloom", "migrate", "--json", "--project", folder]
    main()


if __name__ == "__main__":
    run(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])

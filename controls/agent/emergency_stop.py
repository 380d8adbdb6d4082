"""The emergency stop: a file. It holds over restarts, and a person ends it by removing the file.

It is pulled by the file itself, by SIGUSR1, or by a POST to the agent's own port, and needs neither ledger nor broker.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

# A file that somebody else wrote is named in the ledger by so many characters of what it says.
_SAID = 200
# How often the file is looked for, and how long a cycle gets to do its part before the watcher does it.
LOOK_S = 0.25
PATIENCE_S = 2.0


class EmergencyStop:
    """Emergency stop of a project's agents: while it holds they command nothing."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._pulled = ""

    def reason(self) -> str:
        """Why nothing may be commanded; empty where everything may go on. A file that cannot be read stops."""
        try:
            text = self.file.read_text(encoding="utf-8", errors="replace").strip()
        except (FileNotFoundError, NotADirectoryError):
            return self._pulled
        except OSError as error:
            return f"its file cannot be read ({type(error).__name__})"
        return " ".join(text[:_SAID].split()) or f"the file {self.file.name} is there"

    def pull(self, by: str, now_utc: datetime) -> None:
        """Stop now, and over every restart; where no file can be written, until this process ends."""
        self._pulled = f"stopped by {by} at {now_utc:%Y-%m-%dT%H:%M:%SZ}; it could not be written down"
        with suppress(OSError):
            # Not over an existing file: the first reason is the one that counts.
            with self.file.open("x", encoding="utf-8") as file:
                file.write(f"stopped by {by} at {now_utc:%Y-%m-%dT%H:%M:%SZ}\n")
            self._pulled = ""
        if self.file.exists():
            self._pulled = ""


def watch(stop: EmergencyStop, act: Callable[[], bool], ended: threading.Event) -> threading.Thread:
    """A thread that has the stop obeyed where the agent's cycle hangs, as in a store that never answers.

    act: puts the devices back unless a cycle has done so; True once that is done.
    """

    def look() -> None:
        is_done = False
        while not ended.wait(LOOK_S):
            if not stop.reason():
                is_done = False
            elif not is_done and not ended.wait(PATIENCE_S):
                is_done = act()

    thread = threading.Thread(target=look, name="emergency-stop", daemon=True)
    thread.start()
    return thread

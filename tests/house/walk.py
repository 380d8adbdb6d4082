"""`make walk`: the files of ours that run between a door and its answer, for questions from shell, API and page.

A file counts where one of its functions runs; files stand in the order in which they are first entered. A climb is a
step into a folder that was left before. Each question is asked once before it is measured, and no kept answer is used.
"""

import sys
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from orchestration.web.cache import answers_of
from tests.house.measures import ROOMS, ROOT
from tests.oracle.seams import Web, run_command

MOST_FILES, MOST_CLIMBS = 25, 6
# Question -> door -> how it is asked there.
QUESTIONS = {
    "consumption of a month": {
        "shell": "kpis --site factory --period 2025-11 --scope site:factory --json",
        "API": "/api/v1/ems/kpis?site=factory&scope=site:factory&range=2025-11&kpi=consumption_kwh",
        "page": "/energy?site=factory&period=2025-11&grain=month",
    },
    "EnPI of a quarter": {
        "shell": "enpi --site factory --seu compressors --period 2025-Q3 --json",
        "API": "/api/v1/analytics/enpi?seu_id=factory/compressors&start_year=2025&end_year=2025",
        "page": "/enpi/factory/compressors?period=2025-Q3",
    },
    "running cost": {
        "shell": "running --site factory --json",
        "API": "/api/v1/ems/running?site=factory",
        "page": "/board/ops?site=factory",
    },
    "plan of tomorrow": {"shell": "plan --site home --for tomorrow --json"},
}


class Walk(NamedTuple):
    """files: of ours, in the order in which they were first entered. is_answered: with 200, or exit code 0."""

    files: tuple[str, ...]
    is_answered: bool

    @property
    def climbs(self) -> int:
        """Steps into a folder that was left before."""
        return climbs(self.files)


def climbs(files: tuple[str, ...]) -> int:
    """Steps of a walk into a folder that an earlier step had left."""
    folders = [name.rpartition("/")[0] for name in files]
    return sum(folder != before and folder in folders[:at] for at, (before, folder) in enumerate(pairwise(folders)))


def walked(ask: Callable[[], bool]) -> Walk:
    """The files that one call runs through in this thread and in those that it starts."""
    found: dict[str, None] = {}
    rooms = tuple(f"{ROOT / room}/" for room in ROOMS)

    def enter(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and (name := frame.f_code.co_filename).startswith(rooms):
            found.setdefault(name)

    threading.setprofile(enter)
    sys.setprofile(enter)
    try:
        is_answered = ask()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return Walk(tuple(Path(name).relative_to(ROOT).as_posix() for name in found), is_answered)


def walks(folder: Path) -> Iterator[tuple[str, str, Walk]]:
    """Each question at each door of a demo project."""
    web = Web(folder)
    doors: dict[str, Callable[[str], bool]] = {
        "shell": lambda words: run_command([*words.split(), "--project", str(folder)])[0] == 0,
        "API": lambda target: web.get(target)[0] == 200,
        "page": lambda target: web.get(target)[0] == 200,
    }
    for question, asked in QUESTIONS.items():
        for door, words in asked.items():
            doors[door](words)
            answers_of(web.project).forget()
            yield question, door, walked(lambda ask=doors[door], told=words: ask(told))  # type: ignore[misc]
    web.project.close()


def main() -> None:
    """Print every walk; with `files`, the files too."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "demo").resolve()
    if not (folder / "meterloom.yaml").is_file():
        sys.exit(f"{folder} is no project; `make demo` makes one")
    for question, door, walk in walks(folder):
        answered = "" if walk.is_answered else "  NOT ANSWERED"
        print(f"{question}, {door}: {len(walk.files)} files, {walk.climbs} climbs{answered}")
        for name in walk.files if "files" in sys.argv[2:] else ():
            print(f"  {name}")
    print(f"wanted: at most {MOST_FILES} files and {MOST_CLIMBS} climbs")


if __name__ == "__main__":
    main()

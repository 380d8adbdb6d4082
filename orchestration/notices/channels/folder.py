"""Folder: files as they are, or the letter as JSON under its id."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from assets.stores.whole_file import write_whole
from orchestration.notices.letter import Letter, Send


@contextmanager
def opened(root: Path = Path()) -> Iterator[Send]:
    """Letters go to the folder that is their address, below the root. Raises OSError."""
    yield lambda letter: _send(root, letter)


def _send(root: Path, letter: Letter) -> None:
    folder = root / letter.address
    folder.mkdir(parents=True, exist_ok=True)
    for path in letter.files:
        unfinished = folder / f".{path.name}.part"
        shutil.copyfile(path, unfinished)
        unfinished.replace(folder / path.name)
    if not letter.files:
        text = json.dumps(letter.document, ensure_ascii=False, indent=1, sort_keys=True)
        write_whole(folder / f"{letter.letter_id}.json", f"{text}\n".encode())

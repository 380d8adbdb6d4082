"""How far the warehouse and the published marts know the lake: the newest manifest entry they were built from."""

import json
from pathlib import Path

MARK = "lake_entry.json"


def set_mark(folder: Path, entry: int) -> None:
    """Write the entry by atomic rename."""
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f".{MARK}.part"
    unfinished.write_text(json.dumps({"manifest_entry": entry}))
    unfinished.replace(folder / MARK)


def get_mark(folder: Path) -> int:
    """The entry; 0 where there is none."""
    path = folder / MARK
    return int(json.loads(path.read_text())["manifest_entry"]) if path.exists() else 0

"""Every reason in the code is on the list."""

import re
from pathlib import Path

from data_quality.quarantine import FILE_REASONS, ROW_REASONS

ROOT = Path(__file__).parents[2]


def test_every_reason_that_the_readers_give_is_on_the_list() -> None:
    given = set()
    for path in (ROOT / "assets" / "readings").rglob("*.py"):
        if path.name in {"edits.py", "table_rows.py", "write_map.py"}:
            # A person's edit, map, or table of reads and factors is refused to that person; nothing of it is kept.
            continue
        text = path.read_text()
        given |= set(re.findall(r'reason="(\w+)"', text)) | set(re.findall(r'take\("(\w+)"', text))
        given |= set(re.findall(r'pl\.lit\("(\w+_\w+)"\)', text))
    assert len(given) > 25
    assert given - {"bad_input"} <= set(ROW_REASONS) | set(FILE_REASONS)

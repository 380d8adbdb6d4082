"""Places of a configuration file that wait for one's own value: what the template marks, and what it once wrote."""

import re
from pathlib import Path

from data_quality.contracts.yaml_file import Problem

_MARK = re.compile(r"#\s*PLACEHOLDER:\s*(?P<what>.+?)\s*$")
# Earlier templates wrote these as values. A true one is left alone as soon as anything is written behind it.
_ONCE_WRITTEN = {
    "floor_area_m2: 1200               # for kWh/m2; delete if unknown": "the floor area of your site in m2",
    "- {period_id: all, price_per_kwh: 0.25}": "your price per kWh",
}


def placeholders(path: Path) -> list[Problem]:
    """Every placeholder of the file with its line and what to put there; none of a file that cannot be read."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    found = []
    for number, line in enumerate(lines, start=1):
        place = {"file": str(path), "line": number, "column": len(line) - len(line.lstrip()) + 1}
        marked = _MARK.search(line)
        if marked:
            message = f"placeholder: {marked['what']}"
            found.append(Problem(**place, message=message, mend="put it there and delete the word PLACEHOLDER"))
        elif line.strip() in _ONCE_WRITTEN:
            message = f"as the template wrote it: is this {_ONCE_WRITTEN[line.strip()]}?"
            found.append(Problem(**place, message=message, mend="put your own, or say # true behind it"))
    return found

"""Hold one recording against another: what was added, is gone or changed, by kind."""

import difflib
import sys
from collections import defaultdict
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path

import yaml

LINES = 8


class Allowed:
    """The intended corrections: globs of answers, each with its reason. Raises ValueError for one without."""

    def __init__(self, path: Path | None) -> None:
        self.reasons: dict[str, str] = {}
        for each in (yaml.safe_load(path.read_text()) or []) if path else []:
            if not str(each.get("reason") or "").strip() or not each.get("answers"):
                raise ValueError(f"{path}: a correction needs `answers` and a `reason`: {each}")
            self.reasons[each["answers"]] = each["reason"]
        self.used: set[str] = set()

    def reason(self, answer: str) -> str:
        """Reason why that answer may differ; empty where it may not."""
        for glob, reason in self.reasons.items():
            if fnmatch(answer, glob):
                self.used.add(glob)
                return reason
        return ""


def answers(folder: Path) -> dict[str, Path]:
    """Every answer of a recording by its name. Raises ValueError where there is none."""
    found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    if not found:
        raise ValueError(f"{folder} holds no recording")
    return found


def first_difference(before: Path, after: Path) -> list[str]:
    """The first lines that differ."""
    lines = (path.read_text(errors="replace").splitlines() for path in (before, after))
    found = [
        line for line in difflib.unified_diff(*lines, lineterm="", n=0) if not line.startswith(("---", "+++", "@@"))
    ]
    return [line[:240] for line in found[:LINES]]


def compare(before: Path, after: Path, allow: Path | None = None) -> int:
    """Print the differences by kind: 0 where there is none but those that are allowed, else 1."""
    allowed, old, new = Allowed(allow), answers(before), answers(after)
    kinds: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name in sorted(old.keys() | new.keys()):
        if name not in old or name not in new:
            what, more = "added" if name not in old else "gone", []
        elif old[name].read_bytes() == new[name].read_bytes():
            continue
        else:
            what, more = "changed", first_difference(old[name], new[name])
        reason = allowed.reason(name)
        line = f"{name} (intended: {reason})" if reason else "\n".join([name, *(f"      {each}" for each in more)])
        kinds[Path(name).parent.as_posix(), f"{what}, intended" if reason else what].append(line)
    for (kind, what), lines in kinds.items():
        say([f"{kind}: {len(lines)} {what}", *(f"  {line}" for line in lines)])
    say(f"allowed and not needed: {glob}" for glob in allowed.reasons.keys() - allowed.used)
    wrong = sum(len(lines) for (_, what), lines in kinds.items() if "intended" not in what)
    say([f"{len(old)} answers before, {len(new)} after: {wrong} differ" + (" as nobody intended" if wrong else "")])
    return int(wrong > 0)


def say(lines: Iterable[str]) -> None:
    """Print lines."""
    sys.stdout.writelines(f"{line}\n" for line in lines)

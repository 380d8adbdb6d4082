"""Differences between two recordings of one commit, by name and as narrow as can be; never an amount of anything."""

import re
from collections.abc import Iterable
from pathlib import Path

# The demo is made from START on, by a clock that runs, and read at READ, by one that stands still.
START, READ, READ_OLD = "2026-01-05T12:00:30+00:00", "2026-01-05T13:00:00+00:00", "2027-01-01T00:00:00+00:00"
# Where threads share a sum, its last digit depends on which was first.
ONE_THREAD = {"POLARS_MAX_THREADS": "1"}
# In UTC and in the zones of the demo's sites. A step of a plan begins at a quarter hour and is no such instant.
_RUN = r"(2026-01-05[T ])(?:12|13|07):(?:00:[3-5]\d|(?:0[1-9]|1[0-4])(?::\d\d)?)(?:\.\d+)?(?:Z|\+00:00)?"
PATTERNS: dict[str, re.Pattern[str]] = {
    "instant of the demo's run": re.compile(_RUN),
    "seconds": re.compile(r'(?<="build_seconds": )[\d.e-]+|(?<="solve_seconds": )[\d.e-]+|(?<=solved in )[\d.]+(?= s)'),
    "age at a device": re.compile(r'(?<=age_s": )[\d.e-]+|(?<="readback_remaining_s": )[\d.e-]+'),
    "agent's process": re.compile(r"""(?:(?<=agent )|(?<="holder": "))\d+-[0-9a-f]{12}\b"""),
    "agent's silence": re.compile(r"(?<=last sign of life )\d+(?= s ago)"),
    "run of Dagster": re.compile(r'(?<="dagster": ")[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'),
    # As the simulated device sent it in that second; value and verdict stand beside it and stay.
    "raw read-back": re.compile(r'(?<="readback_raw": ")(?:[^"\\]|\\.)*'),
    "cursor": re.compile(r'(?<="next": ")[\w-]{20,}(?=")'),
    "fingerprint of a key": re.compile(r"SHA256:[\w+/]{43}"),
    "place in the ledger": re.compile(r"(?<=event )\d+(?=, at )"),
}
# Random ids and hashes over them; tables show their first 12 or 16 digits. Ids of figures have 16 of their own.
LONG = re.compile(r"(?<![0-9a-zA-Z])(?:[0-9a-f]{64}|[0-9a-f]{32})(?![0-9a-zA-Z])")
SHORT = re.compile(r"\b(?:[0-9a-f]{16}|[0-9a-f]{12})\b")


def steady(text: str, places: dict[str, str], short: frozenset[str]) -> str:
    """The text with each place (a folder) and each volatile part named instead; ids by the order in which they come."""
    for place in sorted(places, key=len, reverse=True):
        text = text.replace(place, f"<{places[place]}>")
    for name, pattern in PATTERNS.items():
        text = pattern.sub(f"<{name}>", text)
    order: dict[str, int] = {}

    def named(found: re.Match[str]) -> str:
        if len(found[0]) < 32 and found[0] not in short:
            return found[0]
        return f"<id {order.setdefault(found[0][:12], len(order) + 1)}>"

    return SHORT.sub(named, LONG.sub(named, text))


def make_steady(paths: Iterable[Path], places: dict[str, str], store: str = "") -> None:
    """The same for all answers of a project, which with its store know what is the beginning of an id."""
    texts = {path: path.read_text() for path in paths}
    known = {found for text in (*texts.values(), store) for found in LONG.findall(text)}
    short = frozenset(each[:length] for each in known for length in (12, 16))
    for path, text in texts.items():
        path.write_text(steady(text, places, short))

"""From the spool to the landing folder: the samples of each source as one file for each quarter hour that is over.

Everything here is a union of lines, so a drain that was killed is simply run again: the same samples make the same
file, under the same name. Samples that come late make a further file that holds the earlier ones too, so every file
tells all that was known of its quarter hour, and the later one is read later.
"""

import gzip
import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from data_quality.contracts.live.sample import Refusal, Sample
from data_quality.contracts.live.sample_line import (
    HEAD_LINES,
    QUARTER_S,
    SampleHead,
    head_of,
    refusal_line,
    refused_quarter_s,
    sample_line,
    told_quarter_s,
)
from data_quality.contracts.site_file.site import Site

# Machines that tell every 30 s have told the state after the quarter hour by then.
GRACE_S = 35
# A state so long after the end closes the quarter hour: by interpolation nothing of it is lost.
_CLOSER_S = 60
_COUNTED = ("register", "pulses")


class Kept(NamedTuple):
    """One record of the spool."""

    site_id: str
    source_id: str
    item: Sample | Refusal


class Drained(NamedTuple):
    """What a drain did. live_only: samples of points that only the live board shows; carried: lines that wait for the
    end of their quarter hour.
    """

    files: tuple[Path, ...]
    samples: int
    refusals: int
    live_only: int
    carried: int


class _Key(NamedTuple):
    site_id: str
    source_id: str
    quarter_s: int


class _Facts(NamedTuple):
    """Of one source: its points by name (what it is, minutes of its interval), and whether it is made up."""

    points: dict[str, tuple[str, int | None]]
    is_synthetic: bool


class Drain:
    """Files of one landing folder. carry: folder of the collector's own, for quarter hours that are not over."""

    def __init__(self, sites: Iterable[Site], *, landing: Path, carry: Path) -> None:
        self._landing, self._carry = landing, carry
        self._facts = {
            (site.site_id, source.source_id): _Facts(
                {point.point: (point.what, point.interval_minutes) for point in source.points}, source.is_synthetic
            )
            for site in sites
            for source in site.sources
        }

    def run(self, records: Iterable[Kept], *, now_utc: datetime) -> Drained:
        """Land what is over and carry the rest; only then may the records' pieces be removed from the spool.

        Raises OSError where the disk cannot take it: nothing is lost, the records are to be drained again.
        """
        counts = {"samples": 0, "refusals": 0, "live_only": 0}
        groups = self._grouped(records, counts)
        for key, lines in self._carried():
            groups[key] |= lines
        due_s = now_utc.timestamp() - QUARTER_S - GRACE_S
        files = [self._land(key, groups) for key in sorted(groups) if key.quarter_s <= due_s]
        waiting = {key: lines for key, lines in groups.items() if key.quarter_s > due_s}
        self._keep_for_later(waiting)
        landed = tuple(path for path in files if path is not None)
        return Drained(landed, **counts, carried=sum(len(lines) for lines in waiting.values()))

    def _grouped(self, records: Iterable[Kept], counts: dict[str, int]) -> dict[_Key, set[str]]:
        groups: dict[_Key, set[str]] = defaultdict(set)
        nothing = _Facts({}, is_synthetic=False)
        for site_id, source_id, item in records:
            if isinstance(item, Refusal):
                counts["refusals"] += 1
                groups[_Key(site_id, source_id, refused_quarter_s(item))].add(refusal_line(item))
                continue
            # A point that the site file lost meanwhile is told to a person by ingestion, and not dropped here.
            what, minutes = self._facts.get((site_id, source_id), nothing).points.get(item.point, ("", None))
            if what == "live":
                counts["live_only"] += 1
                continue
            counts["samples"] += 1
            groups[_Key(site_id, source_id, told_quarter_s(item, minutes))].add(sample_line(item))
        return groups

    def _land(self, key: _Key, groups: Mapping[_Key, set[str]]) -> Path | None:
        """Write the quarter hour's file, or nothing where one of that content stands there."""
        folder = self._landing / key.site_id
        start_utc = datetime.fromtimestamp(key.quarter_s, UTC)
        stem = f"{start_utc:%Y%m%dT%H%MZ}.{key.source_id}"
        lines = set(groups[key]) | self._closers(key, groups)
        # What comes late stands beside what was told in time: a mean is one of all its samples.
        for earlier in folder.glob(f"{stem}.*.samples.gz"):
            lines |= _lines_of(gzip.decompress(earlier.read_bytes()))
        content = self._content(key, lines)
        path = folder / f"{stem}.{hashlib.sha256(content).hexdigest()[:16]}.samples.gz"
        if path.exists():
            return None
        _write(path, gzip.compress(content, 3, mtime=0))
        return path

    def _closers(self, key: _Key, groups: Mapping[_Key, set[str]]) -> set[str]:
        """The first state of each register after the quarter hour: with it the amount is known up to its end."""
        end_s = key.quarter_s + QUARTER_S
        first, last = (
            datetime.fromtimestamp(at, UTC).isoformat("T", "microseconds") for at in (end_s, end_s + _CLOSER_S)
        )
        facts = self._facts.get(key[:2])
        found: dict[str, tuple[str, str]] = {}
        for line in groups.get(key._replace(quarter_s=end_s), ()) if facts is not None else ():
            point, at, _ = line.split(",", 2)
            if first <= at <= last and facts.points.get(point, ("",))[0] in _COUNTED:
                found[point] = min(found.get(point, (at, line)), (at, line))
        return {line for _, line in found.values()}

    def _content(self, key: _Key, lines: Iterable[str]) -> bytes:
        facts = self._facts.get(key[:2])
        start_utc = datetime.fromtimestamp(key.quarter_s, UTC)
        head = SampleHead(key.site_id, key.source_id, start_utc, is_synthetic=facts is not None and facts.is_synthetic)
        return (head.lines() + "".join(f"{line}\n" for line in sorted(lines))).encode()

    def _carried(self) -> Iterator[tuple[_Key, set[str]]]:
        for path in sorted(self._carry.glob("*.samples")):
            data = path.read_bytes()
            head = head_of("\n".join(data.decode().split("\n", HEAD_LINES)[:HEAD_LINES]))
            key = _Key(head.site_id, head.source_id, int(head.quarter_start_utc.timestamp()))
            yield key, _lines_of(data)

    def _keep_for_later(self, waiting: Mapping[_Key, set[str]]) -> None:
        """Quarter hours that are not over, on the disk before their pieces leave the spool; the landed ones go."""
        kept = set()
        for key, lines in waiting.items():
            path = self._carry / f"{key.site_id}.{key.source_id}.{key.quarter_s}.samples"
            content = self._content(key, lines)
            if not path.exists() or path.read_bytes() != content:
                _write(path, content)
            kept.add(path)
        for path in self._carry.glob("*.samples"):
            if path not in kept:
                path.unlink()


def _lines_of(data: bytes) -> set[str]:
    return set(data.decode().split("\n")[HEAD_LINES:-1])


def _write(path: Path, content: bytes) -> None:
    """A whole file or none, on the disk when this returns. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

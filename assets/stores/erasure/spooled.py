"""Samples of a meter that came live and are no readings yet: the spool, what waits for the end of a quarter hour, and
what was landed and not ingested are written again without them, file by file. Samples of other points stay, and land.
"""

import gzip
import json
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa

from assets.stores.schema.tables_reports import site_versions
from assets.stores.transactions import Store
from assets.stores.whole_file import write_whole
from data_quality.contracts.errors import BadInput
from data_quality.contracts.live.sample_line import HEAD_LINES
from data_quality.contracts.live.spool_frames import REFUSALS, SAMPLES, frame, read_frames
from data_quality.contracts.settings import Project
from data_quality.contracts.site_file.find_site import find_site

SPOOL, CARRY, LANDED = "spool", "carry", ".samples.gz"
Point = tuple[str, str]


class SpooledFile(NamedTuple):
    """A file of the collector with samples of the meter. samples: lines that go, refusals among them; size_bytes: of
    these; own: the meter's points (source, point); others: those of the site's other streams.
    """

    path: Path
    samples: int
    size_bytes: int
    own: frozenset[Point]
    others: frozenset[Point]


def spooled_files(project: Project, store: Store, site_id: str, meter_id: str) -> Iterator[SpooledFile]:
    """Files of the site with live samples of the meter. Nothing is changed."""
    filled = _filled(project, store, site_id)
    own = frozenset(point for point, stream in filled.items() if stream == meter_id)
    folders = (
        (project.live_dir / SPOOL, "*.*"),
        (project.live_dir / CARRY, "*.*"),
        (project.landing_dir, f"*{LANDED}"),
    )
    for folder, names in folders if own else ():
        for path in sorted((folder / site_id).glob(names)):
            kept, gone = _parted(path, own, others := frozenset(filled) - own)
            if gone:
                yield SpooledFile(path, gone, max(path.stat().st_size - len(kept), 0), own, others)


def write_without(spooled: SpooledFile) -> None:
    """Write the file again without the meter's samples, whole or not at all. Raises OSError."""
    kept, _ = _parted(spooled.path, spooled.own, spooled.others)
    if kept:
        write_whole(spooled.path, gzip.compress(kept, 3, mtime=0) if spooled.path.suffix == ".gz" else kept)
    else:
        spooled.path.unlink()


def _filled(project: Project, store: Store, site_id: str) -> dict[Point, str]:
    """Point -> the stream that it fills, by the site file; of a point that is no longer in it, by an earlier one."""
    query = sa.select(site_versions.c.site).where(site_versions.c.site_id == site_id)
    documents = [row["site"] for row in store.rows(query.order_by(site_versions.c.recorded_at_utc))]
    # Where it went, or was spoilt, since: what is kept of it still says whose the samples are.
    with suppress(BadInput):
        documents.append(find_site(project, site_id).model_dump(mode="json", include={"sources"}))
    return {
        (source["source_id"], point["point"]): point["stream"]
        for document in documents for source in document.get("sources", ()) for point in source.get("points", ())
    }  # fmt: skip


def _parted(path: Path, own: frozenset[Point], others: frozenset[Point]) -> tuple[bytes, int]:
    """Content of a file without the points, and how many lines went."""
    # What came of a source of the meter and was refused may be the meter's, but for what another point told.
    sources = {source_id for source_id, _ in own}
    if path.parent.parent.name == SPOOL:
        content = read_frames(path.read_bytes())
        lines, refused = content.lines.splitlines(keepends=True), content.refusals.splitlines(keepends=True)
        kept = [line for line in lines if tuple(line.decode().split(",", 2)[:2]) not in own]
        remaining = [line for line, (source_id, point, *_) in ((each, json.loads(each)) for each in refused)
                if source_id not in sources or (source_id, point) in others]  # fmt: skip
        frames = [frame(kind, b"".join(each)) for kind, each in ((SAMPLES, kept), (REFUSALS, remaining)) if each]
        return b"".join(frames), len(lines) - len(kept) + len(refused) - len(remaining)
    # By the file's name: one whose head is damaged was left to a person under the same.
    names = path.name.lstrip(".").split(".")
    source_id = next((each for each in names[:2] if each in sources), "")
    lines = _text_of(path).splitlines(keepends=True) if source_id else []
    kept = []
    for line in lines[HEAD_LINES:]:
        name = line.split(b",", 1)[0].decode(errors="replace")
        point = (source_id, name.strip('"'))
        # A refusal stands in quotation marks.
        if point in others or (point not in own and not name.startswith('"')):
            kept.append(line)
    return b"".join([*lines[:HEAD_LINES], *kept]) if kept else b"", len(lines[HEAD_LINES:]) - len(kept)


def _text_of(path: Path) -> bytes:
    data = path.read_bytes()
    try:
        return gzip.decompress(data) if path.suffix == ".gz" else data
    except (gzip.BadGzipFile, EOFError, zlib.error):
        # No longer what was landed: no reader makes readings of it.
        return b""

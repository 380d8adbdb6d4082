"""Pulled data as files of the landing folder, with a note of how far: a pull that was killed goes on there.

The file first, then the note: after a kill the same span is pulled once more, into a file of the same name.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from assets.stores.whole_file import write_whole
from data_quality.contracts.errors import BadInput


def land(folder: Path, stem: str, columns: Mapping[str, pl.DataFrame], *, is_synthetic: bool) -> Path | None:
    """Write a wide table: `timestamp`, and a column for each stream. None where there is nothing to tell.

    columns: by stream ("meter.register" or driver) frames of at (UTC) and value, in the stream's own unit. The name
    holds the content's hash, so that the same values are the same file. Raises OSError where the disk cannot take it.
    """
    parts = [
        frame.select(timestamp="at", stream=pl.lit(name), value="value")
        for name, frame in columns.items()
        if len(frame)
    ]
    if not parts:
        return None
    names = [name for name, frame in columns.items() if len(frame)]
    wide = pl.concat(parts).pivot(on="stream", index="timestamp", values="value").sort("timestamp")
    flag = {"is_synthetic": pl.lit("true")} if is_synthetic else {}
    time = pl.col("timestamp").dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").str.replace(".000000Z", "Z", literal=True)
    content = wide.select(time, *names, **flag).write_csv().encode()
    digest = hashlib.sha256(content).hexdigest()[:16]
    path = folder / f"{stem}.{digest}.csv"
    if not path.exists():
        write_whole(path, content)
    return path


def read_note(path: Path) -> dict[str, Any]:
    """End of what was pulled of a source; empty before the first. Raises BadInput for a note that somebody changed."""
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_bytes())
    except ValueError as error:
        raise BadInput("this is no note of a pull; remove it to pull again", file=str(path)) from error
    return found if isinstance(found, dict) else {}


def write_note(path: Path, note: Mapping[str, Any]) -> None:
    """Keep how far a source was pulled. Raises OSError."""
    write_whole(path, json.dumps(note, sort_keys=True).encode())

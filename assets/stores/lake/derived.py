"""Rows that are computed from the lake and can be computed again, as Parquet files that the warehouse reads in place.

A file is named by its content, so a view over it never sees it change. They are no part of the lake's manifest.
"""

from collections.abc import Iterable
from pathlib import Path

import polars as pl

from assets.stores.lake.lake_block import content_sha256, write_atomic

# A load that runs now and one that was just superseded may still be reading theirs.
KEPT_FILES = 3


def keep_derived(root: Path, site_id: str, rows: pl.DataFrame) -> Path:
    """Write the rows (LAKE_SCHEMA) of a site under the lake's root, once per content; older ones go. Returns the file.

    At most KEPT_FILES remain for a site.
    """
    path = _folder(root, site_id) / f"{content_sha256(rows)}.parquet"
    if path.exists():
        # Back to content of before: untouched, the file in use would soon be among the oldest.
        path.touch()
    else:
        write_atomic(rows, path)
    for old in [file for file in _newest_first(path.parent) if file != path][KEPT_FILES - 1 :]:
        old.unlink(missing_ok=True)
    return path


def kept_derived(root: Path, site_ids: Iterable[str]) -> list[Path]:
    """The newest file of each of the sites that has one, as it was written last."""
    return [file for name in site_ids for file in _newest_first(_folder(root, name))[:1]]


def _folder(root: Path, site_id: str) -> Path:
    return root / "derived" / f"site={site_id}"


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.parquet"), key=lambda file: file.stat().st_mtime_ns, reverse=True)

"""Refused files and rows, with file, line, reason and sentence. Append-only."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from assets.stores.file_hashes import changed_copies
from assets.stores.foreign_database import is_database, source_sha256
from assets.stores.journal import AppendOnly
from assets.stores.schema.tables_readings import quarantine, quarantine_resolutions
from assets.stores.transactions import Store
from assets.stores.whole_file import keep_copy
from data_quality.contracts.errors import BadInput, BadRow
from data_quality.contracts.text import decoded, file_name
from data_quality.contracts.time import Clock

_ITEMS = AppendOnly(quarantine, dict, order=("recorded_at_utc", "source_name", "line", "item_id"))
_RESOLUTIONS = AppendOnly(quarantine_resolutions, dict)


class QuarantineStore:
    """Copies of refused files under one folder, and the reasons in the store. Keeping a thing twice changes nothing.

    restates: an item that counts rows is kept anew where the count is another now; who sets it resolves the old.
    """

    restates = False

    def __init__(self, root: Path, store: Store) -> None:
        self.root, self.store = root, store

    def keep_file(self, path: Path, fault: BadInput, *, site_id: str, clock: Clock) -> str:
        """Keep a file that was refused whole (a missing one or a directory by name only). Returns the item's id."""
        if path.is_file():
            sha256, kept_path = self._copied(path, site_id)
        else:
            # No content to hash: the name stands for it, so that the same missing file is one item however often it is
            # asked for.
            sha256, kept_path = hashlib.sha256(os.fsencode(path)).hexdigest(), ""
        source = {"site_id": site_id, "source_name": file_name(path), "source_sha256": sha256, "kept_path": kept_path}
        return self._keep([_item("file", source, fault.line, fault.reason, str(fault))], clock)[0]

    def keep_rows(
        self, path: Path, rows: Sequence[BadRow], *, counts: dict[str, int], site_id: str, clock: Clock
    ) -> list[str]:
        """Keep rejected rows, and the file they came from. `counts` says how many there are per reason: where more
        than `rows` holds, one item per reason states the rest. Returns the items' ids.
        """
        sha256, kept_path = self._copied(path, site_id)
        source = {"site_id": site_id, "source_name": file_name(path), "source_sha256": sha256, "kept_path": kept_path}
        items = [_item("row", source, row.line, row.reason, str(row)) for row in rows]
        rest = Counter(counts)
        # Readers hand over the first rejects of a bad file only; the others are counted.
        rest.subtract(row.reason for row in rows)
        for reason, count in sorted(rest.items()):
            if count > 0:
                items.append(_item("row", source, 0, reason, f"{file_name(path)}: {count} more rows", count))
        return self._keep(items, clock)

    def _copied(self, path: Path, site_id: str) -> tuple[str, str]:
        """SHA-256 and place of the copy. A database has none: it is another one each day, of gigabytes, and private."""
        sha256 = source_sha256(path)
        return sha256, "" if is_database(path) else keep_copy(path, root=self.root, site_id=site_id, sha256=sha256)

    def items(
        self,
        site_id: str | None = None,
        *,
        source_sha256: str | None = None,
        reason: str | None = None,
        is_open: bool | None = None,
        as_of_utc: datetime | None = None,
    ) -> list[dict[str, Any]]:
        """Items (columns of the quarantine table, and of its resolution: None while open) in the order they were kept;
        of one site, of one file, of one reason, open or resolved ones only; as of `as_of_utc`.
        """
        table, resolved = quarantine, quarantine_resolutions
        is_resolution = resolved.c.item_id == table.c.item_id
        if as_of_utc is not None:
            # In the join and not behind it: what was resolved after T was open at T, not absent.
            is_resolution = sa.and_(is_resolution, resolved.c.recorded_at_utc <= as_of_utc)
        query = (
            _ITEMS.select(as_of_utc=as_of_utc, site_id=site_id, source_sha256=source_sha256, reason=reason)
            .add_columns(resolved.c.batch_id.label("resolved_by"), resolved.c.recorded_at_utc.label("resolved_at_utc"))
            .select_from(table.outerjoin(resolved, is_resolution))
        )
        if is_open is not None:
            query = query.where(resolved.c.item_id.is_(None) if is_open else resolved.c.item_id.is_not(None))
        return self.store.rows(query)

    def refused_sources(self) -> set[str]:
        """SHA-256 of every file that was ever refused whole."""
        wanted = sa.select(quarantine.c.source_sha256).where(quarantine.c.kind == "file").distinct()
        rows = self.store.rows(wanted)
        return {row["source_sha256"] for row in rows}

    def altered(self) -> tuple[str, ...]:
        """Kept copies that are no longer the file that was refused; one that was removed since is none."""
        rows = _ITEMS.rows(self.store, "kept_path", "source_sha256")
        # Without a copy the path is the folder's own, and no file.
        return changed_copies(self.root, {each["kept_path"]: each["source_sha256"] for each in rows})

    def show(self, item_id: str) -> dict[str, Any]:
        """The item whose id is, or alone begins with, this. Raises BadInput for an unknown or an ambiguous one."""
        table = quarantine
        # Ids are hexadecimal: anything else, a wildcard of LIKE among it, is no beginning of one.
        is_id = bool(item_id) and all(mark in "0123456789abcdef" for mark in item_id)
        query = sa.select(table.c.item_id, table.c.source_sha256).where(table.c.item_id.like(f"{item_id}%")).limit(2)
        found = self.store.rows(query) if is_id else []
        if len(found) > 1:
            raise BadInput(f"several quarantine items begin with {item_id!r}; give more of it", reason="unknown_item")
        if not found:
            raise BadInput(f"no quarantine item {item_id!r}", reason="unknown_item")
        of_file = self.items(source_sha256=found[0]["source_sha256"])
        return next(item for item in of_file if item["item_id"] == found[0]["item_id"])

    def counts(
        self, site_id: str | None = None, *, is_open: bool | None = None, as_of_utc: datetime | None = None
    ) -> dict[str, int]:
        """Number of rows (a file refused whole counts as one) per reason."""
        return reason_totals(self.items(site_id, is_open=is_open, as_of_utc=as_of_utc))

    def resolve(self, item_ids: Iterable[str], *, batch_id: str, clock: Clock) -> int:
        """Note that what these items refused has been brought in since, by this batch. The items stay as they are.
        Returns how many were open until now.
        """
        with self.store.together():
            known = {row["item_id"] for row in _RESOLUTIONS.rows(self.store, "item_id")}
            fresh = sorted(set(item_ids) - known)
            if fresh:
                _RESOLUTIONS.add(self.store, clock, *({"item_id": each, "batch_id": batch_id} for each in fresh))
        return len(fresh)

    def _keep(self, items: list[dict[str, Any]], clock: Clock) -> list[str]:
        unique = {item["item_id"]: item for item in items}
        with self.store.together():
            # Items of one call are of one file: one look, not one for each of a thousand rows.
            first = items[0]["source_sha256"] if items else ""
            of_file = _ITEMS.rows(self.store, "item_id", "row_count", source_sha256=first)
            known: dict[str, int] = {row["item_id"]: row["row_count"] for row in of_file}
            if self.restates:
                unique = dict(_restated(item, known) for item in unique.values())
            fresh = [item for item_id, item in unique.items() if item_id not in known]
            if fresh:
                _ITEMS.add(self.store, clock, *fresh)
        return list(unique)


def _item(
    kind: str, source: Mapping[str, str], line: int, reason: str, message: str, row_count: int = 1
) -> dict[str, Any]:
    # The id says what was refused and why, so that a second look at the same file finds it.
    facts = (source["site_id"], kind, source["source_name"], source["source_sha256"], str(line), reason)
    item_id = hashlib.sha256("\x1f".join(facts).encode()).hexdigest()[:32]
    own = {"item_id": item_id, "kind": kind, "line": line, "reason": reason, "message": decoded(message)}
    return {**source, **own, "row_count": row_count}


def _restated(item: dict[str, Any], known: Mapping[str, int]) -> tuple[str, dict[str, Any]]:
    """The item by its id: another one where the same rows were counted before and were more or fewer then."""
    item_id, count = item["item_id"], item["row_count"]
    if known.get(item_id, count) != count:
        item_id = hashlib.sha256(f"{item_id}\x1f{count}".encode()).hexdigest()[:32]
    return item_id, item | {"item_id": item_id}


def reason_totals(items: Iterable[dict[str, Any]]) -> dict[str, int]:
    """Rows per reason of some items, the commonest first."""
    totals: Counter[str] = Counter()
    for item in items:
        totals[item["reason"]] += item["row_count"]
    return dict(sorted(totals.items(), key=lambda pair: (-pair[1], pair[0])))

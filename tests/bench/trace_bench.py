"""Costs of traces and packs (trace.md): `python -m tests.bench.trace_bench [--reports 1000] [--gigabytes 1]`.

Staleness of 1,000 stored reports, the trace of one figure, the bytes of a report's traces, and the time that `verify`
needs for the hashes of a large pack and for a sample of figures recomputed.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from assets.stores.published.evidence import figure_rows
from assets.stores.published.publications import PublicationStore
from assets.stores.published.trace_rows import packed_rows
from assets.stores.schema import tables_readings, tables_reports
from assets.stores.schema.tables_reports import revision_inputs
from assets.stores.seals import append
from assets.stores.sign import new_key
from assets.stores.transactions import Store
from reports.evidence.archive import ArchiveWriter, read_archive
from reports.evidence.pack import PackMaker
from reports.figures.trace import stale_revisions, trace_figure
from reports.recompute.figure_sources import Sources
from tests.definitions import DEFINITIONS, verify_pack
from tests.reports.conftest import World, make_world
from tests.reports.test_store import report

SITES, QUARTERS = 50, 20


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Result of the work, and its seconds by the clock."""
    started = time.perf_counter()
    found = work()
    return found, time.perf_counter() - started


def clones(store: Store, count: int) -> None:
    """Copies of the plant's report as reports of many sites and quarters, over lakes with other digests."""
    revision = store.rows(sa.select(tables_reports.report_revisions))[0]
    rows = figure_rows(store, revision["report_id"], revision["revision"])
    batch = store.rows(sa.select(tables_readings.batches))[0]["batch_id"]
    with store.begin() as connection:
        for number in range(count):
            site_id, quarter = f"s{number % SITES:03d}", number // SITES
            start = datetime(2020 + quarter // 4, quarter % 4 * 3 + 1, 1, tzinfo=UTC)
            if number < SITES:
                append(connection, tables_readings.lake_manifest, list(lake_rows(site_id, batch)))
            copy_report(connection, revision, rows, site_id, start, number)


def lake_rows(site_id: str, batch_id: str) -> Iterator[dict[str, Any]]:
    """Five years of manifest rows, one a day."""
    for offset in range(5 * 365):
        day = date(2020, 1, 1) + timedelta(days=offset)
        yield {
            "site_id": site_id,
            "day": day,
            "path": f"readings/site={site_id}/m={day:%Y-%m}/part-x.parquet",
            "batch_id": batch_id,
            "rows": 9600,
            "file_sha256": "0" * 64,
            "content_sha256": f"{offset:064d}",
            "source_sha256": "0" * 64,
            "reader_version": "1",
            "rules_version": "1",
            "is_synthetic": False,
            "recorded_at_utc": datetime(2020, 1, 1, tzinfo=UTC),
        }


def copy_report(
    connection: Any, revision: dict[str, Any], rows: list[dict[str, Any]], site_id: str, start: datetime, number: int
) -> None:
    """One clone: same figures under new ids, inputs of its own site and quarter."""
    report_id = f"enpi_quarter/{site_id}/{start:%Y-%m}"
    changed = {"report_id": report_id, "site_id": site_id, "period": f"{start:%Y-%m}"}
    append(connection, tables_reports.report_revisions, [{**revision, **changed}])
    copies = []
    for place, row in enumerate(rows, start=1):
        inputs = [_moved(given, site_id, start, number) for given in row["inputs"]]
        named = {
            "figure_id": _copied(row["figure_id"], number),
            "report_id": report_id,
            "site_id": site_id,
            "position": number * 1000 + place,
            "inputs": inputs,
        }
        copies.append({**row, **named})
    own, shared = packed_rows(copies)
    append(connection, tables_reports.figures, own)
    append(connection, revision_inputs, shared)


def _copied(figure_id: str, number: int) -> str:
    return f"{number:05d}{figure_id[:11]}"


def _moved(given: dict[str, Any], site_id: str, start: datetime, number: int) -> dict[str, Any]:
    if given["kind"] == "figure":
        return {**given, "id": _copied(given["id"], number)}
    if given["kind"] == "lake":
        end = start + timedelta(days=90 if "/2025-03" in given["id"].rpartition("/")[2] else 30)
        return {**given, "id": f"{site_id}/{start:%Y-%m-%dT%H:%MZ}/{end:%Y-%m-%dT%H:%MZ}"}
    return given


def trace_bytes(store: Store, report_id: str) -> tuple[int, int]:
    """Figures of a report, and bytes of all that the store keeps of them: their rows and what they share."""
    table, shared = tables_reports.figures, revision_inputs
    rows = store.rows(sa.select(table).where(table.c.report_id == report_id, table.c.revision == 1))
    more = store.rows(sa.select(shared).where(shared.c.report_id == report_id, shared.c.revision == 1))
    size = sum(len("".join(map(_text, row.values())).encode()) for row in [*rows, *more])
    return len(rows), size


def _text(value: Any) -> str:
    """A value as the table holds it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")) if isinstance(value, dict) else str(value)


def big_pack(path: Path, gigabytes: float) -> None:
    """An archive in the pack's layout with that much in it."""
    block = path.with_suffix(".bin")
    with block.open("wb") as file:
        for _ in range(int(gigabytes * 1000 / 25)):
            file.write(os.urandom(25_000_000))
    with path.open("w+b") as file:
        writer = ArchiveWriter(file)
        writer.add("inputs/lake/readings.parquet", block)
        writer.close()
    block.unlink()


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one line a figure."""
    options = argparse.ArgumentParser(description="Costs of traces and packs.")
    options.add_argument("--reports", type=int, default=SITES * QUARTERS)
    options.add_argument("--gigabytes", type=float, default=1.0)
    asked = options.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        used: World = make_world(folder / "world")
        report(used)
        revision = used.reports.revisions()[-1]
        count, size = trace_bytes(used.lake.store, revision.report_id)
        say(f"traces of one report: {count} figures, {size:,} bytes")
        figure = used.reports.figures(revision.report_id, 1)[0]
        _, seconds = timed(lambda: trace_figure(figure.figure_id, reports=used.reports, sources=used.sources()))
        say(f"trace of one figure: {seconds:.2f} s")
        signer = new_key(folder / "keys", "bench")
        maker = PackMaker(
            reports=used.reports,
            publications=PublicationStore(used.lake.store),
            lake=used.lake,
            definitions=DEFINITIONS,
        )
        made, seconds = timed(
            lambda: maker.make(
                revision, folder / "p.zip", signer=signer, signer_name="bench", policy="full", clock=used.clock
            )
        )
        say(f"pack: {seconds:.2f} s, {made.bytes:,} bytes")
        for sample in (20, None):
            found, seconds = timed(lambda sample=sample: verify_pack(made.path, sample=sample))
            say(f"verify with {found.recomputed} figures recomputed: {seconds:.2f} s, verified {found.verified}")
        big_pack(folder / "big.zip", asked.gigabytes)
        _, seconds = timed(lambda: read_archive(folder / "big.zip"))
        say(f"verify, hashes and CRCs of {asked.gigabytes:g} GB: {seconds:.2f} s")
        (folder / "big.zip").unlink()
        clones(used.lake.store, asked.reports)
        sources = Sources(lake=used.lake, sites={used.site.site_id: used.site}, definitions=DEFINITIONS)
        started = time.process_time()
        stale, seconds = timed(lambda: stale_revisions(used.reports, sources))
        cpu = time.process_time() - started
        say(
            f"staleness of {len(stale)} reports: {seconds:.2f} s, CPU {cpu:.2f} s, "
            f"{sum(map(bool, stale.values()))} stale"
        )
        used.lake.store.close()
    return 0


def say(text: str) -> None:
    """One line, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

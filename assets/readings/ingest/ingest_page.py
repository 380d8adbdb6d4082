"""Ingestion report of some files as a page (Markdown) that a person can act upon. Pure."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from assets.readings.ingest.ingest_file import IngestReport
from assets.stores.ledgers.quarantine_ledger import reason_totals
from data_quality.contracts.text import markdown
from data_quality.quarantine import FILE_REASONS, ROW_REASONS

_MEANINGS = ROW_REASONS | FILE_REASONS
# The page is for a look; the command shows all.
MAX_FILES, MAX_LINES, MAX_LINES_OF_A_REASON = 50, 20, 3


def ingestion_page(reports: Sequence[IngestReport], items: Iterable[dict[str, Any]], *, site_id: str) -> str:
    """Files with their verdicts, reasons with their counts, the first refused lines, and the command that shows all.

    items: quarantine items of the site; those of other files are left out. Every word from a file is escaped.
    """
    hashes = {report.sha256 for report in reports if report.sha256}
    mine = [item for item in items if item["source_sha256"] in hashes]
    parts = [_table(["file", "verdict", "rows read", "refused", "new", "corrected", "why"], _files(reports), MAX_FILES)]
    if mine:
        totals = [[str(count), reason, _MEANINGS.get(reason, "")] for reason, count in reason_totals(mine).items()]
        parts += ["### Refused", _table(["rows or files", "reason", "meaning"], totals, MAX_LINES)]
        parts += [
            "### First of them",
            _table(["item", "where", "what was expected, and found"], _first(mine), MAX_LINES),
        ]
        parts.append(
            f"All of them: `meterloom quarantine list --site {site_id}`; one whole: `meterloom quarantine show ITEM`; "
            "after mending the site file or a column map: `meterloom quarantine retry ITEM`."
        )
    return "\n\n".join(parts)


def _files(reports: Sequence[IngestReport]) -> list[list[str]]:
    return [
        [
            Path(report.path).name,
            "known already" if report.is_repeat else report.verdict,
            f"{report.accepted_rows:,}",
            f"{report.rejected_rows:,}",
            f"{report.new_rows:,}",
            f"{report.corrected_rows:,}",
            ", ".join(report.reasons),
        ]
        for report in reports
    ]


def _first(items: Sequence[dict[str, Any]]) -> list[list[str]]:
    """Some lines of each reason, so that one common fault does not hide the others."""
    shown: list[list[str]] = []
    seen: dict[str, int] = {}
    for item in items:
        seen[item["reason"]] = seen.get(item["reason"], 0) + 1
        if seen[item["reason"]] <= MAX_LINES_OF_A_REASON:
            shown.append([item["item_id"][:12], where(item), item["message"]])
    return shown


def where(item: dict[str, Any]) -> str:
    """File and line of an item."""
    return f"{item['source_name']}:{item['line']}" if item["line"] else str(item["source_name"])


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], limit: int) -> str:
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(markdown(cell, 300) for cell in row) + " |" for row in rows[:limit]]
    if len(rows) > limit:
        lines.append(f"\n… and {len(rows) - limit} more")
    return "\n".join(lines)

"""`meterloom quarantine`: refused files and rows, why, and another try."""

from textwrap import shorten
from typing import Annotated, Any

from assets.readings.drafts.drafting import draft_map
from assets.readings.drafts.map_draft import PROPOSED_FOR, MapDraft
from assets.readings.ingest.ingest_page import where
from assets.readings.ingest.retry import RetryReport, retry_item
from assets.stores.ledgers.quarantine_ledger import QuarantineStore, reason_totals
from data_quality.contracts.text import one_line
from data_quality.quarantine import FILE_REASONS, ROW_REASONS
from orchestration.operations.answer import BAD_INPUT, DONE, Answer, Table
from orchestration.operations.operation import ACTS, PROJECT, Argument, Call, Option, operation
from orchestration.operations.options import MapOption, OnlySiteOption, column_map
from orchestration.operations.readings.ingest import AcceptOption, accepted_scale
from orchestration.operations.readings.sniff import proposal_lines, report_lines

MEANINGS = ROW_REASONS | FILE_REASONS
# Lines of one file that `show` prints: enough to see what is wrong with it.
SHOWN_LINES = 5
# Of a message in the list.
SHOWN_LETTERS = 90
EMPTY = "quarantine is empty"


def _in_short(item: dict[str, Any]) -> str:
    # File and line stand beside it, and `show` has all of it: a list of allowed meters would fill the screen.
    place, colon, rest = item["message"].partition(": ")
    text = rest if colon and place.startswith(item["source_name"]) else item["message"]
    return shorten(text, SHOWN_LETTERS, placeholder=" …")


ITEMS = Table(
    "items",
    "id: {item_id:.12} | site: {site_id} | kind | where | reason | message: {short_message}",
    empty=EMPTY,
    where=where,
    short_message=_in_short,
)
FILES = Table(
    "files",
    "id: {item_id:.12} | site: {site_id} | file: {source_name} | refused",
    empty=EMPTY,
    refused=lambda each: counted(each["reasons"]),
)
ItemArgument = Annotated[str, Argument(metavar="ID")]


@operation("quarantine list", example="--site factory")
def quarantine_list(
    call: Call,
    site: OnlySiteOption = None,
    by_files: Annotated[bool, Option("One line per file, with counts by reason.", "--files")] = False,
    is_all: Annotated[bool, Option("Resolved ones too.")] = False,
) -> Answer:
    """List what was refused and is still open, with reason."""
    items = call.project.quarantine.items(site, is_open=None if is_all else True, as_of_utc=call.as_of_utc)
    found = {"items": items, "reasons": reason_totals(items), "files": by_file(items)}
    return Answer(found, FILES if by_files else ITEMS)


@operation("quarantine show", takes=PROJECT, example="4f1c2ab09d3e")
def quarantine_show(call: Call, item_id: ItemArgument) -> Answer:
    """Show one item, and what else is wrong with its file."""
    store = call.project.quarantine
    item = store.show(item_id)
    of_file = store.items(item["site_id"], source_sha256=item["source_sha256"])
    draft = map_for(call, item, store)
    found = {"items": [item], "files": by_file(of_file), "proposal": draft.keys if draft else {}}
    found |= {"proposal_yaml": draft.yaml() if draft else ""}
    shown = proposal_lines(draft) if draft else []
    # One item for people: what, where, why, what else is wrong with its file, and what to do.
    name, meaning = one_line(item["source_name"], 200), MEANINGS.get(item["reason"], "")
    lines = [
        one_line(item["message"]),
        f"  reason: {item['reason']}{f' ({meaning})' if meaning else ''}",
        f"  file: {name} of site {item['site_id']}, sha256 {item['source_sha256'][:16]}, refused "
        f"{item['recorded_at_utc']:%Y-%m-%d %H:%M}Z",
    ]
    if item["resolved_at_utc"] is not None:
        lines.append(f"  resolved: {item['resolved_at_utc']:%Y-%m-%d %H:%M}Z by batch {item['resolved_by'] or '-'}")
    others = [each for each in of_file if each["resolved_at_utc"] is None]
    if others:
        lines.append(f"  open in this file: {counted(reason_totals(others))}; the first:")
        lines += [f"    {one_line(each['message'], 300)}" for each in others[:SHOWN_LINES]]
        lines.append(f"  after mending: meterloom quarantine retry {item['item_id'][:12]} [--map FILE]")
    return Answer(found, text="\n".join(["\n".join(lines), *shown]))


@operation("quarantine retry", takes=ACTS, example="4f1c2ab09d3e --map map.yaml")
def quarantine_retry(
    call: Call, item_id: ItemArgument, mapping: MapOption = None, accept_scale: AcceptOption = False
) -> Answer:
    """Read the kept file again, after the site file or a column map was mended."""
    store = call.project.quarantine
    item = store.show(item_id)
    report = retry_item(
        item,
        site=call.project.site(item["site_id"]),
        lake=call.project.lake,
        quarantine=store,
        clock=call.clock,
        mapping=column_map(mapping),
        accepted=accepted_scale(call, is_accepted=accept_scale),
    )
    return Answer(
        {
            "items": [store.show(item["item_id"])],
            "files": [report.file.model_dump(mode="json")],
            "before": report.before,
            "after": report.after,
            "resolved": report.resolved,
        },
        text=retry_lines(report),
        exit_code=BAD_INPUT if report.file.verdict == "reject" else DONE,
    )


def by_file(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One entry per refused file, in the order of their items: name, hash, reasons with their counts of rows."""
    files: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for item in items:
        files.setdefault((item["site_id"], item["source_sha256"]), []).append(item)
    return [
        {
            "site_id": site_id,
            "source_name": of_file[0]["source_name"],
            "source_sha256": sha256,
            "item_id": of_file[0]["item_id"],
            "reasons": reason_totals(of_file),
        }
        for (site_id, sha256), of_file in files.items()
    ]


def counted(reasons: dict[str, int]) -> str:
    """Reasons with their counts."""
    return ", ".join(f"{reason} {count}" for reason, count in reasons.items())


def map_for(call: Call, item: dict[str, Any], store: QuarantineStore) -> MapDraft | None:
    """A column map drafted for a refused table; none for what no map can mend."""
    # Only a whole file that nobody could read as a table: a map cannot mend single rows.
    is_for_map = item["kind"] == "file" and item["resolved_at_utc"] is None and item["reason"] in PROPOSED_FOR
    kept = store.root / item["kept_path"]
    return draft_map(kept, site=call.project.site(item["site_id"])) if is_for_map and kept.is_file() else None


def retry_lines(report: RetryReport) -> str:
    """Changes by another try, for people."""
    lines = [report_lines(report.file), *([f"  {report.file.message}"] if report.file.message else [])]
    if report.file.is_repeat:
        lines.append("  nothing changed: the file was read just as before; correct the site file, or give --map")
        return "\n".join(lines)
    lines += [
        f"  {reason}: {report.before.get(reason, 0)} before, {report.after.get(reason, 0)} now"
        for reason in dict.fromkeys([*report.before, *report.after])
    ]
    new, corrected, unchanged = report.file.new_rows, report.file.corrected_rows, report.file.unchanged_rows
    lines.append(f"  in the lake: {new} quarter hours new, {corrected} corrected, {unchanged} as before")
    lines.append(f"  {report.resolved} items resolved")
    return "\n".join(lines)

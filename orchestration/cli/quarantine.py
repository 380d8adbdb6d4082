"""`meterloom quarantine`: refused files and rows, why, and another try."""

from typing import Annotated, Any

import typer

from assets.readings.page import where
from assets.readings.proposal import PROPOSED_FOR, propose
from assets.readings.retry import RetryReport, retry_item
from assets.stores.quarantine import QuarantineStore, reason_totals
from data_quality.contracts.text import one_line
from data_quality.quarantine import FILE_REASONS, ROW_REASONS
from orchestration.cli.frame import BAD_INPUT, DONE, Answer, Call, command
from orchestration.cli.ingest import AcceptOption, accepted_scale
from orchestration.cli.sniff import MapOption, column_map, proposal_lines, report_lines

MEANINGS = ROW_REASONS | FILE_REASONS
# Lines of one file that `show` prints: enough to see what is wrong with it.
SHOWN_LINES = 5


def shown(item: dict[str, Any]) -> list[str]:
    """One item as a row for people."""
    return [item["item_id"][:12], item["site_id"], item["kind"], where(item), item["reason"], item["message"]]


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


def file_rows(files: list[dict[str, Any]]) -> list[list[str]]:
    """Files as rows for people."""
    return [
        [
            each["item_id"][:12],
            each["site_id"],
            each["source_name"],
            ", ".join(f"{reason} {count}" for reason, count in each["reasons"].items()),
        ]
        for each in files
    ]


def item_lines(item: dict[str, Any], of_file: list[dict[str, Any]]) -> str:
    """One item for people: what, where, why, what else is wrong with its file, and what to do."""
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
        counts = ", ".join(f"{reason} {count}" for reason, count in reason_totals(others).items())
        lines.append(f"  open in this file: {counts}; the first:")
        lines += [f"    {one_line(each['message'], 300)}" for each in others[:SHOWN_LINES]]
        lines.append(f"  after mending: meterloom quarantine retry {item['item_id'][:12]} [--map FILE]")
    return "\n".join(lines)


def map_for(item: dict[str, Any], store: QuarantineStore) -> str:
    """A column map proposed for a refused table; empty for what no map can mend."""
    is_for_map = item["kind"] == "file" and item["resolved_at_utc"] is None and item["reason"] in PROPOSED_FOR
    kept = store.root / item["kept_path"]
    return propose(kept) if is_for_map and kept.is_file() else ""


def retry_lines(report: RetryReport) -> str:
    """What another try changed, for people."""
    lines = [report_lines(report.file)]
    if report.file.is_repeat:
        lines.append("  nothing changed: the file was read just as before; mend the site file, or give --map")
        return "\n".join(lines)
    lines += [
        f"  {reason}: {report.before.get(reason, 0)} before, {report.after.get(reason, 0)} now"
        for reason in dict.fromkeys([*report.before, *report.after])
    ]
    new, corrected, unchanged = report.file.new_rows, report.file.corrected_rows, report.file.unchanged_rows
    lines.append(f"  in the lake: {new} quarter hours new, {corrected} corrected, {unchanged} as before")
    lines.append(f"  {report.resolved} items resolved")
    return "\n".join(lines)


def quarantine_retry(
    call: Call,
    item_id: Annotated[str, typer.Argument(metavar="ID")],
    mapping: MapOption = None,
    accept_scale: AcceptOption = False,
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
        data={
            "items": [store.show(item["item_id"])],
            "files": [report.file.model_dump(mode="json")],
            "before": report.before,
            "after": report.after,
            "resolved": report.resolved,
        },
        text=retry_lines(report),
        exit_code=BAD_INPUT if report.file.verdict == "reject" else DONE,
    )


def register(app: typer.Typer) -> None:
    """Put the commands on the application."""
    group = typer.Typer(help="Refused files and rows.", no_args_is_help=True)
    app.add_typer(group, name="quarantine")

    @command(group, "list", example="meterloom quarantine list --site my_site")
    def quarantine_list(
        call: Call,
        site: Annotated[str | None, typer.Option("--site", help="Only this site.")] = None,
        by_files: Annotated[bool, typer.Option("--files", help="One line per file, with counts by reason.")] = False,
        is_all: Annotated[bool, typer.Option("--all", help="Resolved ones too.")] = False,
    ) -> Answer:
        """List what was refused and is still open, with reason."""
        items = call.project.quarantine.items(site, is_open=None if is_all else True, as_of_utc=call.as_of_utc)
        files = by_file(items)
        return Answer(
            data={"items": items, "reasons": reason_totals(items), "files": files},
            columns=["id", "site", "file", "refused"]
            if by_files
            else ["id", "site", "kind", "where", "reason", "message"],
            rows=file_rows(files) if by_files else [shown(item) for item in items],
            text="" if items else "quarantine is empty",
        )

    @command(group, "show", example="meterloom quarantine show 4f1c2ab09d3e")
    def quarantine_show(call: Call, item_id: Annotated[str, typer.Argument(metavar="ID")]) -> Answer:
        """Show one item, and what else is wrong with its file."""
        store = call.project.quarantine
        item = store.show(item_id)
        of_file = store.items(item["site_id"], source_sha256=item["source_sha256"])
        proposal = map_for(item, store)
        data = {"items": [item], "files": by_file(of_file), "proposal": proposal}
        return Answer(data=data, text="\n".join([item_lines(item, of_file), *proposal_lines(proposal)]))

    command(group, "retry", example="meterloom quarantine retry 4f1c2ab09d3e --map map.yaml")(quarantine_retry)

"""`meterloom lake`: the lake's files, where they are kept."""

from typing import Annotated

import typer

from assets.stores.lake.compact import compact
from assets.stores.lake.sweep import leftovers, sweep
from orchestration.cli.answer import Answer, Table
from orchestration.cli.frame import PROJECT, Call, command

MERGED = "site_id | month | files | bytes before: {bytes_before:,} | bytes after: {bytes_after:,}"
FILES = "key | bytes: {size_bytes:,} | since: {changed_utc}"


@command("lake sweep", takes=PROJECT, example="--dry-run")
def sweep_lake(
    call: Call,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List them, and delete nothing.")] = False,
) -> Answer:
    """Delete the files that stopped writers left in the lake more than a day ago: no batch names them."""
    lake, now_utc = call.project.lake, call.clock.now_utc()
    call.doing(f"looking through {lake.kept.address}")
    found = leftovers(lake, now_utc=now_utc) if dry_run else sweep(lake, now_utc=now_utc)
    total = sum(each.size_bytes for each in found)
    done = "would be deleted" if dry_run else "deleted"
    return Answer(
        {"files": [each._asdict() for each in found], "bytes": total, "is_deleted": not dry_run},
        Table("files", FILES),
        text=f"{len(found)} file(s) that no batch names, {total:,} bytes, {done}" if found else "nothing is left over",
    )


@command("lake compact", takes=PROJECT, example="--dry-run")
def compact_lake(
    call: Call,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be merged, and merge nothing.")] = False,
) -> Answer:
    """Merge the small files of a site and month into one; what was merged goes with a sweep a day later."""
    lake, found = call.project.lake, []
    call.doing(f"looking through {lake.kept.address}")
    for each in compact(lake, clock=call.clock, is_dry_run=dry_run):
        found.append(each._asdict())
        call.doing(f"{each.site_id} {each.month:%Y-%m}: {each.files} files")
    files, before, after = (sum(each[name] for each in found) for name in ("files", "bytes_before", "bytes_after"))
    done = "would become" if dry_run else "became"
    return Answer(
        {"months": found, "files_before": files, "files_after": len(found), "bytes_before": before}
        | {"bytes_after": after, "is_merged": not dry_run},
        Table("months", MERGED),
        text=f"{files} file(s), {before:,} bytes, {done} {len(found)}, {after:,} bytes"
        if found
        else "no month of a site has files to merge",
    )

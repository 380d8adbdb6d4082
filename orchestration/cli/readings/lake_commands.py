"""`meterloom lake`: the lake's files, where they are kept."""

from typing import Annotated

import typer

from assets.stores.lake.sweep import leftovers, sweep
from orchestration.cli.answer import Answer, Table
from orchestration.cli.frame import PROJECT, Call, command

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

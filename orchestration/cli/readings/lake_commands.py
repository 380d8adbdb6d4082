"""`meterloom lake`: the lake's files, where they are kept."""

from typing import Annotated

import typer

from assets.stores.lake.sweep import leftovers, sweep
from orchestration.cli.answer import Answer, Table
from orchestration.cli.frame import PROJECT, Call, command

FILES = "key | bytes: {size_bytes:,} | since: {changed_utc}"


@command("lake sweep", takes=PROJECT, example="--delete")
def sweep_lake(
    call: Call,
    delete: Annotated[bool, typer.Option("--delete", help="Delete them; else they are only listed.")] = False,
) -> Answer:
    """List the files that stopped writers left in the lake more than a day ago, or delete them."""
    lake, now_utc = call.project.lake, call.clock.now_utc()
    call.doing(f"looking through {lake.kept.address}")
    found = sweep(lake, now_utc=now_utc) if delete else leftovers(lake, now_utc=now_utc)
    total = sum(each.size_bytes for each in found)
    done = "deleted" if delete else "would be deleted; 'meterloom lake sweep --delete' does it"
    return Answer(
        {"files": [each._asdict() for each in found], "bytes": total, "is_deleted": delete},
        Table("files", FILES),
        text=f"{len(found)} file(s) that no batch names, {total:,} bytes, {done}" if found else "nothing is left over",
    )

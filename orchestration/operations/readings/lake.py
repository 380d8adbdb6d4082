"""`meterloom lake`: the lake's files, where they are kept."""

from contextlib import nullcontext
from typing import Annotated

from assets.stores.lake.compact import compact, leftovers, sweep
from assets.stores.lake.lake_ledger import Adopted, adopt, restore
from orchestration.instance.start_lock import taken
from orchestration.operations.answer import CHECK_FAILED, DONE, Answer, Table
from orchestration.operations.operation import PROJECT, Call, Option, operation

MERGED = "site_id | month | files | bytes before: {bytes_before:,} | bytes after: {bytes_after:,}"
FILES = "key | bytes: {size_bytes:,} | since: {changed_utc} | rows in a merged file: {is_merged}"
SHOWN = 5


@operation("lake sweep", takes=PROJECT, example="--dry-run")
def sweep_lake(
    call: Call,
    dry_run: Annotated[bool, Option("List them, and move or delete nothing.")] = False,
) -> Answer:
    """Set aside what stopped writers left in the lake a day ago; delete files whose rows stand in a merged one."""
    lake, now_utc = call.project.lake, call.clock.now_utc()
    call.doing(f"looking through {lake.kept.address}")
    with nullcontext() if dry_run else taken(call.places, "upkeep"):
        found = leftovers(lake, now_utc=now_utc) if dry_run else sweep(lake, now_utc=now_utc)
    total, merged = sum(each.size_bytes for each in found), sum(each.is_merged for each in found)
    would = "would be " if dry_run else ""
    text = f"{len(found) - merged} file(s) that no batch names {would}set aside, {merged} merged file(s) {would}deleted"
    return Answer(
        {"files": [each._asdict() for each in found], "bytes": total, "is_swept": not dry_run},
        Table("files", FILES),
        text=f"{text}; {total:,} bytes" if found else "nothing is left over",
    )


@operation("lake compact", takes=PROJECT, example="--dry-run")
def compact_lake(
    call: Call,
    dry_run: Annotated[bool, Option("Say what would be merged, and merge nothing.")] = False,
) -> Answer:
    """Merge the small files of a site and month into one; what was merged goes with a sweep a day later."""
    lake, found = call.project.lake, []
    call.doing(f"looking through {lake.kept.address}")
    with nullcontext() if dry_run else taken(call.places, "upkeep"):
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


@operation("lake adopt", takes=PROJECT, writes=True)
def adopt_lake(call: Call) -> Answer:
    """Make lake and store one again: what the store names comes back, what it does not name is set aside."""
    lake = call.project.lake
    call.doing(f"looking through {lake.kept.address}")
    return _adopted(adopt(lake.store, lake.kept))


@operation("lake restore", takes=PROJECT, writes=True)
def restore_lake(call: Call) -> Answer:
    """Give files that were set aside their place back, where the store names them and they are as written."""
    lake = call.project.lake
    call.doing(f"looking through {lake.kept.address}")
    return _adopted(restore(lake.store, lake.kept))


def _adopted(found: Adopted) -> Answer:
    text = f"{len(found.returned)} file(s) are back in their place, {len(found.set_aside)} set aside"
    if found.missing:
        more = f" and {len(found.missing) - SHOWN} more" if len(found.missing) > SHOWN else ""
        text += f"; {len(found.missing)} that the store names are missing: {', '.join(found.missing[:SHOWN])}{more}"
        text += "; ingest their sources again, or restore them from a backup"
    return Answer(found._asdict(), text=text, exit_code=CHECK_FAILED if found.missing else DONE)

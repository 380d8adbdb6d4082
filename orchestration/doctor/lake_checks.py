"""What the doctor says of the lake: whose it is, each file against the manifest's digest, and what nobody names."""

from assets.stores.lake.lake import Lake
from assets.stores.lake.lake_files import orphans
from assets.stores.lake.lake_ledger import refusal
from assets.stores.lake.merges import known_paths
from orchestration.doctor.reachable import item

NAME = "lake"
SHOWN = 3


def check(lake: Lake, site_ids: list[str]) -> list[dict[str, str]]:
    """A line for the readings, with each damaged file and its source by name, and one for files of stopped writers;
    where the lake is not this store's, that alone: every file of it would be told.
    """
    if said := refusal(lake.store, lake.kept):
        return [item(f"{NAME} ledger", "fail", *said.rsplit("; ", 1))]
    damaged = [fault for site_id in site_ids for fault in lake.damage(site_id)]
    if damaged:
        more = f" and {len(damaged) - SHOWN} more" if len(damaged) > SHOWN else ""
        said = "; ".join(f"{each.path} {each.fault} (from {each.source_name})" for each in damaged[:SHOWN])
        found = [item(NAME, "fail", said + more, "ingest the sources again, or restore the files from a backup")]
    else:
        found = [item(NAME, "ok", "every file is as it was written")]
    # No fault: files appear before their manifest rows, so a writer that was stopped leaves some that nobody reads.
    left = orphans(lake.root, known_paths(lake.store))
    if left:
        said = f"{len(left)} file(s) of a writer that was stopped, {left[0].relative_to(lake.root)} among them"
        found.append(item(f"{NAME} leftovers", "warn", said, "the next 'meterloom ingest' sets them aside"))
    return found

"""Quarter hours completed late: rows refused as incomplete are resolved by the file that holds the whole quarter hour.

A later file of live samples tells everything that the earlier ones of its source and quarter hour told, and more.
"""

from pathlib import Path

from assets.readings.readers.live_format.sample_rows import points_by_line
from assets.readings.readers.live_format.samples import Samples
from assets.readings.sniff_files import FileRead
from assets.stores.ledgers.quarantine_ledger import QuarantineStore
from data_quality.contracts.errors import BadInput
from data_quality.contracts.text import file_name
from data_quality.contracts.time import Clock

REASON = "incomplete_quarter"


def resolve_completed(
    path: Path, read: FileRead, *, site_id: str, quarantine: QuarantineStore, batch_id: str, clock: Clock
) -> int:
    """Resolve items of earlier files of the same quarter hour whose points this one refuses no more. How many."""
    if read.reader.name != Samples.name:
        return 0
    name = file_name(path)
    stem = ".".join(name.split(".")[:2]) + "."
    waiting = [
        item
        for item in quarantine.items(site_id, is_open=True, reason=REASON)
        if item["source_name"].startswith(stem) and item["source_name"] != name and item["kept_path"]
    ]
    if not waiting:
        return 0
    points = points_by_line(path)
    lines = read.rejects.filter(read.rejects["reason"] == REASON)["source_line"]
    still = {points[line] for line in lines if line in points}
    done = []
    for item in waiting:
        try:
            before = points_by_line(quarantine.root / item["kept_path"])
        except (BadInput, OSError):
            # A copy that is gone or spoilt proves nothing: the item stays for a person.
            continue
        # A file that was refused whole, and a count of rows, stand for all of its points.
        mine = {before[item["line"]]} if item["kind"] == "row" and item["line"] in before else set(before.values())
        if mine <= set(points.values()) and not mine & still:
            done.append(item["item_id"])
    return quarantine.resolve(done, batch_id=batch_id, clock=clock)

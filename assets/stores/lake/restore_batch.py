"""Files of a batch written again as they were, from the source that they came from."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from assets.stores.lake.lake import BlockPlan, Lake, Stamp, path_of
from assets.stores.lake.lake_block import write_block
from assets.stores.lake.lake_files import fault_of
from assets.stores.lake.merges import Places, manifest_of_batch
from assets.stores.whole_file import appear_whole
from data_quality.contracts.errors import Unreachable


def restore_batch(lake: Lake, batch_id: str, plan: Callable[[Stamp], BlockPlan]) -> tuple[str, ...]:
    """Write the files of a batch again that are missing or altered, from what `plan` says under its old stamp.

    Returns their paths. Only the very rows that the manifest names appear, and in the very bytes that it names where
    the same library writes them. Raises Unreachable where `plan` gives others: then nothing has changed.
    """
    entries, wrong = lake.mended(Places(lake.store).placed(manifest_of_batch(lake.store, batch_id)))
    lost = lake.lost([row for row in entries if row["path"] not in wrong], lake.kept.size_bytes)
    if not wrong and not lost:
        return ()
    # A writer too: no manifest row names what it writes beside.
    with lake.writing():
        if wrong:
            _restore(lake, entries, plan, wrong)
        restored = tuple(sorted({*wrong, *lost}))
        for path in restored:
            lake.kept.reupload(path)
    return restored


def _restore(
    lake: Lake, entries: Sequence[Mapping[str, Any]], plan: Callable[[Stamp], BlockPlan], wrong: Mapping[str, str]
) -> None:
    stamp, wanted = Stamp(entries[0]["batch_id"], entries[0]["recorded_at_utc"]), dict(wrong)
    # Beside the damaged ones until every one is right: half a batch restored would be a third state.
    restored = {path: lake.root / f"{path}.restored" for path in wanted}
    try:
        for block in plan(stamp).blocks:
            relative = path_of(str(entries[0]["site_id"]), next(iter(block.days()))[0], stamp.batch_id)
            if relative in restored:
                appear_whole(restored[relative], partial(write_block, block))
                named = [each for each in entries if each["path"] == relative]
                if not fault_of(restored[relative], named, lake.seen):
                    wanted.pop(relative, None)
        if wanted:
            raise Unreachable(
                f"the lake's file {min(wanted)} {wanted[min(wanted)]}, and its source does not give it again as it "
                "was, since the site file or the reader changed: restore it from a backup"
            )
        for relative, path in restored.items():
            path.replace(lake.root / relative)
    finally:
        for path in restored.values():
            path.unlink(missing_ok=True)

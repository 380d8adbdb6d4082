"""Doctor's checks of rendered files and published marts: each against the digest kept when it was written."""

from typing import TYPE_CHECKING

from assets.stores.published.rendered_files import RenderedFiles
from orchestration.doctor.reachable import item

if TYPE_CHECKING:
    from assets.stores.warehouse.mart_digests import MartDigests

NAME = "reports"
MEND = "render it again ('meterloom report' or 'meterloom pack'), and find out who wrote to it"
SHOWN = 5


def check(files: RenderedFiles) -> list[dict[str, str]]:
    """A line for the files with each edited one by name, and one for those without a digest."""
    found = files.compare()
    if found.edited:
        found_lines = [item(NAME, "fail", f"edited since they were written: {_named(found.edited)}", MEND)]
    else:
        found_lines = [item(NAME, "ok", f"{len(found.whole)} rendered file(s) are as they were written")]
    if found.unknown:
        said = f"no digest is kept of {_named(found.unknown)}: older than digests, or not written by this program"
        found_lines.append(item(f"{NAME} unknown", "warn", said, "render them again"))
    return found_lines


def check_marts(digests: "MartDigests") -> list[dict[str, str]]:
    """A line for the published marts with each changed one by name, one for digests that the store does not know."""
    found = digests.compare()
    mend = f"delete {digests.marts_dir}/built_*.json: the next 'meterloom kpis' computes and publishes all marts again"
    lines = [item("marts", "ok", f"{found.whole} published file(s) are as they were written")] if found.whole else []
    if found.changed and found.is_publishing:
        said = f"a publication is under way or was broken off: {_named(found.changed)} do not fit their digests yet"
        lines = [item("marts", "warn", said, f"wait for it, or {mend}")]
    elif found.changed:
        lines = [item("marts", "fail", f"edited since they were published: {_named(found.changed)}", mend)]
    if found.unknown and not found.is_publishing:
        said = f"the store keeps no digest of {_named(found.unknown)}: of another store, or not written by this program"
        lines.append(item("marts unknown", "warn", said, f"delete them, and {mend}"))
    return lines


def _named(paths: tuple[str, ...]) -> str:
    more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    return ", ".join(paths[:SHOWN]) + more

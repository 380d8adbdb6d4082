"""What the doctor says of rendered reports and packs: each against the digest that was kept when it was written."""

from assets.stores.published.rendered_files import RenderedFiles
from orchestration.doctor.reachable import item

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


def _named(paths: tuple[str, ...]) -> str:
    more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    return ", ".join(paths[:SHOWN]) + more

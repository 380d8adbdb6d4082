"""A complete column map into the site file, which must still load and then read the file; whole or not at all."""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from assets.readings.drafts.map_draft import MapDraft
from assets.readings.sniff_files import read_file
from assets.sites.edit_site import EditRecord, rewritten, text_tag
from assets.sites.load_sites import load_site
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.yaml_file import with_item


def write_maps(
    site_file: Path,
    drafts: Sequence[tuple[Path, MapDraft]],
    *,
    now_utc: datetime,
    record: EditRecord | None,
    keep: Callable[[Site], object] = lambda _: None,
) -> int:
    """Put the maps of these files into the site file, comments and all else kept; returns how many were not there.
    record: as `rewritten` has it; keep: called with the site as it will be, before its file is replaced.

    Raises BadInput where a map is not complete, the site file would not load, or a file could not be read with it.
    """
    for path, draft in drafts:
        for question in draft.questions:
            more = len(draft.questions) - 1
            others = f" (and {more} more open)" if more else ""
            message = f"nothing is written while the map has an open question: {question.sentence}{others}"
            mend = "answer with --tz, --unit or --meter, or complete the map that sniff prints and give it with --map"
            raise BadInput(message, file=str(path), reason="open_question", mend=mend)
    seen, known, new = text_tag(site_file), list(load_site(site_file).column_maps), list[MapDraft]()
    for _, draft in drafts:
        if (mapping := draft.column_map()) not in known:
            known.append(mapping)
            new.append(draft)

    def change(text: str) -> str:
        for draft in new:
            text = with_item(text, "column_maps", "\n".join(draft.lines()), file=str(site_file))
        return text

    if new:
        with rewritten(site_file, load_site, change, record, seen=seen) as site:
            for path, _ in drafts:
                # With all maps of the site: another that is meant for the same names must not get in the way.
                read_file(path, site=site, now_utc=now_utc)
            keep(site)
    return len(new)

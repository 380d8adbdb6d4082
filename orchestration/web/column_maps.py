"""Column maps of kept uploads: what a file's table shows, and the map that a person makes of it in a form."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from assets.readings.drafts.drafting import draft_of
from assets.readings.drafts.map_draft import MapDraft, glob_of
from assets.readings.drafts.table_facts import look
from assets.readings.drafts.write_map import write_maps
from assets.readings.readers.reader_list import reader_for
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model_faults import did_you_mean, sentence_of
from data_quality.contracts.sentence import Sentence
from data_quality.contracts.site_file.site import ColumnMap, Site
from data_quality.contracts.text import one_line
from data_quality.contracts.time import zone
from data_quality.contracts.units import unit_of
from orchestration.operations.options import column_map
from orchestration.operations.signing import edit_record
from orchestration.web.problems import with_remedies
from orchestration.web.request_context import Context
from orchestration.web.site_texts import site_file_of, store_replaced_versions
from orchestration.web.upload_store import UploadStore
from orchestration.web.web_call import WebCall
from reports.pages.reading_upload import MappableTable

# Of a draft for other columns the layout of the file alone holds.
_LAYOUT = ("sheet", "header_line", "data_line", "encoding", "decimal", "thousands")
# What belongs to a column of times, as long as it is the one that was found.
_OF_TIMES = ("clock", "clock_from", "date_columns", "interval_minutes", "label", "midnight", "date_formats")


def mappable_table(path: Path, site: Site | None, mapping: ColumnMap | None) -> MappableTable:
    """Columns of a file with the map of a person, else the drafted one; no columns where no table is found. site: none
    where the file is to make one.
    """
    columns: tuple[str, ...] = ()
    draft: dict[str, Any] = {}
    # What is no table at all is refused by its reader, with a sentence.
    with suppress(BadInput):
        if (found := look(path)) is not None:
            columns = tuple(dict.fromkeys([*found.frame.columns, *filter(None, [found.clock])]))
            draft = draft_of(found, path.name, site=site).keys
        else:
            columns = tuple(dict.fromkeys(reader_for(path).header(path)))
    made = mapping and {"timestamp": mapping.timestamp} | mapping.model_dump(mode="json", exclude_defaults=True)
    keys = made or draft
    return MappableTable(path.name, columns, {name: value for name, value in keys.items() if name != "match"})


def store_column_map(ctx: Context, uploads: UploadStore, site: Site | None) -> str:
    """Keep the map that the form makes of one file of an upload, by whose key it is found. Raises BadInput."""
    kept, name = ctx.form.get("kept", ""), ctx.form.get("file", "")
    file = next((each for each in uploads.files(kept) if each.name == name), None)
    if file is None:
        raise BadInput(f"no file {name[:60]!r} is in this upload", reason="no_upload", mend="choose the file again")
    made = _mapped(mappable_table(file, site, column_map(uploads.map_of(kept, file))), site, ctx.form)
    uploads.keep_map(kept, file, made.model_dump_json(exclude_defaults=True))
    return kept


def keep_for_later(ctx: Context, site: Site, files: Sequence[Path], mapping: ColumnMap) -> None:
    """Put the map into the site file for files of such names, as the editor of that file keeps it. Raises BadInput for
    a file that the site's maps would not read.
    """
    held = site_file_of(ctx, site.site_id)
    drafts = [
        (path, MapDraft(keys=for_later(mapping, path).model_dump(mode="json", exclude_defaults=True)))
        for path in files
    ]  # fmt: skip
    with with_remedies({"cannot_patch": "accept the file without the box “Use for later files”"}):
        record = edit_record(WebCall(ctx), site.site_id)
        write_maps(
            held.path, drafts, now_utc=ctx.now_utc, record=record, keep=partial(store_replaced_versions, ctx, held)
        )


def for_later(mapping: ColumnMap, file: Path) -> ColumnMap:
    """The map as the site file holds it: for all files that are called so with other dates."""
    return mapping.model_copy(update={"match": glob_of(file.name)})


def _mapped(mappable: MappableTable, site: Site | None, form: Mapping[str, str]) -> ColumnMap:
    """The map that a form makes of a file. Raises BadInput for a column, meter, unit, zone or format that is none."""
    sent = {
        name: form.get(name, "").strip() for name in ("timestamp", "value", "meter", "of", "unit", "zone", "format")
    }
    is_found = sent["timestamp"] == mappable.keys.get("timestamp")
    is_drafted, held = not sent["value"] and is_found, (*_LAYOUT, *(_OF_TIMES if is_found else ()))
    keys = {name: each for name, each in mappable.keys.items() if is_drafted or name in held}
    keys["timestamp"] = _column(mappable, sent["timestamp"], "Time column")
    if sent["value"]:
        value = _column(mappable, sent["value"], "Value column")
        if sent["of"]:
            keys |= {"value": value, "meter": _column(mappable, sent["of"], "Or the column of meters")}
            keys |= {"meters": mappable.keys["meters"]} if keys["meter"] == mappable.keys.get("meter") else {}
        elif site is None:
            # Of a site that is yet to be made the name is free; a point would part meter and register.
            keys["values"] = {value: one_line(sent["meter"] or value, 60).replace(".", " ")}
        elif sent["meter"] in site.stream_ids():
            keys["values"] = {value: sent["meter"]}
        else:
            message = Sentence(
                "{0}: {1} is not of this site; choose one, or the column of meters", Sentence("Meter"),
                repr(one_line(sent["meter"], 60)),
            )  # fmt: skip
            raise BadInput(message, reason="unknown_meter")
    elif not is_drafted:
        raise BadInput(Sentence("{0}: choose one", Sentence("Value column")), reason="missing_column")
    if sent["unit"]:
        keys["unit"] = sent["unit"] if sent["unit"] in mappable.columns else unit_of(sent["unit"]).code
    if sent["zone"]:
        keys["zone"] = zone(sent["zone"]).key
    if sent["format"]:
        keys = {name: each for name, each in keys.items() if name != "date_formats"} | {"date_format": sent["format"]}
    try:
        return ColumnMap.model_validate(keys)
    except ValidationError as fault:
        raise BadInput(sentence_of(fault.errors()[0]), reason="bad_map") from fault


def _column(mappable: MappableTable, name: str, label: str) -> str:
    if name and (name in mappable.columns or not mappable.columns):
        return name
    shown = ", ".join(one_line(each, 40) for each in mappable.columns) or Sentence("none that could be read")
    near = did_you_mean(name, list(mappable.columns)) if name else ""
    message = Sentence(
        "{0}: {1} has no column {2}; its columns are {3}", Sentence(label), one_line(mappable.file, 60),
        repr(one_line(name, 40)), shown,
    )  # fmt: skip
    raise BadInput(message, reason="missing_column", mend=near)

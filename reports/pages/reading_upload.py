"""Meter files on their way in: choosing them, what each would change, and which published reports become outdated."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from pathlib import PurePath
from typing import Any, NamedTuple

from assets.readings.ingest.preview import FilePreview, RowChange
from data_quality.contracts.errors import BadRow
from data_quality.contracts.sentence import Sentence, Text, sentences
from data_quality.contracts.text import one_line
from data_quality.contracts.time import zone
from reports.pages.address import Address
from reports.pages.page import FileLine, Form, Input, Look, PageBlock, Upload
from reports.report_content import Cell, Column, Paragraph, Table, Tone, table
from reports.texts.locales import MISSING, format_number, named, short_date, unit_text
from reports.writer import words

PREVIEW, ACCEPT, MAP = "/data/preview", "/data/accept", "/data/map"
# Field of a checked box.
LATER = "later.map"
MOST_READINGS_MB = 64
# Names of meters that one line of a file shows.
_SHOWN = 3
_STATES: Mapping[str, tuple[Text, Tone]] = {
    "queued": ("Figures are being calculated. This page opens again by itself.", "caution"),
    "running": ("Figures are being calculated. This page opens again by itself.", "caution"),
    "done": ("All figures are calculated.", "good"),
    "failed": ("The figures could not be calculated. Run: meterloom check", "bad"),
}
_CHANGES: Mapping[str, Text] = {"new": "new", "corrected": "correction", "unchanged": "unchanged"}


class MappableTable(NamedTuple):
    """A table that is not read as it is. columns: of its header, none where no table was found; keys: of the column map
    that a person made of it, or of the drafted one.
    """

    file: str
    columns: tuple[str, ...]
    keys: Mapping[str, Any]


def upload_blocks(
    address: Address,
    site_id: str,
    previews: Sequence[FilePreview],
    *,
    kept: str,
    meters: Mapping[str, str],
    time_zone: str,
    calculation: str = "",
    mappable: Sequence[MappableTable] = (),
    patterns: Sequence[str] = (),
) -> tuple[PageBlock, ...]:
    """The place for files and, of those that were sent, what they would change. kept: the key of the upload; meters:
    names by id; calculation: state of the job that makes the figures of what was accepted, empty for none; mappable:
    tables of them whose columns a person may map; patterns: of the names of files that maps of this upload are for.
    """
    files = tuple(_line(each, meters, address.locale) for each in previews)
    accept = _accept(previews, site_id, kept, patterns, address) if previews else None
    shown = Upload(title="Upload", form=_choose(site_id, address), files=files, accept=accept)
    outdated = sorted({each.scope for one in previews for each in one.report.findings if each.code == "closed_period"})
    more: list[PageBlock] = [_rows(previews, meters, time_zone, address.locale)] if previews else []
    place = address.href(MAP, site=site_id)
    more += [map_form(each, place, kept=kept, meters=meters, time_zone=time_zone) for each in mappable]
    if outdated:
        stale = Sentence(
            "Published reports become outdated: {0}. Each needs a new revision.", named(", ".join(outdated))
        )
        more.append(Paragraph(text=stale, tone="caution"))
    if previews and all(each.report.is_repeat for each in previews) and calculation in _STATES:
        text, tone = _STATES[calculation]
        more.append(Paragraph(text=text, tone=tone))
    return (shown, *more)


def _choose(site_id: str, address: Address) -> Form:
    hint = Sentence("CSV, XLSX, Parquet, EDI and more, at most {0} MB together", MOST_READINGS_MB)
    field = Input(name="file", label="Meter files", kind="file", is_required=True, hint=hint, most_mb=MOST_READINGS_MB)
    return Form(
        key="upload", title="Drop meter files here", action=address.href(PREVIEW, site=site_id), fields=(field,),
        submit="Show preview", note="Nothing is stored before you accept it.",
    )  # fmt: skip


def map_form(mappable: MappableTable, action: str, *, kept: str, meters: Mapping[str, str], time_zone: str) -> Form:
    """The columns of a table by what they are; what is chosen already is as the map has it. meters: names by id; none
    where the meter is named by the person.
    """
    keys, values = mappable.keys, mappable.keys.get("values", {})
    columns = tuple((each, named(one_line(each, 60))) for each in mappable.columns)
    value = keys.get("value") or (next(iter(values)) if len(values) == 1 else "")
    drafted: tuple[str, Text] = ("", Sentence("{0} columns as proposed", len(values)) if len(values) > 1 else "–")
    streams = tuple((each, named(name)) for each, name in meters.items())

    def column(name: str, label: str, chosen: str, none: tuple[tuple[str, Text], ...] = ()) -> Input:
        if not columns:
            return Input(name=name, label=label, value=chosen)
        return Input(name=name, label=label, kind="select", options=(*none, *columns), value=chosen)

    fields = (
        Input(name="kept", kind="hidden", value=kept),
        Input(name="file", kind="hidden", value=mappable.file),
        column("timestamp", "Time column", keys.get("timestamp", "")),
        column("value", "Value column", value, (drafted,)),
        Input(name="meter", label="Meter of the values", kind="select" if streams else "text",
              options=(("", "–"), *streams) if streams else (),
              value=str(values.get(value, "")).partition(".")[0] or (streams[0][0] if len(streams) == 1 else "")),
        column("of", "Or the column of meters", keys.get("meter") or "", (("", "–"),)),
        Input(name="unit", label="Unit", value=keys.get("unit") or keys.get("units", {}).get(value, ""),
              hint="as kwh or kw, or the column of units"),
        Input(name="zone", label="Time zone", value=keys.get("zone") or time_zone, hint="of times without offset"),
        Input(name="format", label="Time format", value=keys.get("date_format") or "",
              hint="as %d.%m.%Y %H:%M, where it is not found by itself"),
    )  # fmt: skip
    # Without meters of a site the map is of its first files, whose meters are shown next.
    file, submit = mappable.file, "Show preview" if meters else "Show meters"
    return Form(
        key=f"map-{sha256(file.encode()).hexdigest()[:8]}", title=Sentence("Map columns of {0}", file),
        action=action, fields=fields, submit=submit,
        note="The file is read by this map. Nothing is stored before you accept it.",
    )  # fmt: skip


def _accept(
    previews: Sequence[FilePreview], site_id: str, kept: str, patterns: Sequence[str], address: Address
) -> Form | None:
    """The act, where any file would change something or has rows to keep."""
    new = [each.report for each in previews if each.report.verdict != "reject" and not each.report.is_repeat]
    rows = format_number(sum(each.accepted_rows for each in new), decimals=0, locale=address.locale)
    if not new:
        return None
    label = Sentence("Accept {0} rows", rows)
    refused = sum(each.rejected_rows for each in new)
    box = Input(
        name="later", label="Column map", kind="checks", options=(("map", "Use for later files"),), value="map",
        hint=named(", ".join(dict.fromkeys(patterns))),
    )  # fmt: skip
    later = (box,) if patterns else ()
    note: Text = Sentence("{0} rejected rows go to quarantine.", refused) if refused else ""
    return Form(
        title=label, action=address.href(ACCEPT, site=site_id), note=note,
        fields=(Input(name="kept", kind="hidden", value=kept), *later),
    )  # fmt: skip


def _line(preview: FilePreview, meters: Mapping[str, str], locale: str) -> FileLine:
    report = preview.report
    name = named(PurePath(report.path).name)
    if report.verdict == "reject":
        return FileLine(name=name, about=named(_bare(report.message, report.path)), state="Rejected", look="bad")
    streams = list(dict.fromkeys(each.meter for each in report.channels))
    listed = ", ".join(meters.get(each, each) for each in streams[:_SHOWN])
    rest = len(streams) - _SHOWN
    of: Text = named(listed) if rest <= 0 else Sentence("{0} and {1} more", named(listed), rest)
    count = Sentence("{0} rows", format_number(report.accepted_rows, decimals=0, locale=locale))
    about = sentences((count, of), " · ") if listed else count
    states: tuple[Text, Look] = ("Readable", "good")
    if report.is_repeat:
        states = ("Stored", "info")
    elif report.rejected_rows:
        states = (Sentence("{0} rows rejected", report.rejected_rows), "warn")
    return FileLine(name=name, about=about, state=states[0], look=states[1])


def _bare(message: str, path: str) -> str:
    """A sentence about a file by the name that its sender knows."""
    return message.replace(path, PurePath(path).name)


def _rows(previews: Sequence[FilePreview], meters: Mapping[str, str], time_zone: str, locale: str) -> Table:
    columns = ("Line", "Time", "Meter", Column(title="Value", is_number=True), "Check")
    rows = [
        row
        for each in previews
        for row in (*_refused(each.refused), *_changed(each.changes, meters, time_zone, locale))
    ]  # fmt: skip
    return table("preview", _summary(previews, locale), columns, rows)


def _summary(previews: Sequence[FilePreview], locale: str) -> Text:
    """Changes to come, counted; quarter hours, but for rejected rows."""
    reports = [each.report for each in previews]
    counts = [
        (sum(each.new_rows for each in reports), "{0} new"),
        (sum(each.corrected_rows for each in reports), "{0} corrected"),
        (sum(each.unchanged_rows for each in reports), "{0} unchanged"),
        (sum(each.rejected_rows for each in reports), "{0} rejected"),
    ]
    shown = [Sentence(text, format_number(count, decimals=0, locale=locale)) for count, text in counts if count]
    if all(each.is_repeat for each in reports):
        return Sentence("Preview: {0}", "stored already, nothing changes")
    return Sentence("Preview: {0}", sentences(shown, " · ") if shown else "nothing can be used")


def _refused(rows: Sequence[BadRow]) -> Iterator[tuple[Cell | Text, ...]]:
    for each in rows:
        why = Sentence("rejected: {0}", words(each.reason))
        texts = (str(each.line), MISSING, MISSING, named(one_line(each.got, 30)), why)
        yield tuple(Cell(text=text, tone="bad") for text in texts)


def _changed(
    rows: Sequence[RowChange], meters: Mapping[str, str], time_zone: str, locale: str
) -> Iterator[tuple[Cell | Text, ...]]:
    for each in rows:
        value = f"{_number(each.value, locale)} {unit_text(each.unit)}"
        check: Text = _CHANGES[each.change]
        if each.before is not None:
            check = Sentence("correction, was {0}", _number(each.before, locale))
        tone: Tone = "caution" if each.change == "corrected" else "good" if each.change == "new" else "muted"
        yield (
            str(each.line), _local(each.start_utc, time_zone, locale),
            named(meters.get(each.meter_id, each.meter_id)), value, Cell(text=check, tone=tone),
        )  # fmt: skip


def _number(value: float, locale: str) -> str:
    return format_number(value, decimals=3, locale=locale)


def _local(at_utc: datetime, time_zone: str, locale: str) -> str:
    local = at_utc.astimezone(zone(time_zone))
    return f"{short_date(local, locale)}, {local:%H:%M}"

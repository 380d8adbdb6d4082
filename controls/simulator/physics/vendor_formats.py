"""Bytes of the formats that meter operators send: Green Button, workbook, separated text.

The same input gives the same bytes.
"""

import io
import zipfile
from collections.abc import Sequence
from xml.sax.saxutils import escape

import polars as pl

_ATOM, _ESPI = "http://www.w3.org/2005/Atom", "http://naesb.org/espi"
# The first instant that a ZIP entry can carry: a workbook made twice is the same bytes.
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
_SHEET_NS = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_DOC_REL = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE_REL = "http://schemas.openxmlformats.org/package/2006/relationships"
_TYPES_NS = "http://schemas.openxmlformats.org/package/2006/content-types"
_QUARTER_S = 900
_XML = '<?xml version="1.0" encoding="UTF-8"?>\n'


def csv_bytes(frame: pl.DataFrame, *, separator: str = ",", decimal_comma: bool = False) -> bytes:
    """Separated text with a header; times in ISO 8601 with Z, texts as they are, nulls empty."""
    return frame.write_csv(
        separator=separator, decimal_comma=decimal_comma, datetime_format="%Y-%m-%dT%H:%M:%SZ"
    ).encode()


def green_button(usage_point: str, readings: Sequence[tuple[dict[str, int], pl.DataFrame]]) -> bytes:
    """A Green Button document (ESPI Atom) of one usage point.

    readings: the leaves of each ReadingType (uom, flowDirection, …), and the rows: start_s (epoch seconds), value
    (whole) of a quarter hour. One MeterReading each.
    """
    base = f"/espi/1_1/resource/UsagePoint/{usage_point}"
    # ServiceKind 0 is electricity.
    service = "<ServiceCategory><kind>0</kind></ServiceCategory>"
    parts = [_XML, f'<feed xmlns="{_ATOM}">\n', _entry([("self", base)], "UsagePoint", service)]
    for number, (leaves, rows) in enumerate(readings, start=1):
        meter, kind = f"{base}/MeterReading/{number}", f"/espi/1_1/resource/ReadingType/{usage_point}-{number}"
        links = [("self", meter), ("related", f"{meter}/IntervalBlock"), ("related", kind)]
        parts.append(_entry([*links, ("up", f"{base}/MeterReading")], "MeterReading", ""))
        inner = "".join(f"<{name}>{value}</{name}>" for name, value in sorted(leaves.items()))
        parts.append(_entry([("self", kind)], "ReadingType", inner))
        lines = rows.select(
            pl.format(
                "<IntervalReading><timePeriod><duration>{}</duration><start>{}</start></timePeriod>"
                "<value>{}</value></IntervalReading>",
                pl.lit(_QUARTER_S),
                "start_s",
                "value",
            )
        ).to_series()
        start, end = rows["start_s"][0], rows["start_s"][-1] + _QUARTER_S
        interval = f"<interval><duration>{end - start}</duration><start>{start}</start></interval>\n"
        links = [("self", f"{meter}/IntervalBlock/1"), ("up", f"{meter}/IntervalBlock")]
        parts.append(_entry(links, "IntervalBlock", interval + "\n".join(lines.to_list()) + "\n"))
    parts.append("</feed>\n")
    return "".join(parts).encode()


def _entry(links: list[tuple[str, str]], kind: str, inner: str) -> str:
    shown = "".join(f'<link rel="{rel}" href="{escape(href)}"/>' for rel, href in links)
    return f'<entry>{shown}<content><{kind} xmlns="{_ESPI}">{inner}</{kind}></content></entry>\n'


def workbook(sheet: str, frame: pl.DataFrame) -> bytes:
    """A workbook of one sheet: header row, then texts as texts and numbers as numbers; nulls are empty cells."""
    rows = [_row(1, frame.columns), *(_row(number, row) for number, row in enumerate(frame.iter_rows(), start=2))]
    office, rels = (
        "application/vnd.openxmlformats-officedocument.spreadsheetml",
        "application/vnd.openxmlformats-package",
    )
    entries = {
        "[Content_Types].xml": f'<Types xmlns="{_TYPES_NS}">'
        f'<Default Extension="rels" ContentType="{rels}.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{office}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{office}.worksheet+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE_REL}">'
        f'<Relationship Id="rId1" Type="{_DOC_REL}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{_SHEET_NS}" xmlns:r="{_DOC_REL}">'
        f'<sheets><sheet name="{escape(sheet)}" sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE_REL}">'
        f'<Relationship Id="rId1" Type="{_DOC_REL}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{_SHEET_NS}">'
        f"<sheetData>{''.join(rows)}</sheetData></worksheet>",
    }
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        # By ZipInfo, so that no clock of the writing machine gets into the bytes.
        for name, text in entries.items():
            archive.writestr(zipfile.ZipInfo(name, _ZIP_TIME), _XML + text, zipfile.ZIP_DEFLATED)
    return target.getvalue()


def _row(number: int, cells: Sequence[object]) -> str:
    # Letters enough for 26 columns, which no sender here exceeds.
    named = [(f"{chr(ord('A') + place)}{number}", value) for place, value in enumerate(cells)]
    shown = [_cell(place, value) for place, value in named if value is not None]
    return f'<row r="{number}">{"".join(shown)}</row>'


def _cell(place: str, value: object) -> str:
    if isinstance(value, int | float):
        return f'<c r="{place}"><v>{value!r}</v></c>'
    # Inline texts: a shared string table would be a second pass and one more file.
    return f'<c r="{place}" t="inlineStr"><is><t>{escape(str(value))}</t></is></c>'

"""Bytes of the formats that meter operators send: Green Button, workbook, separated text.

The same input gives the same bytes.
"""

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from xml.sax.saxutils import escape

import polars as pl

_ATOM, _ESPI = "http://www.w3.org/2005/Atom", "http://naesb.org/espi"
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


def workbook(frame: pl.DataFrame) -> bytes:
    """A workbook of one sheet: header row, then texts as texts and numbers as numbers; nulls are empty cells."""
    import xlsxwriter

    target = io.BytesIO()
    with xlsxwriter.Workbook(target, {"in_memory": True}) as book:
        # A time of its own, so that no clock of the writing machine gets into the bytes.
        book.set_properties({"created": datetime(1980, 1, 1, tzinfo=UTC)})
        sheet = book.add_worksheet("Readings")
        for number, cells in enumerate([frame.columns, *frame.iter_rows()]):
            sheet.write_row(number, 0, cells)
    return target.getvalue()

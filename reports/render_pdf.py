"""The report as a PDF: page furniture, watermark, sections in order. Same content, same bytes."""

import io
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any

from reports.content.model import Block, Chart, Paragraph, ReportContent, Section, Table, Tiles
from reports.render_pdf_charts import draw_chart
from reports.render_pdf_style import (
    ACCENT,
    FONT,
    FONT_BOLD,
    MARGIN_PT,
    MUTED,
    RULE,
    TONES,
    markup,
    paragraph_style,
    printable,
)
from reports.render_pdf_tables import LONG_TABLE_ROWS, draw_table, draw_tiles

if TYPE_CHECKING:
    from reportlab.pdfgen.canvas import Canvas

_HEAD_PT, _FOOT_PT = 34.0, 30.0
_CHART_PT = {"bars": 168.0, "lines": 98.0}
WATERMARK = "SYNTHETIC DATA"


def render_pdf(content: ReportContent) -> bytes:
    """The PDF's bytes, A4 portrait."""
    from reportlab.lib.pagesizes import A4
    from reportlab.platypus import BaseDocTemplate, Frame, PageTemplate

    buffer = io.BytesIO()
    document = BaseDocTemplate(
        buffer,
        pagesize=A4,
        title=printable(f"{content.title} {content.site_name} {content.period}"),
        author=printable(content.site_name),
        subject=f"{content.report_id} revision {content.revision}",
        creator="Meterloom",
        # Fixed dates and ids inside the file: bytes depend on the content alone.
        invariant=1,
    )
    width, height = A4
    frame = Frame(
        MARGIN_PT,
        MARGIN_PT + _FOOT_PT - 14,
        width - 2 * MARGIN_PT,
        height - 2 * MARGIN_PT - _HEAD_PT - _FOOT_PT + 24,
        leftPadding=0,
        rightPadding=0,
        topPadding=0,
        bottomPadding=0,
    )
    document.addPageTemplates(
        [PageTemplate(id="page", frames=[frame], onPage=lambda canvas, _document: _furnish(canvas, content))]
    )
    document.build(_story(content, width - 2 * MARGIN_PT), canvasmaker=_numbered_canvas())
    return buffer.getvalue()


def _story(content: ReportContent, width: float) -> list[Any]:
    from reportlab.platypus import CondPageBreak, PageBreak
    from reportlab.platypus import Paragraph as Text

    story: list[Any] = _title(content)
    heading = paragraph_style("heading", size=13, font=FONT_BOLD, color=ACCENT, spaceAfter=6, keepWithNext=1)
    for index, section in enumerate(content.sections):
        if not section.blocks:
            continue
        if section.starts_page:
            story.append(PageBreak())
        elif index:
            story.append(CondPageBreak(_CHART_PT["bars"] + 40))
        if index:
            story.append(Text(markup(section.title), heading))
        story.extend(_section(section, width))
    return story


def _section(section: Section, width: float) -> list[Any]:
    from reportlab.platypus import KeepTogether

    story: list[Any] = []
    waiting: list[Any] = []
    for index, block in enumerate(section.blocks):
        following = section.blocks[index + 1] if index + 1 < len(section.blocks) else None
        waiting.extend(_block(block, width))
        # A table and the chart that follows it belong on one page.
        if isinstance(block, Table) and isinstance(following, Chart):
            continue
        is_long = isinstance(block, Table) and len(block.rows) > LONG_TABLE_ROWS
        story.extend(waiting if is_long else [KeepTogether(waiting)])
        waiting = []
    return story


def _block(block: Block, width: float) -> list[Any]:
    from reportlab.platypus import Paragraph as Text
    from reportlab.platypus import Spacer

    if isinstance(block, Table):
        return draw_table(block, width=width)
    if isinstance(block, Tiles):
        return draw_tiles(block, width=width)
    if isinstance(block, Chart):
        return [draw_chart(block, width=width, height=_CHART_PT[block.shape]), Spacer(1, 14)]
    assert isinstance(block, Paragraph)  # noqa: S101 - the closed union of blocks
    font = FONT if block.tone == "plain" else FONT_BOLD
    style = paragraph_style("text", size=8.8, leading=11.8, font=font, color=TONES[block.tone], spaceAfter=6)
    return [Text(markup(block.text), style)]


def _title(content: ReportContent) -> list[Any]:
    from reportlab.platypus import Paragraph as Text

    last = content.end - timedelta(days=1)
    facts = (
        f"{content.start:%d %B %Y} to {last:%d %B %Y}, local days of {content.time_zone}. As known at "
        f"{content.as_of_utc.astimezone(UTC):%Y-%m-%d %H:%M} UTC. Revision {content.revision}, {content.status}."
    )
    return [
        Text(
            markup(f"{content.site_name}: {content.title.lower()}, {content.period}"),
            paragraph_style("cover", size=17, font=FONT_BOLD, color=ACCENT, spaceAfter=3),
        ),
        Text(markup(facts), paragraph_style("facts", size=8, color=MUTED, spaceAfter=9)),
    ]


def _furnish(canvas: "Canvas", content: ReportContent) -> None:
    """Head line, foot line without the page number, and the watermark under everything."""
    from reportlab.lib.colors import HexColor
    from reportlab.lib.pagesizes import A4

    width, height = A4
    canvas.saveState()
    if content.is_synthetic:
        canvas.saveState()
        canvas.setFillColor(HexColor("#B2182B"))
        canvas.setFillAlpha(0.08)
        canvas.translate(width / 2, height / 2)
        canvas.rotate(52)
        canvas.setFont(FONT_BOLD, 78)
        canvas.drawCentredString(0, -24, WATERMARK)
        canvas.restoreState()
    canvas.setFont(FONT_BOLD, 7.5)
    canvas.setFillColor(HexColor(ACCENT))
    top = height - MARGIN_PT + 4
    canvas.drawString(MARGIN_PT, top, printable(f"{content.title} · {content.site_name}"))
    canvas.drawRightString(width - MARGIN_PT, top, printable(_mark(content)))
    canvas.setStrokeColor(HexColor(RULE))
    canvas.setLineWidth(0.6)
    canvas.line(MARGIN_PT, top - 6, width - MARGIN_PT, top - 6)
    foot = MARGIN_PT - 4
    canvas.line(MARGIN_PT, foot + 11, width - MARGIN_PT, foot + 11)
    canvas.setFont(FONT, 7)
    canvas.setFillColor(HexColor(MUTED))
    place = f"{content.report_id} · revision {content.revision} · Ref. numbers: register of figures"
    canvas.drawString(MARGIN_PT, foot, printable(place))
    canvas.restoreState()


def _mark(content: ReportContent) -> str:
    marks = [content.period]
    if content.is_synthetic:
        marks.append(WATERMARK)
    if content.status == "draft":
        marks.append("DRAFT")
    return " · ".join(marks)


def _numbered_canvas() -> type:
    """A canvas class that prints "page x of y" when all pages are known."""
    from reportlab.lib.colors import HexColor
    from reportlab.lib.pagesizes import A4
    from reportlab.pdfgen.canvas import Canvas

    class NumberedCanvas(Canvas):  # type: ignore[misc]
        """Keeps each page until the count is known."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._pages: list[dict[str, Any]] = []

        def showPage(self) -> None:  # noqa: N802 - reportlab's name
            self._pages.append(dict(self.__dict__))
            self._startPage()

        def save(self) -> None:
            for number, page in enumerate(self._pages, start=1):
                self.__dict__.update(page)
                self.setFont(FONT, 7)
                self.setFillColor(HexColor(MUTED))
                self.drawRightString(A4[0] - MARGIN_PT, MARGIN_PT - 4, f"Page {number} of {len(self._pages)}")
                super().showPage()
            super().save()

    return NumberedCanvas

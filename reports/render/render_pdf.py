"""The report as a PDF: page furniture, watermark, sections in order. Same content, same bytes."""

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from data_quality.contracts.sentence import Sentence
from reports.content.register import KEY as REGISTER
from reports.content.register import register_table
from reports.render.chart_description import chart_description
from reports.render.heading import facts_text, span_text, title_text
from reports.render.render_pdf_charts import draw_chart
from reports.render.render_pdf_fonts import FONT, FONT_BOLD
from reports.render.render_pdf_picture import figure_of
from reports.render.render_pdf_style import ACCENT, MARGIN_PT, MUTED, RULE, TONES, paragraph_style
from reports.render.render_pdf_tables import LONG_TABLE_ROWS, draw_table, draw_tiles
from reports.render.render_pdf_tags import DocumentProperties, Element, Tags, furnished, tagged, text_of
from reports.render.render_pdf_text import clean, draw_text, fitted, lines_markup, printable, text_width
from reports.report_content import Block, Chart, Paragraph, Register, ReportContent, Section, Table, Tiles
from reports.texts.locales import language_of, page_word, word

if TYPE_CHECKING:
    from reportlab.pdfgen.canvas import Canvas

_HEAD_PT, _FOOT_PT = 34.0, 30.0
_WIDTH_PT = 595.27 - 2 * MARGIN_PT
# Points of height that a page has for the report's blocks.
_ROOM_PT = 841.89 - 2 * MARGIN_PT - _HEAD_PT - _FOOT_PT + 24
_MOST_SPARE_PT, _MOST_GIVEN_PT = 90.0, 50.0
_CHART_PT = {"bars": 148.0, "lines": 128.0, "waterfall": 148.0, "heat": 132.0, "flows": 150.0}
_BESIDE_PT = 118.0
# White below the last line of a block, which is no use of a page.
_BELOW_PT = 20.0
# A heading and the beginning of what it is about.
_LEAST_PT = 110.0
_CODE_PT = 46.0
WATERMARK = "SYNTHETIC DATA"
# Of the title and of each section, in order: it is the appendix; its flowables.
_Story = list[tuple[bool, list[Any]]]


def render_print(content: ReportContent) -> bytes:
    """The PDF without its appendix, the register of figures, for whoever prints it."""
    sections = [section for section in content.sections if section.key != REGISTER]
    return render_pdf(content.model_copy(update={"sections": tuple(sections)}))


def render_pdf(content: ReportContent, *, is_tagged: bool = True) -> bytes:
    """The PDF's bytes, A4 portrait. is_tagged: False for a measurement of what the tags cost."""
    from reportlab import rl_config

    # Compressed streams stay binary: written as text they take longer to make than the pages themselves.
    rl_config.useA85 = 0
    buffer, tags, spare = io.BytesIO(), Tags(content.spoken), dict[str, float]()
    canvas = partial(_canvas_class(), content.spoken, tags if is_tagged else None)
    # What stands on the pages, in order; each block's element is added below `root`. spare: asked when it is drawn.
    from reportlab.platypus import CondPageBreak

    story: _Story = [(False, _title(content, _WIDTH_PT, tags.root))]
    for index, section in enumerate(content.sections):
        if not section.blocks:
            continue
        # Where less than half a page is left: a page that is not half full yet goes on.
        drawn: list[Any] = [CondPageBreak(_ROOM_PT / 2 - _BELOW_PT)] if section.starts_page else []
        part, head = tags.root.add("Sect"), list[Any]()
        if index and section.title:
            style = paragraph_style("heading", size=13, font=FONT_BOLD, color=ACCENT, spaceAfter=6)
            named = part.add("H2", section.title, title=section.title)
            head = [text_of(named, lines_markup(section.title, FONT_BOLD, 13, _WIDTH_PT), style)]
        # The section with the register of figures as the table that it is on paper.
        blocks = tuple(
            register_table(each, content.figures, content.spoken) if isinstance(each, Register) else each
            for each in section.blocks
        )
        drawn += _section(section.model_copy(update={"blocks": blocks}), part, _WIDTH_PT, head, spare)
        story.append((_is_appendix(section), drawn))
    spare |= _spare(content, story)
    document = _document(buffer, content)
    document.build([each for _, drawn in story for each in drawn], canvasmaker=canvas)
    about = DocumentProperties(_name(content), document.subject, clean(content.site_name), language_of(content.spoken))
    return tagged(buffer.getvalue(), tags, about) if is_tagged else buffer.getvalue()


def _name(content: ReportContent) -> str:
    return clean(f"{content.title} {content.site_name} {content.period}")


def _document(buffer: io.BytesIO, content: ReportContent, *, is_measured: bool = False) -> Any:
    """Pages of one frame each, which keep how many points each of them left empty. is_measured: nothing is drawn."""
    from reportlab.lib.pagesizes import A4
    from reportlab.platypus import Frame, PageTemplate

    document = _document_class()(
        buffer,
        pagesize=A4,
        title=_name(content),
        author=clean(content.site_name),
        subject=f"{content.report_id} revision {content.revision}",
        creator="Meterloom",
        lang=language_of(content.spoken),
        initialFontName=FONT,
        # Fixed dates and ids inside the file: bytes depend on the content alone.
        invariant=1,
    )
    paddings = dict.fromkeys(("leftPadding", "rightPadding", "topPadding", "bottomPadding"), 0)
    kind = _measuring_frame() if is_measured else Frame
    frame = kind(MARGIN_PT, MARGIN_PT + _FOOT_PT - 14, _WIDTH_PT, _ROOM_PT, **paddings)
    on_page = {} if is_measured else {"onPage": lambda canvas, _document: _furnish(canvas, content)}
    document.addPageTemplates([PageTemplate(id="page", frames=[frame], **on_page)])
    return document


@lru_cache
def _measuring_frame() -> type:
    from reportlab.platypus import Frame

    class MeasuringFrame(Frame):  # type: ignore[misc]
        """Takes what has room, as every frame does, and leaves the paper empty."""

        def add(self, flowable: Any, canv: Any, trySplit: int = 0) -> Any:  # noqa: N803 - reportlab's name
            """As the library's; the flowable draws itself again afterwards."""
            flowable.drawOn = lambda *_args, **_kwargs: None
            try:
                return super().add(flowable, canv, trySplit)
            finally:
                del flowable.drawOn

    return MeasuringFrame


@lru_cache
def _document_class() -> type:
    from reportlab.platypus import BaseDocTemplate

    class Document(BaseDocTemplate):  # type: ignore[misc]
        """Knows of each page what was left, and on which page each chart stands."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.left: dict[int, float] = {}
            self.charts: dict[str, int] = {}

        def measure(self, story: list[Any]) -> None:
            """Lay out what another document then draws: undone is what multiBuild of the library undoes."""
            edits: list[Any] = []
            self._multiBuildEdits = edits.append
            self.build(story)
            for undo, *given in edits:
                undo(*given)

        def handle_pageEnd(self) -> None:  # noqa: N802 - reportlab's name
            self.left[self.page] = self.frame._y - self.frame._y1p
            super().handle_pageEnd()

        def afterFlowable(self, flowable: Any) -> None:  # noqa: N802 - reportlab's name
            if key := getattr(flowable, "key", ""):
                self.charts[key] = self.page

    return Document


def _spare(content: ReportContent, story: _Story) -> dict[str, float]:
    """Chart to the points that it takes of what its page would leave empty; what follows stands where it did.

    Where the last page holds next to nothing, charts of the page before give way to it instead.
    """
    kept = [section for section in content.sections if not _is_appendix(section)]
    if not any(isinstance(block, Chart) for section in kept for block in section.blocks):
        return {}
    document = _document(io.BytesIO(), content, is_measured=True)
    document.measure([each for is_appendix, drawn in story if not is_appendix for each in drawn])
    found, last = {}, max(document.left)
    on_page = Counter(document.charts.values())
    # The last page goes on with the register, or is as long as it is.
    over = _ROOM_PT - document.left[last] - document.left.get(last - 1, 0.0) + 4.0
    is_whole = len(kept) == len(content.sections)
    for key, page in document.charts.items():
        if is_whole and page == last - 1 and over <= _MOST_GIVEN_PT * on_page[page] and last not in on_page:
            found[key] = -over / on_page[page]
        elif page < last:
            found[key] = max(0.0, min((document.left[page] - 2.0) / on_page[page], _MOST_SPARE_PT))
    return found


def _is_appendix(section: Section) -> bool:
    """A register that is a table on paper; one in a paragraph stands on the report's own page."""
    return section.key == REGISTER and any(isinstance(block, Register) for block in section.blocks)


def _section(section: Section, part: Element, width: float, head: list[Any], spare: Mapping[str, float]) -> list[Any]:
    """Blocks in order, the section's head on the page of its first."""
    story: list[Any] = []
    parts: list[_Part] = []
    for index, block in enumerate(section.blocks):
        before = section.blocks[index - 1] if index else None
        drawn = _block(block, part, width, spare, is_beside_table=isinstance(before, Table))
        # A table and the charts that follow it belong on one page.
        if not (isinstance(block, Chart) and isinstance(before, Table | Chart)):
            story.extend(_together(parts, width))
            parts = []
        parts.append(_Part([*head, *drawn], isinstance(block, Table) and len(block.rows) > LONG_TABLE_ROWS))
        head = []
    return story + _together(parts, width)


class _Part(NamedTuple):
    """A block as it is drawn, and whether it runs over pages."""

    drawn: list[Any]
    is_long: bool


def _together(parts: Sequence[_Part], width: float) -> list[Any]:
    """All on one page where they take less than half of one; else each by itself; else broken between its rows.

    Whatever cannot be broken is then lower than half a page, so that no page ends before its half.
    """
    from reportlab.platypus import CondPageBreak, KeepTogether

    if not any(part.is_long for part in parts):
        drawn = [each for part in parts for each in part.drawn]
        # Without what a chart may take beyond its own: whether things stand together must not hang on it.
        heights = (
            each.wrap(width, _ROOM_PT)[1] + each.getSpaceBefore() + each.getSpaceAfter() - getattr(each, "spare", 0.0)
            for each in drawn
        )
        if float(sum(heights)) <= _ROOM_PT / 2:
            return [KeepTogether(drawn)] if drawn else []
    if len(parts) > 1:
        return [each for part in parts for each in _together([part], width)]
    # Its heading stays with its first rows.
    return [CondPageBreak(_LEAST_PT), *parts[0].drawn]


def _block(
    block: Block, part: Element, width: float, spare: Mapping[str, float], *, is_beside_table: bool
) -> list[Any]:
    from reportlab.platypus import Spacer

    if isinstance(block, Table):
        return draw_table(block, part, width=width)
    if isinstance(block, Tiles):
        return draw_tiles(block, part, width=width)
    if isinstance(block, Chart):
        # Under its own table a chart shows the shape; two such pairs stand on one page.
        height = min(_CHART_PT[block.shape], _BESIDE_PT) if is_beside_table else _CHART_PT[block.shape]
        style = paragraph_style("note", size=6.8, color=MUTED, spaceBefore=3)
        figure = part.add("Figure", alt=chart_description(block, part.spoken))
        note = (
            [text_of(part.add("P", block.note), lines_markup(block.note, FONT, 6.8, width), style)]
            if block.note
            else []
        )
        return [draw_chart(block, figure, width=width, height=height, spare=spare), *note, Spacer(1, 10)]
    assert isinstance(block, Paragraph)  # noqa: S101 - the closed union of blocks
    font = FONT if block.tone in {"plain", "muted"} else FONT_BOLD
    size = 5.3 if block.tone == "muted" else 8.8
    style = paragraph_style("text", size=size, leading=size * 1.34, font=font, color=TONES[block.tone], spaceAfter=6)
    return [text_of(part.add("P", block.text), lines_markup(block.text, font, size, width), style)]


def _title(content: ReportContent, width: float, root: Element) -> list[Any]:
    """Name of site and report beside the code that names this revision."""
    from reportlab.platypus import Spacer
    from reportlab.platypus import Table as Grid

    room = width - _CODE_PT - 10
    title = title_text(content)
    # A long name takes smaller letters, so that the figures stay on page one.
    size = max(11.0, min(17.0, 17.0 * room / text_width(printable(title), FONT_BOLD, 17.0)))
    facts = facts_text(content)
    words = [
        text_of(
            root.add("H1", title, title=title),
            lines_markup(title, FONT_BOLD, size, room),
            paragraph_style("cover", size=size, font=FONT_BOLD, color=ACCENT, spaceAfter=3, splitLongWords=1),
        ),
        text_of(
            root.add("P", facts), lines_markup(facts, FONT, 8, room), paragraph_style("facts", size=8, color=MUTED)
        ),
    ]
    code = _code(content)
    grid = Grid(
        [[words, figure_of(root.add("Figure", alt=code.contents[0].value), code)]],
        colWidths=[width - _CODE_PT, _CODE_PT],
        hAlign="LEFT",
    )
    grid.setStyle(
        [
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            *((side, (0, 0), (-1, -1), 0) for side in ("LEFTPADDING", "RIGHTPADDING", "TOPPADDING", "BOTTOMPADDING")),
            ("RIGHTPADDING", (0, 0), (0, 0), 10),
        ]
    )
    return [grid, Spacer(1, 8)]


def reference(content: ReportContent) -> str:
    """Name of this revision: the command line takes it, and the evidence pack carries it."""
    return f"{content.report_id}@{content.revision}"


def _code(content: ReportContent) -> Any:
    """The revision's name as a square code, or the address that says where it stands."""
    from reportlab.graphics.barcode.qr import QrCodeWidget
    from reportlab.graphics.shapes import Drawing
    from reportlab.lib.colors import HexColor

    # Level M still reads with 15 % lost, as folded and copied paper has it.
    name, at = reference(content), content.versions.get("check_at", "")
    payload = f"{at}?r={quote(name)}" if at else name
    widget = QrCodeWidget(payload, barLevel="M", barBorder=0, barWidth=_CODE_PT, barHeight=_CODE_PT)
    widget.barFillColor = HexColor(ACCENT)
    drawing = Drawing(_CODE_PT, _CODE_PT)
    drawing.add(widget)
    return drawing


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
        synthetic = word(WATERMARK, content.spoken)
        # Across the page whatever its length.
        size = min(78.0, 78.0 * 700.0 / text_width(printable(synthetic), FONT_BOLD, 78.0))
        draw_text(canvas, 0, -24, printable(synthetic), font=FONT_BOLD, size=size, align="middle")
        canvas.restoreState()
        furnished(canvas, "Watermark")
    canvas.setFillColor(HexColor(ACCENT))
    top = height - MARGIN_PT + 4
    mark = printable(_mark(content))
    room = width - 2 * MARGIN_PT - text_width(mark, FONT_BOLD, 7.5) - 12
    head = fitted(f"{content.title} · {content.site_name}", FONT_BOLD, 7.5, room)
    draw_text(canvas, MARGIN_PT, top, head, font=FONT_BOLD, size=7.5)
    draw_text(canvas, width - MARGIN_PT, top, mark, font=FONT_BOLD, size=7.5, align="right")
    canvas.setStrokeColor(HexColor(RULE))
    canvas.setLineWidth(0.6)
    canvas.line(MARGIN_PT, top - 6, width - MARGIN_PT, top - 6)
    furnished(canvas, "Header")
    foot = MARGIN_PT - 4
    canvas.line(MARGIN_PT, foot + 11, width - MARGIN_PT, foot + 11)
    canvas.setFillColor(HexColor(MUTED))
    refers = page_word("Ref. numbers: register of figures", content.spoken)
    place = f"{content.report_id} · {page_word(Sentence('revision {0}', content.revision), content.spoken)} · {refers}"
    draw_text(canvas, MARGIN_PT, foot, fitted(place, FONT, 7, width - 2 * MARGIN_PT - 70), font=FONT, size=7)
    furnished(canvas, "Footer")
    canvas.restoreState()


def _mark(content: ReportContent) -> str:
    marks = [span_text(content)]
    if content.is_synthetic:
        marks.append(word(WATERMARK, content.spoken))
    marks.append(page_word(content.life.text, content.spoken).upper())
    return " · ".join(marks)


@lru_cache
def _canvas_class() -> Any:
    """A canvas class that prints "page x of y" when all pages are known, and tells its tags where a page ends."""
    from reportlab.lib.colors import HexColor
    from reportlab.lib.pagesizes import A4
    from reportlab.pdfgen.canvas import Canvas

    class NumberedCanvas(Canvas):  # type: ignore[misc]
        """Keeps each page until the count is known."""

        def __init__(self, language: str, tags: Tags | None, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.language, self.tags = language, tags
            self._pages: list[dict[str, Any]] = []

        def setFont(self, name: str, size: float, leading: float | None = None) -> None:  # noqa: N802 - its name
            # The library's tables and drawings name Helvetica before any letter; a file that names it must embed it.
            super().setFont(FONT if name == "Helvetica" else name, size, leading)

        def showPage(self) -> None:  # noqa: N802 - reportlab's name
            # The page is not written yet: "of how many" is known only at the end.
            if self.tags is not None:
                self.tags.next_page(self._code)
            self._pages.append(dict(self.__dict__))
            self._startPage()

        def save(self) -> None:
            for number, page in enumerate(self._pages, start=1):
                self.__dict__.update(page)
                drawn = len(self._code)
                self.setFont(FONT, 7)
                self.setFillColor(HexColor(MUTED))
                label = page_word(Sentence("Page {0} of {1}", number, len(self._pages)), self.language)
                draw_text(self, A4[0] - MARGIN_PT, MARGIN_PT - 4, printable(label), font=FONT, size=7, align="right")
                furnished(self, "Footer", drawn)
                super().showPage()
            super().save()

    return NumberedCanvas

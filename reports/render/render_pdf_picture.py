"""A chart on its way to paper: words and rules as a drawing, everything that there is a lot of as operators."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from reports.render.render_pdf_fonts import FONT, FONT_BOLD
from reports.render.render_pdf_style import INK, MUTED, RULE
from reports.render.render_pdf_tags import Element, marked
from reports.render.render_pdf_text import fitted, printable, runs_of, text_width
from reports.report_content import Chart
from reports.texts.locales import format_number

LEFT, RIGHT, BOTTOM, TOP = 52.0, 8.0, 20.0, 30.0


class Picture:
    """A chart on its way to paper: operators under and over a drawing of words and rules."""

    def __init__(self, chart: Chart, width: float, height: float, element: Element) -> None:
        from reportlab.graphics.shapes import Drawing

        self.chart, self.drawing, self.element = chart, Drawing(width, height), element
        self.under: list[str] = []
        self.over: list[str] = []

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = 7,
        colour: str = INK,
        font: str = FONT,
        anchor: str = "start",
    ) -> None:
        """Printable text, each part in the font that has it."""
        # Printable text as drawing shapes, each part in the font that has it.
        from reportlab.graphics.shapes import String
        from reportlab.lib.colors import HexColor
        from reportlab.pdfbase.pdfmetrics import stringWidth

        width = 0.0 if anchor == "start" else text_width(text, font, size)
        at, made = x - (width if anchor == "end" else width / 2 if anchor == "middle" else 0.0), []
        for used, part in runs_of(text, font):
            made.append(String(at, y, part, fontName=used, fontSize=size, fillColor=HexColor(colour)))
            at += stringWidth(part, used, size)
        for shape in made:
            self.drawing.add(shape)

    def rule(self, x: float, y: float, to_x: float, to_y: float, colour: str = RULE, width: float = 0.5) -> None:
        """A thin line."""
        from reportlab.graphics.shapes import Line
        from reportlab.lib.colors import HexColor

        self.drawing.add(Line(x, y, to_x, to_y, strokeColor=HexColor(colour), strokeWidth=width))

    def number(self, value: float, decimals: int, *, signed: bool = False) -> str:
        """A number as the report's locale writes it, printable."""
        return printable(format_number(value, decimals=decimals, locale=self.chart.locale, signed=signed))

    def title(self) -> None:
        """Title of the chart, and the unit below."""
        drawing = self.drawing
        title = fitted(self.chart.title, FONT_BOLD, 8.5, drawing.width)
        self.text(0, drawing.height - 9, title, font=FONT_BOLD, size=8.5)
        room = 90 if len(self.chart.series) > 2 else 180
        self.text(0, drawing.height - 20, fitted(self.chart.unit, FONT, 7, room), colour=MUTED)


@lru_cache
def _chart_class() -> Any:
    from reportlab.graphics import renderPDF
    from reportlab.platypus import Flowable

    class ChartFlowable(Flowable):  # type: ignore[misc]
        """A drawing, and shapes as operators: years of days have too many points for an object each."""

        def __init__(
            self, key: str, width: float, height: float, spares: Mapping[str, float], drawn: Callable[[float], Picture]
        ) -> None:
            super().__init__()
            self.key, self._size, self._spares, self._drawn = key, (width, height), spares, drawn

        @property
        def spare(self) -> float:
            """Points of its height that it takes of an empty rest of its page."""
            return self._spares.get(self.key, 0.0)

        def wrap(self, _width: float, _height: float) -> tuple[float, float]:
            """Its size in points."""
            width, height = self._size
            return width, height + self.spare

        def draw(self) -> None:
            """Areas first, then axes and words, curves over them."""
            picture = self._drawn(self.wrap(0.0, 0.0)[1])
            with marked(self.canv, picture.element, picture.drawing.width, picture.drawing.height):
                self.canv.addLiteral("\n".join(picture.under))
                renderPDF.draw(picture.drawing, self.canv, 0, 0)
                self.canv.addLiteral("\n".join(picture.over))

    return ChartFlowable


def chart_flowable(
    key: str, width: float, height: float, spares: Mapping[str, float], drawn: Callable[[float], Picture]
) -> Any:
    """A flowable of a chart, in points. drawn: makes its picture of a height, known when pages are laid out."""
    return _chart_class()(key, width, height, spares, drawn)


@lru_cache
def _figure_class() -> Any:
    from reportlab.platypus import Flowable

    class Figure(Flowable):  # type: ignore[misc]
        """A drawing that is an element's."""

        def __init__(self, element: Element, drawing: Any) -> None:
            super().__init__()
            self.element, self.drawing = element, drawing

        def wrap(self, width: float, height: float) -> tuple[float, float]:
            """Its size in points."""
            self.width, self.height = self.drawing.wrap(width, height)
            return self.width, self.height

        def draw(self) -> None:
            """The drawing, marked."""
            with marked(self.canv, self.element, self.width, self.height):
                self.drawing.drawOn(self.canv, 0, 0)

    return Figure


def figure_of(element: Element, drawing: Any) -> Any:
    """A flowable of a drawing that belongs to an element."""
    return _figure_class()(element, drawing)

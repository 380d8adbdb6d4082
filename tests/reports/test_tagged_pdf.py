"""Report PDFs are tagged: everything is marked, read in the order of the content, and each condition can fail."""

import io
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pypdf
import pytest
from fontTools.ttLib import TTFont
from pypdf.generic import (
    ArrayObject,
    BooleanObject,
    DictionaryObject,
    NameObject,
    NumberObject,
    StreamObject,
    TextStringObject,
)
from reportlab.pdfgen.canvas import Canvas

from reports.content.register import register_table
from reports.render.chart_description import chart_description
from reports.render.heading import facts_text, title_text
from reports.render.render_pdf import reference, render_pdf
from reports.render.render_pdf_fonts import FONT, letters
from reports.render.render_pdf_tags import DocumentProperties, Tags, marked, tagged
from reports.render.render_pdf_text import clean, draw_text, is_east_asian
from reports.report_content import Chart, Paragraph, Register, ReportContent, Section, Series, Table, Tiles
from tests.reports.pdf_ua_profile import failed
from tests.reports.tagged_pdf_check import CONDITIONS, Tagged, failures, unowned

# Chinese, Japanese and Korean fonts are their reader's: a file that names one does not call itself accessible either.
BARE = {"06-002", "31-009"}
Change = Callable[[Any], None]


def reading(pdf: Tagged) -> list[tuple[str, str]]:
    """(kind, words without space) of every element that is read, in order."""
    found = []
    for node in pdf.nodes():
        if any(isinstance(kid, tuple) for kid in node.kids):
            words = str(node.raw["/Alt"]) if node.kind == "Figure" else pdf.text(node)
            found.append((node.kind, "".join(clean(words).split())))
    return found


def wanted(content: ReportContent) -> list[tuple[str, str]]:
    """The same of the content as its JSON has it."""
    found = [("H1", title_text(content)), ("P", facts_text(content)), ("Figure", reference(content))]
    for index, section in enumerate(content.sections):
        if index and section.title and section.blocks:
            found.append(("H2", section.title))
        for block in section.blocks:
            found += _block(block, content)
    return [(kind, "".join(clean(words).split())) for kind, words in found]


def _block(block: Any, content: ReportContent) -> Iterator[tuple[str, str]]:
    if isinstance(block, Register):
        block = register_table(block, content.figures, content.spoken)
    if isinstance(block, Paragraph):
        yield "P", block.text
    elif isinstance(block, Chart):
        yield "Figure", chart_description(block, content.spoken)
    elif isinstance(block, Tiles):
        for tile in block.tiles:
            yield from (("P", tile.label), ("P", f"{tile.text} {tile.unit} {tile.note}"))
    else:
        assert isinstance(block, Table)
        yield "Caption", block.title
        yield from (("TH", f"{column.title} {column.unit}") for column in block.columns)
        for row in block.rows:
            for place, cell in enumerate(row.cells):
                is_name = place == 0 and not block.columns[0].is_number
                yield "TH" if is_name else "TD", f"{cell.mark} {cell.text}"
    if not isinstance(block, Paragraph | Tiles) and block.note:
        yield "P", block.note


def assert_is_tagged(content: ReportContent, *, is_bare: bool = False) -> None:
    """Everything is marked, in the content's order, and nothing fails but what fonts of the reader's cost."""
    if len(content.figures) > 300:
        # The register is one table; of a long one a few rows say what all do.
        sections = tuple(each for each in content.sections if each.key != "register")
        content = content.model_copy(update={"sections": sections})
    data = render_pdf(content)
    assert set(failures(data)) == (BARE if is_bare else set())
    assert unowned(data) == []
    assert failed(data) == ({"composite font"} if is_bare else set())
    assert reading(Tagged(data)) == wanted(content)
    assert len(data) <= 1.5 * len(render_pdf(content, is_tagged=False))


def test_the_tree_reads_as_the_content_does(content: ReportContent) -> None:
    data = render_pdf(content)
    assert failures(data) == {}
    assert unowned(data) == []
    pdf = Tagged(data)
    assert reading(pdf) == wanted(content)
    assert pdf.painted > 1000
    assert [str(each["/Title"]) for each in pdf.reader.outline if isinstance(each, dict)] == [
        clean(title_text(content)), *(each.title for each in content.sections[1:] if each.title and each.blocks)
    ]  # fmt: skip


def small(*blocks: Any, content: ReportContent, spoken: str = "en") -> ReportContent:
    """The content's head over these blocks."""
    section = Section(key="s", title="Part", blocks=blocks)
    return content.model_copy(update={"sections": (section, section), "figures": (), "language": spoken})


@pytest.mark.parametrize(
    "text",
    ["<b>bold</b> & \\(x) ) Tj T* <MCID 3>>BDC EMC", "word " * 2000, "x" * 10_000, "محطة 2025 (شمال) Nord", "電力 kWh",
     "Δ ≥ 3 → 4\u2060\x07", "\U0001f600 − €"],
)  # fmt: skip
def test_any_text_is_read_as_it_was_written(content: ReportContent, text: str) -> None:
    assert_is_tagged(small(Paragraph(text=text), content=content), is_bare=any(map(is_east_asian, text)))


def test_a_text_of_another_script_says_in_which_language_it_is(content: ReportContent) -> None:
    texts = ("محطة الطاقة الرئيسية", "רשת החשמל", "電力の使用量", "전력 사용", "电力消耗", "Site محطة")
    pdf = Tagged(render_pdf(small(*(Paragraph(text=each) for each in texts), content=content)))
    found = [str(each.raw.get("/Lang", "")) for each in pdf.nodes("P")][1 : len(texts) + 1]
    assert found == ["ar", "he", "ja", "ko", "zh", ""]
    arabic = Tagged(render_pdf(small(Paragraph(text=texts[0]), content=content, spoken="ar")))
    assert arabic.root["/Lang"] == "ar"
    assert not any("/Lang" in each.raw for each in arabic.nodes())


def drawn(*values: float | None, shape: str = "bars", count: int = 0) -> Chart:
    """A chart of these values, or of as many days."""
    numbers = values or tuple(float(each) for each in range(count))
    return Chart(
        key="c", title="Energy", unit="kWh", shape=shape, categories=tuple(f"d{each}" for each in range(len(numbers))),
        series=(Series(name="Actual", role="actual", values=numbers),),
    )  # fmt: skip


def test_a_chart_says_its_figures_or_that_it_has_none(content: ReportContent) -> None:
    assert chart_description(drawn(1.0, None, 3.25), "en") == "Energy, kWh. Actual: d0 1.00; d1 not known; d2 3.25"
    assert chart_description(drawn(None, None), "en") == "Energy, kWh: no data for this period"
    assert chart_description(drawn(None), "de").endswith("keine Daten für diesen Zeitraum")
    many = chart_description(drawn(count=400, shape="lines"), "de")
    assert many == "Energy, kWh, d0 – d399. Actual: d0 0; d399 399. Niedrigste: d0 0. Höchste: d399 399"
    assert_is_tagged(small(drawn(None, None), drawn(1.0, 2.0), content=content))


def test_a_table_over_pages_is_one_and_its_head_is_read_once(content: ReportContent) -> None:
    pdf: Any = Tagged(render_pdf(content))
    (register,) = [each for each in pdf.nodes("Table") if len(each.kids) > 100]
    pages = {kid[0] for cell in register.nodes() for kid in cell.kids if isinstance(kid, tuple)}
    assert len(pages) > 2
    assert [each.attribute("/Scope") for each in register.nodes()].count("/Column") == len(register.kids[1].kids)


def test_furniture_says_which_it_is_on_every_page(content: ReportContent) -> None:
    pages: Any = pypdf.PdfReader(io.BytesIO(render_pdf(content))).pages
    for page in pages:
        operators = page.get_contents().get_data().decode("latin-1")
        assert operators.count("/Subtype/Header>>BDC") == 1
        # The line at the foot, and the number that is known last.
        assert operators.count("/Subtype/Footer>>BDC") == 2


def test_tags_change_no_pixel(content: ReportContent, tmp_path: Path) -> None:
    if shutil.which("pdftoppm") is None:
        pytest.skip("pdftoppm is not installed")
    pictures = []
    for name, is_tagged in (("tagged", True), ("bare", False)):
        (tmp_path / f"{name}.pdf").write_bytes(render_pdf(content, is_tagged=is_tagged))
        subprocess.run(["pdftoppm", "-r", "50", tmp_path / f"{name}.pdf", tmp_path / name], check=True)
        pictures.append([each.read_bytes() for each in sorted(tmp_path.glob(f"{name}-*.ppm"))])
    assert len(pictures[0]) > 5
    assert pictures[0] == pictures[1]


def test_a_validator_agrees(tmp_path: Path) -> None:
    if shutil.which("verapdf") is None:
        pytest.skip("verapdf is not on the PATH")
    (tmp_path / "small.pdf").write_bytes(embedded())
    subprocess.run(["verapdf", "--flavour", "ua1", tmp_path / "small.pdf"], check=True)


def embedded() -> bytes:
    """A page with one of each: heads, text, a table, a list, a picture."""
    assert letters()
    buffer, tags = io.BytesIO(), Tags("en")
    canvas = Canvas(buffer, invariant=1, lang="en", initialFontName=FONT)
    canvas.tags, canvas._preamble = tags, ""
    root, y = tags.root, 800.0

    def write(element: Any, text: str) -> None:
        nonlocal y
        y -= 20
        with marked(canvas, element, 100, 10):
            draw_text(canvas, 60, y, text, font=FONT, size=9)

    write(root.add("H1", title="A report"), "A report")
    write(root.add("P", "first"), "first")
    part = root.add("Sect")
    write(part.add("H2", title="A part"), "A part")
    write(part.add("P"), "second")
    write(part.add("P"), "third")
    table = part.add("Table")
    for words in (("Name", "Value"), ("one", "1"), ("two", "2")):
        row = table.add("TR")
        for place, text in enumerate(words):
            kind = {"scope": "Column" if words[0] == "Name" else "Row"}
            write(row.add("TH", **kind) if place == 0 or words[0] == "Name" else row.add("TD"), text)
    write(part.add("L").add("LI").add("LBody").add("P"), "an item")
    write(part.add("Figure", alt="a line"), "a picture")
    canvas.line(0, 0, 10, 10)
    tags.next_page(canvas._code)
    canvas.showPage()
    canvas.save()
    return tagged(buffer.getvalue(), tags, DocumentProperties("A report", "of a test", "nobody", "en"))


def test_a_file_with_all_its_fonts_fails_nothing_and_says_so() -> None:
    assert failures(embedded()) == {}
    assert unowned(embedded()) == []
    assert embedded() == embedded()


def elements(writer: Any, kind: str = "") -> list[Any]:
    """Elements of a kind, or all, in reading order."""

    def below(node: Any) -> Iterator[Any]:
        if not kind or node["/S"] == f"/{kind}":
            yield node
        kids = node.get("/K", [])
        for kid in kids if isinstance(kids, list) else [kids]:
            if isinstance(kid.get_object(), DictionaryObject):
                yield from below(kid.get_object())

    return list(below(writer.root_object["/StructTreeRoot"]["/K"].get_object()))


def dictionary(**entries: Any) -> DictionaryObject:
    return DictionaryObject({NameObject(f"/{key}"): value for key, value in entries.items()})


def renamed(old: str, new: str, count: int = 1, **entries: Any) -> Change:
    """The first elements of a kind become another."""

    def change(writer: Any) -> None:
        for element in elements(writer, old)[-count:]:
            element[NameObject("/S")] = NameObject(f"/{new}")
            element.update(dictionary(**entries))

    return change


def without(kind: str, key: str) -> Change:
    def change(writer: Any) -> None:
        for element in elements(writer, kind):
            element.pop(key)

    return change


def of_root(**entries: Any) -> Change:
    """Entries of the catalog; None takes one away."""

    def change(writer: Any) -> None:
        for key, value in entries.items():
            if value is None:
                del writer.root_object[f"/{key}"]
            else:
                writer.root_object[NameObject(f"/{key}")] = value

    return change


def redrawn(old: bytes, new: bytes) -> Change:
    """Other operators on the page."""

    def change(writer: Any) -> None:
        stream = writer.pages[0]["/Contents"].get_object()
        before = stream.get_data()
        assert old in before
        stream.set_data(before.replace(old, new, 1))

    return change


def of_metadata(old: str, new: str, then: Change = lambda _writer: None) -> Change:
    def change(writer: Any) -> None:
        stream = writer.root_object["/Metadata"].get_object()
        before = stream.get_data().decode()
        assert old in before
        stream.set_data(before.replace(old, new).encode())
        then(writer)

    return change


def of_font(edit: Callable[[Any], None]) -> Change:
    def change(writer: Any) -> None:
        fonts = [each.get_object() for each in writer.pages[0]["/Resources"]["/Font"].get_object().values()]
        edit(next(each for each in fonts if "/FontDescriptor" in each))

    return change


def lettered(old: bytes, new: bytes) -> Change:
    """Another map of codes to letters."""

    def edit(font: Any) -> None:
        stream = font["/ToUnicode"].get_object()
        assert old in stream.get_data()
        stream.set_data(stream.get_data().replace(old, new, 1))

    return of_font(edit)


def _without_letter(font: Any) -> None:
    """The embedded font has no A."""
    stream = font["/FontDescriptor"]["/FontFile2"]
    program, buffer = TTFont(io.BytesIO(stream.get_data())), io.BytesIO()
    program["cmap"].tables[0].cmap[65] = ".notdef"
    program.save(buffer)
    stream.set_data(buffer.getvalue())


def note(subtype: str, holder: str = "", said: str = "x", tabs: str = "/S", then: Change | None = None) -> Change:
    """An annotation, in an element of its own below the document."""

    def change(writer: Any) -> None:
        page = writer.pages[0]
        entries: dict[str, Any] = {"Type": NameObject("/Annot"), "Subtype": NameObject(f"/{subtype}")}
        entries["Rect"] = ArrayObject([NumberObject(each) for each in (0, 0, 9, 9)])
        if said:
            entries["Contents"] = TextStringObject(said)
        kept = writer._add_object(dictionary(**entries))
        page[NameObject("/Annots")] = ArrayObject([kept])
        page.pop("/Tabs")
        if tabs:
            page[NameObject("/Tabs")] = NameObject(tabs)
        if holder:
            document = writer.root_object["/StructTreeRoot"]["/K"].get_object()
            object_of = dictionary(Type=NameObject("/OBJR"), Obj=kept)
            document["/K"].append(
                writer._add_object(dictionary(S=NameObject(f"/{holder}"), K=ArrayObject([object_of])))
            )
        if then:
            then(writer)

    return change


def spoken(leaves: Callable[[Any], bool], **entries: Any) -> Change:
    """The document says no language; those elements do. Bookmarks go unless they are asked about."""

    def change(writer: Any) -> None:
        of_root(Lang=None, Outlines=None, **entries)(writer)
        for element in elements(writer):
            if leaves(element):
                element[NameObject("/Lang")] = TextStringObject("en")

    return change


def _is_leaf(element: Any) -> bool:
    return not any(isinstance(each.get_object(), DictionaryObject) for each in _kids(element))


def _kids(element: Any) -> list[Any]:
    kids = element.get("/K", [])
    return kids if isinstance(kids, list) else [kids]


def _is_document(element: Any) -> bool:
    return bool(element["/S"] == "/Document")


def _with_bookmarks(writer: Any) -> None:
    of_root(Lang=None)(writer)
    elements(writer)[0][NameObject("/Lang")] = TextStringObject("en")


def _sect_alone(writer: Any) -> None:
    spoken(_is_leaf)(writer)
    elements(writer, "Sect")[0][NameObject("/Alt")] = TextStringObject("a part")


def _two_heads(writer: Any) -> None:
    for kind in ("H1", "H2"):
        renamed(kind, "Span")(writer)
    for element in elements(writer, "P")[1:3]:
        element[NameObject("/S")] = NameObject("/H")


def _drawing(count: int, data: bytes = b"", **entries: Any) -> Change:
    def change(writer: Any) -> None:
        stream = StreamObject()
        stream.set_data(data)
        stream.update(dictionary(Type=NameObject("/XObject"), Subtype=NameObject("/Form"), **entries))
        kept = writer._add_object(stream)
        named = dictionary(**{f"X{each}": kept for each in range(count)})
        writer.pages[0]["/Resources"][NameObject("/XObject")] = named

    return change


def _layer(**entries: Any) -> DictionaryObject:
    return dictionary(OCGs=ArrayObject(), **entries)


_NAME = TextStringObject("a")
_VIEW = ArrayObject([dictionary()])
MUTANTS: dict[str, Change] = {
    "01-003": redrawn(b"EMC", b"/Artifact BMC 0 0 1 1 re f EMC EMC"),
    "01-004": redrawn(b"/H1<</MCID 0>>BDC", b"/Artifact BMC /H1<</MCID 0>>BDC 0 0 1 1 re f EMC EMC /P<</MCID 99>>BDC"),
    "01-005": redrawn(b"EMC", b"EMC 0 0 1 1 re f"),
    "01-007": of_root(MarkInfo=dictionary(Marked=BooleanObject(True), Suspects=BooleanObject(True))),
    "02-001": renamed("P", "Zap"),
    "02-003": lambda w: w.root_object["/StructTreeRoot"].update(
        dictionary(RoleMap=dictionary(A=NameObject("/B"), B=NameObject("/A")))
    ),
    "02-004": lambda w: w.root_object["/StructTreeRoot"].update(dictionary(RoleMap=dictionary(P=NameObject("/Span")))),
    "06-001": of_root(Metadata=None),
    "06-002": of_metadata("<pdfuaid:part>1</pdfuaid:part>", ""),
    "06-003": of_metadata("dc:title", "dc:name"),
    "07-001": of_root(ViewerPreferences=dictionary()),
    "07-002": of_root(ViewerPreferences=dictionary(DisplayDocTitle=BooleanObject(False))),
    "09-004": renamed("TR", "P"),
    "09-005": renamed("LI", "Sect"),
    "09-006": renamed("P", "TOCI"),
    "09-007": renamed("P", "RB"),
    "09-008": renamed("P", "WT"),
    "10-001": lettered(b"<41> <0041>\n", b""),
    "11-001": spoken(lambda each: _is_leaf(each) and each["/S"] != "/H2"),
    "11-002": _sect_alone,
    "11-003": _with_bookmarks,
    "11-004": note("Link", "Link", then=spoken(_is_leaf)),
    "11-006": of_metadata('xml:lang="en"', "", spoken(_is_document)),
    "13-004": without("Figure", "/Alt"),
    "14-002": renamed("H1", "P"),
    "14-003": renamed("H2", "H3"),
    "14-006": _two_heads,
    "14-007": renamed("P", "H"),
    "15-003": without("TH", "/A"),
    "17-002": renamed("P", "Formula"),
    "19-003": renamed("P", "Note"),
    "19-004": renamed("P", "Note", 2, ID=_NAME),
    "20-001": of_root(OCProperties=_layer(D=dictionary(Name=_NAME), Configs=ArrayObject([dictionary()]))),
    "20-002": of_root(OCProperties=_layer(D=dictionary())),
    "20-003": of_root(OCProperties=_layer(D=dictionary(Name=_NAME, AS=_VIEW))),
    "21-001": of_root(
        Names=dictionary(EmbeddedFiles=dictionary(Names=ArrayObject([_NAME, dictionary(F=TextStringObject("f"))])))
    ),
    "25-001": of_root(AcroForm=dictionary(XFA=TextStringObject("<dynamicRender>required</dynamicRender>"))),
    "28-002": note("Text", "P"),
    "28-004": note("Text", "Annot", said=""),
    "28-007": note("TrapNet", "Annot"),
    "28-008": note("Link", "Link", tabs=""),
    "28-009": note("Link", "Link", tabs="/R"),
    "28-010": note("Widget", "P"),
    "28-011": note("Link", "P"),
    "28-012": note("Link", "Link", said=""),
    "28-017": note("PrinterMark", "Annot"),
    "30-001": _drawing(1, Ref=dictionary()),
    "30-002": _drawing(2, b"/P <</MCID 0>> BDC EMC"),
    "31-009": of_font(lambda font: font["/FontDescriptor"].pop("/FontFile2")),
    "31-016": of_font(lambda font: font["/Widths"].__setitem__(65, NumberObject(700))),
    "31-019": of_font(lambda font: font["/FontDescriptor"].update(dictionary(Flags=NumberObject(32)))),
    "31-024": of_font(lambda font: font.update(dictionary(Encoding=NameObject("/WinAnsiEncoding")))),
    "31-027": of_font(lambda font: font.pop("/ToUnicode")),
    "31-028": lettered(b"<41> <0041>", b"<41> <0000>"),
    "31-029": lettered(b"<41> <0041>", b"<41> <FEFF>"),
    "31-030": of_font(_without_letter),
}


def test_every_condition_has_a_file_that_fails_it() -> None:
    assert set(MUTANTS) == set(CONDITIONS)
    assert len(CONDITIONS) >= 30


@pytest.mark.parametrize("number", sorted(MUTANTS))
def test_a_changed_file_fails_there_and_nowhere_else(number: str) -> None:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(embedded()))
    MUTANTS[number](writer)
    buffer = io.BytesIO()
    writer.write(buffer)
    assert set(failures(buffer.getvalue())) == {number}


def test_a_mark_that_the_tree_does_not_hold_is_seen() -> None:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(embedded()))
    elements(writer, "H2")[0].pop("/K")
    buffer = io.BytesIO()
    writer.write(buffer)
    assert unowned(buffer.getvalue())

"""Tags of the PDF: what each stroke belongs to, as a tree that is read aloud in the order of the report's content.

Source: ISO 32000-1 §14.6-14.8 (marked content, structure, natural language), ISO 14289-1 (PDF/UA-1). A block claims what
it draws; what nobody claims is furniture. Elements of the tree are many and small, so that they stand in compressed
object streams (§7.5.7), and the library's own objects beside them.
"""

import re
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

from data_quality.contracts.sentence import Sentence
from reports.render.render_pdf_text import clean, is_plain, printable
from reports.report_content import Chart, Series, Table
from reports.texts.locales import language_of, page_word, word
from reports.texts.numbers import format_number

HEADINGS = ("H1", "H2")
# Points of a chart that its words tell one by one; of more they tell ends and extremes.
_MOST_TOLD, _MOST_SERIES = 60, 4
_IN_A_STREAM = 100
# Operators that paint nothing: between two marks they belong to no one.
_STATES = re.compile(r"q|Q|[^\n]* (?:cm|rg|RG|w|gs)")
_SCRIPTS = (
    ("ar", re.compile("[\u0600-\u06ff]")),
    ("he", re.compile("[\u0590-\u05ff]")),
    ("ja", re.compile("[\u3040-\u30ff]")),
    ("ko", re.compile("[\u1100-\u11ff\uac00-\ud7a3]")),
    ("zh", re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")),
)


class Element:
    """A node of the tree. kind: a standard type; said: the words, where the page shows them otherwise; box in points."""

    __slots__ = ("alt", "box", "kids", "kind", "language", "marks", "said", "scope", "spoken", "title")

    def __init__(self, spoken: str, kind: str, *words: str, alt: str = "", scope: str = "", title: str = "") -> None:
        self.kind, self.alt, self.scope, self.title = kind, clean(alt), scope, clean(title)
        is_drawn = all(is_plain(each) or printable(each) == each for each in words)
        self.said = "" if is_drawn else clean(" ".join(filter(None, words)))
        found = next(filter(None, map(_script, (*words, alt))), "")
        self.spoken, self.language = spoken, "" if found == language_of(spoken) else found
        self.kids: list[Element] = []
        # Of each piece that is drawn: index of its page, number of its mark there.
        self.marks: list[tuple[int, int]] = []
        self.box: tuple[float, ...] = ()

    def add(self, kind: str, *words: str, **more: str) -> "Element":
        """A new last child. words: what it says; kept only where the page draws other letters than these."""
        self.kids.append(Element(self.spoken, kind, *words, **more))
        return self.kids[-1]

    def rows(self, table: Table) -> list[list["Element"]]:
        """Cells of a table below this element, its head first; a row's first words are its name."""
        head = self.add("TR")
        found = [[head.add("TH", each.title, each.unit, scope="Column") for each in table.columns]]
        has_names = not table.columns[0].is_number
        for row in table.rows:
            line = self.add("TR")
            found.append([line.add("TD", cell.mark, cell.text) for cell in row.cells])
            if has_names:
                line.kids[0].kind, line.kids[0].scope = "TH", "Row"
        return found


def _script(text: str) -> str:
    """The language that most letters of a text are of, where their script tells it; else empty."""
    if text.isascii():
        return ""
    found = {language: len(letters.findall(text)) for language, letters in _SCRIPTS}
    # Japanese is written with Han letters too.
    found["ja"] += found["zh"] if found["ja"] else 0
    language = max(found, key=lambda each: found[each])
    return language if found[language] * 2 > sum(each.isalpha() for each in text) else ""


class Tags:
    """The tree of one document while its pages are drawn."""

    def __init__(self, spoken: str) -> None:
        self.root = Element(spoken, "Document")
        # Of each page the elements by the numbers of their marks.
        self.pages: list[list[Element]] = [[]]
        self._free = 0

    def begin(self, element: Element) -> str:
        """The operator that opens a piece of an element on the page that is drawn; "EMC" shuts it."""
        number = len(self.pages[-1])
        self.pages[-1].append(element)
        element.marks.append((len(self.pages) - 1, number))
        return f"/{element.kind}<</MCID {number}>>BDC"

    def furnish(self, code: list[str], start: int | None = None) -> None:
        """Make furniture of what was drawn since the last mark, or since `start`, and take the page from here."""
        start = self._free if start is None else start
        if not all(_STATES.fullmatch(each) for each in code[start:]):
            code.insert(start, "/Artifact BMC")
            code.append("EMC")
        self._free = len(code)

    def claim(self, code: list[str]) -> None:
        """Everything up to here has its marks."""
        self._free = len(code)

    def next_page(self, code: list[str]) -> None:
        """The page is drawn but for its number."""
        self.furnish(code)
        self.pages.append([])
        self._free = 0


@contextmanager
def marked(canvas: Any, element: Element | None, width: float = 0.0, height: float = 0.0) -> Iterator[None]:
    """Whatever is drawn inside is the element's; on a canvas without tags nothing changes."""
    tags = getattr(canvas, "tags", None)
    if tags is None or element is None:
        yield
        return
    if element.kind == "Figure" or (element.title and not element.box):
        element.box = (*canvas.absolutePosition(0, 0), *canvas.absolutePosition(width, height))
    tags.furnish(canvas._code)
    canvas._code.append(tags.begin(element))
    yield
    canvas._code.append("EMC")
    tags.claim(canvas._code)


@lru_cache
def _text_class() -> Any:
    from reportlab.platypus import Paragraph

    class Text(Paragraph):  # type: ignore[misc]
        """A paragraph that knows its element. Its parts on several pages share the style, and so the element."""

        def draw(self) -> None:
            """Its lines, marked."""
            with marked(self.canv, self.style.element, self.width, self.height):
                super().draw()

    return Text


def text_of(element: Element, text: str, style: Any) -> Any:
    """A flowable of marked-up text that belongs to an element."""
    style.element = element
    return _text_class()(text, style)


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


class CellMarks:
    """Marks what a table of the library draws: each cell is an element's; a head that comes again is furniture."""

    def __init__(self, cells: Sequence[Sequence[Element]]) -> None:
        self._cells, self._row, self._is_first = cells, 0, True
        self._open: Any = None

    def __call__(self, grid: Any, step: str, *args: Any) -> None:
        """Called by the table at each step of its drawing."""
        tags = getattr(grid.canv, "tags", None)
        if tags is None:
            return
        if step == "startRow":
            self._is_again = args[0] == 0 and not self._is_first
        elif step == "startCell" and not self._is_again:
            self._open = marked(grid.canv, self._cells[self._row][args[1]])
            self._open.__enter__()
        elif step == "endCell" and not self._is_again:
            self._open.__exit__(None, None, None)
        elif step == "endRow" and not self._is_again:
            self._row, self._is_first = self._row + 1, False


def chart_words(chart: Chart, language: str) -> str:
    """The chart's figures in words: each of a few, else where each series ends and what its extremes are."""
    head = f"{chart.title}, {chart.unit}" if chart.unit else chart.title
    known = [each for series in chart.series for each in _points(chart, series)]
    if not known:
        return f"{head}: {word('no data for this period', language)}"
    decimals = 0 if max(abs(value) for value, _ in known) >= 100 else 1

    def told(points: Sequence[tuple[float, str]]) -> str:
        return "; ".join(
            f"{name} {format_number(value, decimals=decimals, locale=chart.locale)}" for value, name in points
        )

    if len(known) <= _MOST_TOLD:
        return ". ".join([head, *(f"{each.name}: {told(_points(chart, each))}" for each in chart.series)])
    names = {"": known} if len(chart.series) > _MOST_SERIES else {
        each.name: _points(chart, each) for each in chart.series
    }  # fmt: skip
    parts = [head if len(chart.categories) < 2 else f"{head}, {chart.categories[0]} – {chart.categories[-1]}"]
    for name, points in names.items():
        if points:
            ends = told([points[0], points[-1]]) + ". " if name else ""
            low, high = (told([pick(points)]) for pick in (min, max))
            parts.append(
                f"{name + ': ' if name else ''}{ends}{word('Lowest', language)}: {low}. "
                f"{word('Highest', language)}: {high}"
            )
    return ". ".join(parts)


def _points(chart: Chart, series: Series) -> list[tuple[float, str]]:
    is_map = chart.shape == "heat"
    return [
        (value, f"{name} {series.name}" if is_map else name)
        for value, name in zip(series.values, chart.categories, strict=True)
        if value is not None
    ]


class About(NamedTuple):
    """A document in a few words, in its own language."""

    title: str
    subject: str
    author: str
    language: str


def tagged(data: bytes, tags: Tags, about: About) -> bytes:
    """The library's finished file with the tree, bookmarks and metadata in it. Same tree and file, same bytes."""
    objects, info = _read(data)
    file = _File(len(objects) + 1)
    catalog = next(number for number, body in objects.items() if b"/Type /Catalog" in body)
    pages = [int(each) for each in re.findall(rb"(\d+) 0 R", _found(rb"/Kids \[([^\]]*)\]", objects.values()))]
    for place, number in enumerate(pages):
        objects[number] = _with(objects[number], f"/StructParents {place}/Tabs/S")
    tree = _tree(file, tags, pages)
    outline = _outline(file, tags, pages, about)
    open_fonts = bare_fonts(objects)
    meta = file.put(_metadata(about, open_fonts))
    entries = (
        f"/MarkInfo<</Marked true>>/ViewerPreferences<</DisplayDocTitle true>>/StructTreeRoot {tree} 0 R"
        f"/Metadata {meta} 0 R{outline}"
    )
    objects[catalog] = _with(objects[catalog], entries)
    for number, body in objects.items():
        file.bodies[number] = body
    # Plain: whoever is given a file asks it for its name without unpacking it.
    return file.written(data[: data.index(b"1 0 obj")], catalog, info, _found(rb"/ID\s+(\[[^\]]*\])", [data]))


def _found(pattern: bytes, bodies: Any) -> bytes:
    return next(match[1] for body in bodies if (match := re.search(pattern, body)))


def _read(data: bytes) -> tuple[dict[int, bytes], int]:
    """Bodies of the library's objects by their numbers, and which of them is the information dictionary."""
    table = int(data[data.rindex(b"startxref") + 9 :].split()[0])
    offsets = [int(each) for each in re.findall(rb"(\d{10}) 00000 n", data[table:])]
    ends = dict(zip(sorted(offsets), [*sorted(offsets)[1:], table], strict=True))
    bodies = {}
    for number, start in enumerate(offsets, start=1):
        raw = data[start : ends[start]]
        bodies[number] = raw[raw.index(b"obj") + 4 : raw.rindex(b"endobj")].strip(b"\n")
    return bodies, int(_found(rb"/Info (\d+) 0 R", [data[table:]]))


def _with(body: bytes, entries: str) -> bytes:
    return body[: body.rindex(b">>")] + entries.encode("latin-1") + b">>"


class _File:
    """Objects on their way into a file: streams plain, all others packed."""

    def __init__(self, free: int) -> None:
        self.bodies: dict[int, bytes] = {}
        self._free = free

    def number(self) -> int:
        """A number that no object has."""
        self._free += 1
        return self._free - 1

    def put(self, body: bytes) -> int:
        """Number of a new object."""
        self.bodies[number := self.number()] = body
        return number

    def written(self, head: bytes, root: int, info: int, identity: bytes) -> bytes:
        """Bytes of the file, its table of objects compressed too."""
        out, rows = bytearray(b"%PDF-1.7" + head[8:]), dict[int, tuple[int, int, int]]()
        packed = [each for each in sorted(self.bodies) if b"stream\n" not in self.bodies[each] and each != info]
        for start in range(0, len(packed), _IN_A_STREAM):
            part = packed[start : start + _IN_A_STREAM]
            into = self.put(_packed([(each, self.bodies[each]) for each in part]))
            rows |= {each: (2, into, place) for place, each in enumerate(part)}
        for number, body in sorted(self.bodies.items()):
            if number not in rows:
                rows[number] = (1, len(out), 0)
                out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
        table = self.number()
        rows[table] = (1, len(out), 0)
        lines = [struct.pack(">BIH", *rows.get(each, (0, 0, 65535))) for each in range(table + 1)]
        # Each line as the difference from the one above: most of them then are alike.
        above, moved = bytes(7), bytearray()
        for line in lines:
            moved += bytes([2, *((one - two) % 256 for one, two in zip(line, above, strict=True))])
            above = line
        keys = b"/Type/XRef/W[1 4 2]/Size %d/Root %d 0 R/Info %d 0 R/ID%b/DecodeParms<</Predictor 12/Columns 7>>"
        body = _stream(keys % (table + 1, root, info, identity), bytes(moved))
        return bytes(out) + b"%d 0 obj\n%b\nendobj\nstartxref\n%d\n%%%%EOF\n" % (table, body, rows[table][1])


def _stream(keys: bytes, data: bytes) -> bytes:
    packed = zlib.compress(data, 9)
    return b"<<%b/Filter/FlateDecode/Length %d>>\nstream\n%b\nendstream" % (keys, len(packed), packed)


def _packed(objects: Sequence[tuple[int, bytes]]) -> bytes:
    places, at = list[bytes](), 0
    for number, body in objects:
        places.append(b"%d %d" % (number, at))
        at += len(body) + 1
    head = b" ".join(places) + b"\n"
    keys = b"/Type/ObjStm/N %d/First %d" % (len(objects), len(head))
    return _stream(keys, head + b"\n".join(body for _, body in objects))


def _text(words: str) -> str:
    """A text string of PDF (§7.9.2.2), written as Latin-1."""
    if words.isascii():
        return "(" + re.sub(r"[\\()]", r"\\\g<0>", words).replace("\r", "\\r") + ")"
    return "<FEFF" + words.encode("utf-16-be").hex() + ">"


def _tree(file: _File, tags: Tags, pages: Sequence[int]) -> int:
    """Writes the structure tree and, for each page, whose its marks are; returns the number of the root."""
    root, numbers = file.number(), dict[int, int]()

    def write(element: Element, parent: int) -> int:
        number = numbers[id(element)] = file.number()
        # Nothing was drawn of it and nothing below it: an empty element is read by nobody.
        kids = [f"{write(each, number)} 0 R" for each in element.kids]
        first = element.marks[0][0] if element.marks else -1
        for page, mark in element.marks:
            other = f"<</Type/MCR/Pg {pages[page]} 0 R/MCID {mark}>>"
            kids.append(str(mark) if page == first else other)
        keys = [f"<</S/{element.kind}/P {parent} 0 R"]
        keys += [f"/Pg {pages[first]} 0 R"] if element.marks else []
        keys += [f"/K {kids[0]}" if len(kids) == 1 else f"/K[{' '.join(kids)}]"] if kids else []
        keys += [f"/ActualText{_text(element.said)}"] if element.said else []
        keys += [f"/Alt{_text(element.alt)}"] if element.alt else []
        keys += [f"/Lang({element.language})"] if element.language else []
        keys += [f"/A<</O/Table/Scope/{element.scope}>>"] if element.scope else []
        if element.kind == "Figure" and element.box:
            keys.append(f"/A<</O/Layout/BBox[{' '.join(f'{each:.2f}' for each in element.box)}]>>")
        file.bodies[number] = "".join([*keys, ">>"]).encode("latin-1")
        return number

    document = write(tags.root, root)
    owners = " ".join(
        f"{place}[{' '.join(f'{numbers[id(each)]} 0 R' for each in marks)}]"
        for place, marks in enumerate(tags.pages[: len(pages)])
    )
    parents = file.put(f"<</Nums[{owners}]>>".encode("latin-1"))
    keys = f"<</Type/StructTreeRoot/K {document} 0 R/ParentTree {parents} 0 R/ParentTreeNextKey {len(pages)}>>"
    file.bodies[root] = keys.encode("latin-1")
    return root


def _outline(file: _File, tags: Tags, pages: Sequence[int], about: About) -> str:
    """Writes a bookmark for each heading; returns the catalog's entry."""
    heads = [each for each in _all(tags.root) if each.kind in HEADINGS and each.marks]
    if not heads:
        return ""
    root, items = file.number(), [file.number() for _ in heads]
    for place, (head, number) in enumerate(zip(heads, items, strict=True)):
        page, _ = head.marks[0]
        beside = f"/Prev {items[place - 1]} 0 R" if place else ""
        beside += f"/Next {items[place + 1]} 0 R" if place + 1 < len(items) else ""
        aim = f"/Dest[{pages[page]} 0 R/XYZ 0 {head.box[3]:.2f} null]"
        file.bodies[number] = f"<</Title{_text(head.title)}/Parent {root} 0 R{beside}{aim}>>".encode("latin-1")
    keys = f"<</Type/Outlines/First {items[0]} 0 R/Last {items[-1]} 0 R/Count {len(items)}>>"
    file.bodies[root] = keys.encode("latin-1")
    return f"/Outlines {root} 0 R"


def _all(element: Element) -> Iterator[Element]:
    yield element
    for each in element.kids:
        yield from _all(each)


def bare_fonts(objects: Mapping[int, bytes]) -> list[str]:
    """Names of the fonts that the file uses without bringing them along."""
    fonts = [each for each in objects.values() if b"/Type /Font\n" in each or each.rstrip().endswith(b"/Type /Font\n>>")]
    return sorted({_found(rb"/BaseFont /([^\s/]+)", [each]).decode() for each in fonts if b"/FontDescriptor" not in each})


def _metadata(about: About, bare: Sequence[str]) -> bytes:
    """The XMP packet. It calls the file accessible only where every letter is drawn by a font that it brings along."""
    said = about.subject
    if bare:
        sentence = Sentence("tagged, but not accessible by PDF/UA: the file does not embed {0}", ", ".join(bare))
        said += f"; {page_word(sentence, about.language)}"
    mark = "" if bare else "<pdfuaid:part>1</pdfuaid:part>"
    spoken = f'<rdf:Alt><rdf:li xml:lang="x-default">{{}}</rdf:li><rdf:li xml:lang="{about.language}">{{}}</rdf:li></rdf:Alt>'
    title, about_it = (spoken.format(escape(each), escape(each)) for each in (about.title, said))
    packet = (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""'
        ' xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:pdfuaid="http://www.aiim.org/pdfua/ns/id/">'
        f"<dc:title>{title}</dc:title><dc:description>{about_it}</dc:description>"
        f"<dc:creator><rdf:Seq><rdf:li>{escape(about.author)}</rdf:li></rdf:Seq></dc:creator>"
        f"<dc:language><rdf:Bag><rdf:li>{about.language}</rdf:li></rdf:Bag></dc:language>{mark}"
        '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
    ).encode()
    return b"<</Type/Metadata/Subtype/XML/Length %d>>\nstream\n%b\nendstream" % (len(packet), packet)

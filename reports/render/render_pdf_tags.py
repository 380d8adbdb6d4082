"""Tags of the PDF: what each stroke belongs to, as a tree that is read aloud in the order of the report's content.

Source: ISO 32000-1 §14.6-14.8 (marked content, structure, language), ISO 14289-1 (PDF/UA-1). A block claims what it
draws; what nobody claims is furniture. Elements of the tree are many and small, so that they stand in compressed object
streams (§7.5.7), and the library's own objects beside them.
"""

import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

from data_quality.contracts.sentence import Sentence
from reports.render.render_pdf_packed import LINE, PLACE, PdfFile, extended, found, pdf_text, read_objects
from reports.render.render_pdf_text import clean, is_east_asian, is_plain, printable
from reports.report_content import Table
from reports.texts.locales import language_of, page_word

HEADINGS = ("H1", "H2")
# Operators that paint nothing: between two marks they belong to no one.
_STATES = re.compile(r"q|Q|[^\n]* (?:cm|rg|RG|w|gs)")
# The end of a string, of which a bracket behind an odd number of backslashes is none.
_LINE_ENDS = re.compile(r"(?<!\\)((?:\\\\)*)\) Tj T\* ")
_SCRIPTS = (
    ("ar", re.compile("[\u0600-\u06ff]")),
    ("he", re.compile("[\u0590-\u05ff]")),
    ("ja", re.compile("[\u3040-\u30ff]")),
    ("ko", re.compile("[\u1100-\u11ff\uac00-\ud7a3]")),
    ("zh", re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")),
)


class Element:
    """A node of the tree. kind: a standard type; actual_text: words that the page draws otherwise; box: in points."""

    __slots__ = (
        "actual_text", "alt", "box", "has_spaces", "kids", "kind", "language", "marks", "scope", "spoken", "title",
    )  # fmt: skip

    def __init__(self, language: str, kind: str, *words: str, alt: str = "", scope: str = "", title: str = "") -> None:
        self.kind, self.alt, self.scope, self.title = kind, clean(alt), scope, clean(title)
        is_drawn = all(is_plain(each) or printable(each) == each for each in words)
        self.actual_text = "" if is_drawn else clean(" ".join(filter(None, words)))
        # Chinese, Japanese and Korean have none, and codes of two bytes.
        self.has_spaces = all(each.isascii() or not any(map(is_east_asian, each)) for each in words)
        found = next(filter(None, map(_script, (*words, alt))), "")
        self.spoken, self.language = language, "" if found == language_of(language) else found
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

    def __init__(self, language: str) -> None:
        self.root = Element(language, "Document")
        # Of each page the elements by the numbers of their marks.
        self.pages: list[list[Element]] = [[]]
        self._free = 0

    def begin(self, element: Element) -> str:
        """The operator that opens a piece of an element on the page that is drawn; "EMC" shuts it."""
        number = len(self.pages[-1])
        self.pages[-1].append(element)
        element.marks.append((len(self.pages) - 1, number))
        return f"/{element.kind}<</MCID {number}>>BDC"

    def furnish(self, code: list[str], kind: str = "", start: int | None = None) -> None:
        """Make furniture of what was drawn since the last mark, or since `start`. kind: of what is on every page."""
        start = self._free if start is None else start
        if not all(_STATES.fullmatch(each) for each in code[start:]):
            code.insert(start, f"/Artifact<</Type/Pagination/Subtype/{kind}>>BDC" if kind else "/Artifact BMC")
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


def furnished(canvas: Any, kind: str, start: int | None = None) -> None:
    """Mark the last drawing, or all since `start`, as part of every page. kind: Header, Footer or Watermark."""
    if (tags := getattr(canvas, "tags", None)) is not None:
        tags.furnish(canvas._code, kind, start)


@contextmanager
def marked(canvas: Any, element: Element | None, width: float = 0.0, height: float = 0.0) -> Iterator[None]:
    """Assign the drawing inside to the element; on a canvas without tags nothing changes."""
    tags = getattr(canvas, "tags", None)
    if tags is None or element is None:
        yield
        return
    if element.kind == "Figure" or (element.title and not element.box):
        element.box = (*canvas.absolutePosition(0, 0), *canvas.absolutePosition(width, height))
    code = canvas._code
    tags.furnish(code)
    code.append(tags.begin(element))
    start = len(code)
    yield
    # A line ends with a space, or its last word and the next line's first are read as one. What a figure draws is no
    # line: a sign of one font and its number of another are two strings.
    if element.has_spaces and element.kind != "Figure":
        code[start:] = [_LINE_ENDS.sub(r"\1 ) Tj T* ", each) for each in code[start:]]
    code.append("EMC")
    tags.claim(code)


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


class DocumentProperties(NamedTuple):
    """A document in a few words, in its own language."""

    title: str
    subject: str
    author: str
    language: str


def tagged(data: bytes, tags: Tags, about: DocumentProperties) -> bytes:
    """The library's finished file with the tree, bookmarks and metadata in it. Same tree and file, same bytes."""
    objects, info = read_objects(data)
    file = PdfFile(len(objects) + 1)
    catalog = next(number for number, body in objects.items() if b"/Type /Catalog" in body)
    pages = [int(each) for each in re.findall(rb"(\d+) 0 R", found(rb"/Kids \[([^\]]*)\]", objects.values()))]
    for place, number in enumerate(pages):
        objects[number] = extended(objects[number], f"/StructParents {place}/Tabs/S")
    tree = _tree(file, tags, pages)
    outline = _outline(file, tags, pages)
    open_fonts = bare_fonts(objects)
    meta = file.put(_metadata(about, open_fonts))
    entries = (
        f"/MarkInfo<</Marked true>>/ViewerPreferences<</DisplayDocTitle true>>/StructTreeRoot {tree} 0 R"
        f"/Metadata {meta} 0 R{outline}"
    )
    objects[catalog] = extended(objects[catalog], entries)
    file.bodies |= objects
    return file.written(data[: data.index(b"1 0 obj")], catalog, info, found(rb"/ID\s+(\[[^\]]*\])", [data]))


def _tree(file: PdfFile, tags: Tags, pages: Sequence[int]) -> int:
    """Writes the structure tree and, for each page, whose its marks are; returns the number of the root."""
    root, numbers = file.number(), dict[int, int]()
    # Level by level: cells of a table have numbers in a row, and so do those of a page.
    level = [tags.root]
    while level:
        numbers |= {id(each): file.number() for each in level}
        level = [kid for each in level for kid in each.kids]

    def write(element: Element, parent: int) -> int:
        number = numbers[id(element)]
        kids = [f"{write(each, number)} 0 R" for each in element.kids]
        first = element.marks[0][0] if element.marks else -1
        for page, mark in element.marks:
            other = f"<</Type/MCR/Pg {pages[page]} 0 R/MCID {mark}>>"
            kids.append(str(mark) if page == first else other)
        keys = [f"<</S/{element.kind}/P {parent:5d} 0 R"]
        keys += [f"/Pg {pages[first]:5d} 0 R"] if element.marks else []
        if len(kids) == 1:
            keys.append(f"/K {kids[0]:>5}")
        elif kids:
            keys = ["".join([*keys, "/K["]).ljust(2 * PLACE), *(each.rjust(PLACE) for each in kids), "]"]
        keys += [f"/ActualText{pdf_text(element.actual_text)}"] if element.actual_text else []
        keys += [f"/Alt{pdf_text(element.alt)}"] if element.alt else []
        keys += [f"/Lang({element.language})"] if element.language else []
        keys += [f"/A<</O/Table/Scope/{element.scope}>>"] if element.scope else []
        if element.kind == "Figure" and element.box:
            keys.append(f"/A<</O/Layout/BBox[{' '.join(f'{each:.2f}' for each in element.box)}]>>")
        file.bodies[number] = "".join([*keys, ">>"]).encode("latin-1")
        return number

    document = write(tags.root, root)
    owners = "".join(
        f"{place:<{LINE - 1}}[{''.join(f'{numbers[id(each)]:{PLACE - 4}d} 0 R' for each in marks)}]"
        for place, marks in enumerate(tags.pages[: len(pages)])
    )
    parents = file.put(f"{'<</Nums[':{LINE}}{owners}]>>".encode("latin-1"))
    keys = f"<</Type/StructTreeRoot/K {document} 0 R/ParentTree {parents} 0 R/ParentTreeNextKey {len(pages)}>>"
    file.bodies[root] = keys.encode("latin-1")
    return root


def _outline(file: PdfFile, tags: Tags, pages: Sequence[int]) -> str:
    """Writes a bookmark for each heading; returns the catalog's entry."""
    heads = [each for each in _all(tags.root) if each.kind in HEADINGS and each.marks]
    if not heads:
        return ""
    root, items = file.number(), [file.number() for _ in heads]
    for place, (head, number) in enumerate(zip(heads, items, strict=True)):
        page, _ = head.marks[0]
        siblings = f"/Prev {items[place - 1]} 0 R" if place else ""
        siblings += f"/Next {items[place + 1]} 0 R" if place + 1 < len(items) else ""
        aim = f"/Dest[{pages[page]} 0 R/XYZ 0 {head.box[3]:.2f} null]"
        file.bodies[number] = f"<</Title{pdf_text(head.title)}/Parent {root} 0 R{siblings}{aim}>>".encode("latin-1")
    keys = f"<</Type/Outlines/First {items[0]} 0 R/Last {items[-1]} 0 R/Count {len(items)}>>"
    file.bodies[root] = keys.encode("latin-1")
    return f"/Outlines {root} 0 R"


def _all(element: Element) -> Iterator[Element]:
    yield element
    for each in element.kids:
        yield from _all(each)


def bare_fonts(objects: Mapping[int, bytes]) -> list[str]:
    """Names of the fonts that the file uses without bringing them along."""

    def is_embedded(font: bytes) -> bool:
        # A font of the reader's has a descriptor too, inside itself and without a file.
        descriptor = re.search(rb"/FontDescriptor (\d+) 0 R", font)
        return descriptor is not None and b"/FontFile" in objects[int(descriptor[1])]

    fonts = [body for body in objects.values() if re.search(rb"/Type /Font\s", body)]
    return sorted({found(rb"/BaseFont /([^\s/]+)", [each]).decode() for each in fonts if not is_embedded(each)})


def _metadata(about: DocumentProperties, bare: Sequence[str]) -> bytes:
    """The XMP packet. It calls the file accessible only where every letter is drawn by a font that it brings along."""
    description = about.subject
    if bare:
        sentence = Sentence("tagged, but not accessible by PDF/UA: the file does not embed {0}", ", ".join(bare))
        description += f"; {page_word(sentence, about.language)}"
    mark = "" if bare else "<pdfuaid:part>1</pdfuaid:part>"
    title, descriptions = (
        f'<rdf:Alt><rdf:li xml:lang="x-default">{each}</rdf:li>'
        f'<rdf:li xml:lang="{about.language}">{each}</rdf:li></rdf:Alt>'
        for each in (escape(about.title), escape(description))
    )
    packet = (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""'
        ' xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:pdfuaid="http://www.aiim.org/pdfua/ns/id/">'
        f"<dc:title>{title}</dc:title><dc:description>{descriptions}</dc:description>"
        f"<dc:creator><rdf:Seq><rdf:li>{escape(about.author)}</rdf:li></rdf:Seq></dc:creator>"
        f"<dc:language><rdf:Bag><rdf:li>{about.language}</rdf:li></rdf:Bag></dc:language>{mark}"
        '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
    ).encode()
    data = zlib.compress(packet)
    keys = b"<</Type/Metadata/Subtype/XML/Filter/FlateDecode/Length %d>>" % len(data)
    return b"%b\nstream\n%b\nendstream" % (keys, data)

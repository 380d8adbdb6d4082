"""A tagged PDF read back: conditions of the Matterhorn Protocol 1.1 that a machine can check, by their numbers."""

import io
import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pypdf
from fontTools.ttLib import TTFont
from pypdf.generic import ContentStream, StreamObject

_PAINTING = {"S", "s", "f", "F", "f*", "B", "B*", "b", "b*", "sh", "Do", "BI", "INLINE IMAGE"}
_SHOWING = {"Tj", "TJ", "'", '"'}
_TABLES = {"TR": {"Table", "THead", "TBody", "TFoot"}, "TH": {"TR"}, "TD": {"TR"},
           "THead": {"Table"}, "TBody": {"Table"}, "TFoot": {"Table"}}  # fmt: skip
_LISTS = {"LI": {"L"}, "Lbl": {"LI", "TOCI"}, "LBody": {"LI"}}
_STANDARD = """Document Part Art Sect Div BlockQuote Caption TOC TOCI Index NonStruct Private P H H1 H2 H3 H4 H5 H6 L LI
Lbl LBody Table TR TH TD THead TBody TFoot Span Quote Note Reference BibEntry Code Link Annot Ruby RB RT RP Warichu WT
WP Figure Formula Form"""
_PLAIN = set(_STANDARD.split())
Failures = Iterator[str]


@dataclass
class Node:
    """An element of the tree."""

    kind: str
    raw: Any
    parent: "Node | None"
    number: int = 0
    kids: list["Node | tuple[int, int] | Any"] = field(default_factory=list)

    def nodes(self) -> Iterator["Node"]:
        """Itself and all below, in reading order."""
        yield self
        for kid in self.kids:
            if isinstance(kid, Node):
                yield from kid.nodes()

    def attribute(self, key: str) -> Any:
        """An attribute of an owner (Scope, BBox)."""
        given = self.raw.get("/A")
        return None if given is None else given.get_object().get(key)

    @property
    def language(self) -> str:
        """Its own or of what it stands in."""
        own = str(self.raw.get("/Lang", ""))
        return own or (self.parent.language if self.parent else "")


class Tagged:
    """Pages, tree and fonts of a file."""

    def __init__(self, data: bytes) -> None:
        self.reader = pypdf.PdfReader(io.BytesIO(data), strict=True)
        self.root: Any = self.reader.root_object
        self.pages: list[Any] = list(self.reader.pages)
        self.page_numbers = {page.indirect_reference.idnum: at for at, page in enumerate(self.pages)}
        # Of each mark its words; of each painting operator in no mark or in a wrong one the sentence why.
        self.words: dict[tuple[int, int], str] = {}
        self.faults: dict[str, list[str]] = {"01-003": [], "01-004": [], "01-005": [], "10-001": []}
        self.painted = 0
        self.fonts: dict[str, Any] = {}
        # Codes that are shown, by their font.
        self.codes: dict[str, set[int]] = {}
        self._letters_by_code: dict[str, dict[int, str]] = {}
        for at in range(len(self.pages)):
            self._read_page(at)

    @cached_property
    def tree(self) -> Node:
        """The elements."""
        top = self.root["/StructTreeRoot"]["/K"]
        return self._node(top, None)

    def _node(self, raw: Any, parent: Node | None, page: int | None = None) -> Node:
        given = raw.get_object()
        node = Node(str(given["/S"])[1:], given, parent, getattr(raw, "idnum", 0))
        at = self.page_numbers[given.raw_get("/Pg").idnum] if "/Pg" in given else page
        kids = given.get("/K", [])
        for kid in kids if isinstance(kids, list) else [given.raw_get("/K")]:
            value = kid.get_object()
            if isinstance(value, int):
                node.kids.append((at, int(value)))
            elif "/MCID" in value:
                node.kids.append((self.page_numbers[value.raw_get("/Pg").idnum], int(value["/MCID"])))
            elif "/S" in value:
                node.kids.append(self._node(kid, node, at))
            else:
                node.kids.append(value)
        return node

    def nodes(self, *kinds: str) -> list[Node]:
        """Elements in reading order, of these kinds or of all."""
        return [each for each in self.tree.nodes() if not kinds or each.kind in kinds]

    def text(self, node: Node) -> str:
        """Text of an element: its replacement, or the letters of its marks and of what is below."""
        if "/ActualText" in node.raw:
            return str(node.raw["/ActualText"])
        return " ".join(
            self.text(kid) if isinstance(kid, Node) else self.words.get(kid, "") if isinstance(kid, tuple) else ""
            for kid in node.kids
        )

    def _read_page(self, at: int) -> None:
        page = self.pages[at]
        fonts = {name: font.get_object() for name, font in page["/Resources"]["/Font"].get_object().items()}
        opened: list[int | str | None] = []
        shown, font, kept = dict[tuple[int, int], list[str]](), "", list[str]()
        for operands, name in ContentStream(page.get_contents(), self.reader).operations:
            operator = name.decode()
            if operator in {"BDC", "BMC"}:
                opened.append(self._opened(at, opened, operands))
            elif operator == "EMC":
                opened.pop()
            elif operator == "Tf":
                font = str(operands[0])
            elif operator == "q":
                kept.append(font)
            elif operator == "Q":
                font = kept.pop()
            elif operator in _PAINTING | _SHOWING:
                self.painted += 1
                if not any(each is not None for each in opened):
                    self.faults["01-005"].append(f"page {at + 1}: {operator} {operands!r:.60}")
                if operator in _SHOWING:
                    self.fonts[str(fonts[font]["/BaseFont"])] = fonts[font]
                    letters = "".join(self._letters(each, fonts[font]) for each in _strings(operands))
                    mark = next((each for each in reversed(opened) if isinstance(each, int)), None)
                    if mark is not None:
                        shown.setdefault((at, mark), []).append(letters)
        assert not opened, f"page {at + 1} leaves a mark open"
        self.words |= {key: "".join(parts) for key, parts in shown.items()}

    def _opened(self, at: int, opened: list[int | str | None], operands: Any) -> int | str | None:
        keys = operands[1] if len(operands) > 1 and not isinstance(operands[1], str) else {}
        if operands[0] == "/Artifact":
            if any(isinstance(each, int) for each in opened):
                self.faults["01-003"].append(f"page {at + 1}")
            return "furniture"
        if "/MCID" in keys:
            if "furniture" in opened:
                self.faults["01-004"].append(f"page {at + 1}, mark {keys['/MCID']}")
            return int(keys["/MCID"])
        return None

    def _letters(self, raw: Any, font: Any) -> str:
        data = raw.original_bytes if hasattr(raw, "original_bytes") else bytes(raw)
        self.codes.setdefault(str(font["/BaseFont"]), set()).update(data)
        if "/ToUnicode" in font:
            name = str(font["/BaseFont"])
            known = self._letters_by_code.get(name) or self._letters_by_code.setdefault(name, unicode_map(font))
            missing = [code for code in data if code not in known]
            if missing:
                self.faults["10-001"].append(f"{font['/BaseFont']}: codes {missing}")
            return "".join(known.get(code, "") for code in data)
        if font["/Subtype"] == "/Type0":
            return data.decode("utf-16-be")
        return data.decode("cp1252", errors="replace")


def unicode_map(font: Any) -> dict[int, str]:
    """Code to letters, of a font with one byte a code."""
    text = font["/ToUnicode"].get_object().get_data().decode("latin-1")
    pairs = re.findall(r"^<([0-9A-F]{2})> <([0-9A-F]{4,})>$", text, re.MULTILINE | re.IGNORECASE)
    return {int(code, 16): bytes.fromhex(letters).decode("utf-16-be") for code, letters in pairs}


def _strings(operands: Any) -> list[Any]:
    flat = operands[0] if operands and isinstance(operands[0], list) else operands
    return [each for each in flat if isinstance(each, str | bytes)]


CONDITIONS: dict[str, Callable[[Tagged], Failures]] = {}


def condition(number: str) -> Callable[[Callable[[Tagged], Failures]], Callable[[Tagged], Failures]]:
    """Register a check under its number in the protocol; it yields where a file fails."""

    def keep(check: Callable[[Tagged], Failures]) -> Callable[[Tagged], Failures]:
        assert number not in CONDITIONS
        CONDITIONS[number] = check
        return check

    return keep


def failures(data: bytes) -> dict[str, list[str]]:
    """Conditions that a file fails, with where; empty where it passes all."""
    pdf = Tagged(data)
    found = {number: list(check(pdf)) for number, check in CONDITIONS.items()}
    return {number: places for number, places in found.items() if places}


for _number in ("01-003", "01-004", "01-005", "10-001"):
    condition(_number)(lambda pdf, number=_number: iter(pdf.faults[number]))  # type: ignore[misc]


def _is(number: str, test: Callable[[Tagged], Any]) -> None:
    """A condition that holds of a whole file."""
    condition(number)(lambda pdf: iter(["the file"] if test(pdf) else []))


def _of(number: str, kind: str, test: Callable[[Node], Any]) -> None:
    """A condition of each element of a kind."""
    condition(number)(lambda pdf: iter([f"{each.kind} {each.number}" for each in pdf.nodes(kind) if test(each)]))


def _xmp(pdf: Tagged) -> str:
    given = pdf.root.get("/Metadata")
    return "" if given is None else given.get_object().get_data().decode()


def _annotations(pdf: Tagged) -> list[tuple[Any, Any, Node | None]]:
    """(page, annotation, the element that holds it)."""
    holders = {id(kid["/Obj"].get_object()): node for node in pdf.nodes() for kid in node.kids
               if isinstance(kid, dict) and "/Obj" in kid}  # fmt: skip
    return [
        (page, each.get_object(), holders.get(id(each.get_object())))
        for page in pdf.pages
        for each in page.get("/Annots", [])
    ]


def _note(number: str, test: Callable[[Any, Any, Node | None], Any]) -> None:
    condition(number)(
        lambda pdf: iter([str(note["/Subtype"]) for page, note, node in _annotations(pdf) if test(page, note, node)])
    )


_is("01-007", lambda pdf: pdf.root.get("/MarkInfo", {}).get("/Suspects"))
_is("06-001", lambda pdf: "/Metadata" not in pdf.root)
_is("06-002", lambda pdf: _xmp(pdf) and "<pdfuaid:part>1</pdfuaid:part>" not in _xmp(pdf))
_is("06-003", lambda pdf: _xmp(pdf) and not re.search(r"<dc:title><rdf:Alt><rdf:li[^>]*>[^<]+", _xmp(pdf)))
_is("07-001", lambda pdf: "/DisplayDocTitle" not in pdf.root.get("/ViewerPreferences", {}))
_is("07-002", lambda pdf: pdf.root.get("/ViewerPreferences", {}).get("/DisplayDocTitle", True) != True)  # noqa: E712
_is("11-003", lambda pdf: "/Outlines" in pdf.root and not pdf.root.get("/Lang"))
_is("11-006", lambda pdf: not pdf.root.get("/Lang") and not re.search(r'xml:lang="(?!x-default)', _xmp(pdf)))
_is("14-007", lambda pdf: pdf.nodes("H") and pdf.nodes("H1", "H2", "H3"))
_is("25-001", lambda pdf: "required" in str(pdf.root.get("/AcroForm", {}).get("/XFA", "")))
_of("13-004", "Figure", lambda node: not node.raw.get("/Alt") and not node.raw.get("/ActualText"))
_of("17-002", "Formula", lambda node: not node.raw.get("/Alt"))
_of("15-003", "TH", lambda node: node.attribute("/Scope") not in {"/Row", "/Column", "/Both"})
_of("19-003", "Note", lambda node: not node.raw.get("/ID"))
_note(
    "28-002",
    lambda _page, note, node: (
        note["/Subtype"] not in {"/Widget", "/Link", "/PrinterMark", "/TrapNet"}
        and (node is None or node.kind != "Annot")
    ),
)
_note(
    "28-004",
    lambda _page, note, node: (
        note["/Subtype"] not in {"/Widget", "/Link", "/PrinterMark", "/TrapNet"}
        and not note.get("/Contents")
        and not (node and node.raw.get("/Alt"))
    ),
)
_note("28-007", lambda _page, note, _node: note["/Subtype"] == "/TrapNet")
_note("28-008", lambda page, _note, _node: "/Tabs" not in page)
_note("28-009", lambda page, _note, _node: page.get("/Tabs", "/S") != "/S")
_note("28-010", lambda _page, note, node: note["/Subtype"] == "/Widget" and (node is None or node.kind != "Form"))
_note("28-011", lambda _page, note, node: note["/Subtype"] == "/Link" and (node is None or node.kind != "Link"))
_note("28-012", lambda _page, note, _node: note["/Subtype"] == "/Link" and not note.get("/Contents"))
_note("28-017", lambda _page, note, node: note["/Subtype"] == "/PrinterMark" and node is not None)


@condition("02-001")
def _unmapped(pdf: Tagged) -> Failures:
    roles = {str(key)[1:]: str(value)[1:] for key, value in pdf.root["/StructTreeRoot"].get("/RoleMap", {}).items()}
    for node in pdf.nodes():
        kind, seen = node.kind, set[str]()
        while kind not in _PLAIN and kind in roles and kind not in seen:
            seen.add(kind)
            kind = roles[kind]
        if kind not in _PLAIN and kind not in seen:
            yield node.kind


@condition("02-003")
def _circular(pdf: Tagged) -> Failures:
    roles = {str(key)[1:]: str(value)[1:] for key, value in pdf.root["/StructTreeRoot"].get("/RoleMap", {}).items()}
    for kind in roles:
        at, seen = kind, set[str]()
        while at in roles and at not in seen:
            seen.add(at)
            at = roles[at]
        if at == kind and at not in _PLAIN:
            yield kind


@condition("02-004")
def _remapped(pdf: Tagged) -> Failures:
    yield from (str(key) for key in pdf.root["/StructTreeRoot"].get("/RoleMap", {}) if str(key)[1:] in _PLAIN)


def _nested(pdf: Tagged, places: dict[str, set[str]]) -> Failures:
    for node in pdf.nodes(*places):
        if node.parent is None or node.parent.kind not in places[node.kind]:
            yield f"{node.kind} in {node.parent.kind if node.parent else 'nothing'}"


@condition("09-004")
def _table_syntax(pdf: Tagged) -> Failures:
    yield from _nested(pdf, _TABLES)
    for table in pdf.nodes("Table"):
        kinds = [kid.kind if isinstance(kid, Node) else "" for kid in table.kids]
        if set(kinds) - {"TR", "THead", "TBody", "TFoot", "Caption"} or "Caption" in kinds[1:-1]:
            yield f"Table of {kinds}"


@condition("09-005")
def _list_syntax(pdf: Tagged) -> Failures:
    yield from _nested(pdf, _LISTS)
    for each in pdf.nodes("L"):
        if any(not isinstance(kid, Node) or kid.kind not in {"LI", "L", "Caption"} for kid in each.kids):
            yield f"L {each.number}"


@condition("09-006")
def _contents_syntax(pdf: Tagged) -> Failures:
    yield from _nested(pdf, {"TOCI": {"TOC"}})


@condition("09-007")
def _ruby_syntax(pdf: Tagged) -> Failures:
    yield from _nested(pdf, {"RB": {"Ruby"}, "RT": {"Ruby"}, "RP": {"Ruby"}})


@condition("09-008")
def _warichu_syntax(pdf: Tagged) -> Failures:
    yield from _nested(pdf, {"WT": {"Warichu"}, "WP": {"Warichu"}})


@condition("11-001")
def _spoken(pdf: Tagged) -> Failures:
    document = pdf.root.get("/Lang")
    for node in pdf.nodes():
        if any(isinstance(kid, tuple) for kid in node.kids) and not (document or node.language):
            yield f"{node.kind} {node.number}"


@condition("11-002")
def _spoken_instead(pdf: Tagged) -> Failures:
    for node in pdf.nodes():
        if {"/Alt", "/ActualText", "/E"} & set(node.raw) and not (pdf.root.get("/Lang") or node.language):
            yield f"{node.kind} {node.number}"


@condition("11-004")
def _spoken_notes(pdf: Tagged) -> Failures:
    for _page, note, node in _annotations(pdf):
        if note.get("/Contents") and not (pdf.root.get("/Lang") or (node and node.language)):
            yield str(note["/Subtype"])


def _levels(pdf: Tagged) -> list[int]:
    return [int(each.kind[1]) for each in pdf.nodes("H1", "H2", "H3", "H4", "H5", "H6")]


@condition("14-002")
def _first_heading(pdf: Tagged) -> Failures:
    if _levels(pdf)[:1] not in ([], [1]):
        yield f"H{_levels(pdf)[0]}"


@condition("14-003")
def _skipped_heading(pdf: Tagged) -> Failures:
    levels = _levels(pdf)
    yield from (f"H{one} to H{two}" for one, two in itertools.pairwise(levels) if two > one + 1)


@condition("14-006")
def _two_headings(pdf: Tagged) -> Failures:
    for node in pdf.nodes():
        if sum(isinstance(kid, Node) and kid.kind == "H" for kid in node.kids) > 1:
            yield f"{node.kind} {node.number}"


@condition("19-004")
def _same_notes(pdf: Tagged) -> Failures:
    names = [str(each.raw["/ID"]) for each in pdf.nodes("Note") if each.raw.get("/ID")]
    yield from (name for name in set(names) if names.count(name) > 1)


def _layers(pdf: Tagged) -> dict[str, list[Any]]:
    given = pdf.root.get("/OCProperties", {})
    return {"D": [given["/D"]] if "/D" in given else [], "Configs": list(given.get("/Configs", []))}


_is("20-001", lambda pdf: any(not each.get_object().get("/Name") for each in _layers(pdf)["Configs"]))
_is("20-002", lambda pdf: any(not each.get("/Name") for each in _layers(pdf)["D"]))
_is("20-003", lambda pdf: any("/AS" in each.get_object() for part in _layers(pdf).values() for each in part))


@condition("21-001")
def _embedded(pdf: Tagged) -> Failures:
    names = pdf.root.get("/Names", {}).get("/EmbeddedFiles", {}).get("/Names", [])
    yield from (str(each) for each in names[1::2] if not {"/F", "/UF"} <= set(each.get_object()))


def _drawings(pdf: Tagged) -> Iterator[Any]:
    for page in pdf.pages:
        yield from (each.get_object() for each in page["/Resources"].get("/XObject", {}).values())


@condition("30-001")
def _foreign(pdf: Tagged) -> Failures:
    yield from ("a form of another file" for each in _drawings(pdf) if "/Ref" in each)


@condition("30-002")
def _twice(pdf: Tagged) -> Failures:
    drawn = [id(each) for each in _drawings(pdf) if isinstance(each, StreamObject) and b"/MCID" in each.get_data()]
    yield from ("a form" for each in set(drawn) if drawn.count(each) > 1)


def _bare(font: Any) -> bool:
    parts = [font, *(each.get_object() for each in font.get("/DescendantFonts", []))]
    return not any({"/FontFile", "/FontFile2", "/FontFile3"} & set(each.get("/FontDescriptor", {})) for each in parts)


def _font(number: str, test: Callable[[Any], Any]) -> None:
    condition(number)(lambda pdf: iter([name for name, font in pdf.fonts.items() if test(font)]))


def _is_symbolic(font: Any) -> bool:
    return bool(int(font.get("/FontDescriptor", {}).get("/Flags", 0)) & 4)


def _letters_of(font: Any) -> str:
    return "".join(unicode_map(font).values()) if "/ToUnicode" in font else ""


_font("31-009", _bare)
_font("31-019", lambda font: font["/Subtype"] == "/TrueType" and not _is_symbolic(font) and "/Encoding" not in font)
_font("31-024", lambda font: font["/Subtype"] == "/TrueType" and _is_symbolic(font) and "/Encoding" in font)
_font(
    "31-027",
    lambda font: (
        "/ToUnicode" not in font
        and font["/Subtype"] != "/Type0"
        and font.get("/Encoding") not in {"/WinAnsiEncoding", "/MacRomanEncoding"}
    ),
)
_font("31-028", lambda font: "\0" in _letters_of(font))
_font("31-029", lambda font: {"\ufeff", "\ufffe"} & set(_letters_of(font)))


def _glyphs(pdf: Tagged) -> Iterator[tuple[str, int, str, float, float]]:
    """(font, code, glyph, width in the file, width in the font), of codes that are shown in embedded fonts."""
    for name, font in pdf.fonts.items():
        if font["/Subtype"] == "/TrueType" and not _bare(font):
            program = TTFont(io.BytesIO(font["/FontDescriptor"]["/FontFile2"].get_data()))
            letters, size = program["cmap"].tables[0].cmap, program["head"].unitsPerEm / 1000
            for code in sorted(pdf.codes[name]):
                glyph = letters.get(code, ".notdef")
                yield name, code, glyph, font["/Widths"][code - font["/FirstChar"]], program["hmtx"][glyph][0] / size


@condition("31-016")
def _other_width(pdf: Tagged) -> Failures:
    for name, code, glyph, said, drawn in _glyphs(pdf):
        if glyph != ".notdef" and abs(float(said) - drawn) > 1:
            yield f"{name}: {code} is {drawn:.1f} wide, not {said}"


@condition("31-030")
def _no_glyph(pdf: Tagged) -> Failures:
    yield from (f"{name}: {code}" for name, code, glyph, _, _ in _glyphs(pdf) if glyph == ".notdef")


def unowned(data: bytes) -> list[str]:
    """Marks of pages that the tree does not hold once, or that their page's list of owners says otherwise."""
    pdf = Tagged(data)
    held: dict[tuple[int, int], list[int]] = {}
    for node in pdf.nodes():
        for kid in node.kids:
            if isinstance(kid, tuple):
                held.setdefault(kid, []).append(node.number)
    numbers = pdf.root["/StructTreeRoot"]["/ParentTree"]["/Nums"]
    owners = dict(zip(numbers[::2], numbers[1::2], strict=True))
    found = []
    for at, page in enumerate(pdf.pages):
        listed = [each.idnum for each in owners[int(page["/StructParents"])]]
        if [held.get((at, mark)) for mark in range(len(listed))] != [[each] for each in listed]:
            found.append(f"page {at + 1}: owners")
    return found + [f"{key} has no page" for key in set(pdf.words) - set(held)]

"""Rules of ISO 14289-1 as the profile of PDF/UA validators counts them, by clause and test: each is held by a condition
of the Matterhorn Protocol, checked here, or of a thing that no report of ours has.
"""

import io
import re
from collections.abc import Callable, Iterator

from fontTools.ttLib import TTFont

from tests.reports.tagged_pdf_check import Failures, Node, Tagged, _annotations, _is_symbolic

# Rule -> the conditions of tests/reports/tagged_pdf_check.py that hold it.
HELD = {
    "5-1": "06-002", "5-2": "06-002", "7.1-1": "01-003", "7.1-2": "01-004", "7.1-3": "01-005", "7.1-4": "01-007",
    "7.1-5": "02-001", "7.1-6": "02-003", "7.1-7": "02-004", "7.1-8": "06-001", "7.1-9": "06-003",
    "7.1-10": "07-001 07-002", "7.2-2": "11-003", "7.2-3": "09-004", "7.2-4": "09-004", "7.2-5": "09-004",
    "7.2-6": "09-004", "7.2-7": "09-004", "7.2-8": "09-004", "7.2-9": "09-004", "7.2-16": "09-004",
    "7.2-17": "09-005", "7.2-18": "09-005", "7.2-19": "09-005", "7.2-21": "11-002", "7.2-22": "11-002",
    "7.2-23": "11-002", "7.2-24": "11-004", "7.2-26": "09-006", "7.2-33": "11-006", "7.2-34": "11-001",
    "7.3-1": "13-004", "7.4.2-1": "14-002 14-003", "7.4.4-1": "14-006", "7.4.4-2": "14-007", "7.4.4-3": "14-007",
    "7.5-1": "15-003", "7.5-2": "15-003", "7.7-1": "17-002", "7.9-1": "19-003", "7.9-2": "19-004",
    "7.10-1": "20-001 20-002", "7.10-2": "20-003", "7.11-1": "21-001", "7.15-1": "25-001", "7.18.1-1": "28-002",
    "7.18.1-2": "28-004", "7.18.2-1": "28-007", "7.18.3-1": "28-008 28-009", "7.18.4-1": "28-010",
    "7.18.5-1": "28-011", "7.18.5-2": "28-012", "7.18.8-1": "28-017", "7.20-1": "30-001", "7.20-2": "30-002",
    "7.21.4.1-1": "31-009", "7.21.4.1-2": "31-030", "7.21.5-1": "31-016", "7.21.6-2": "31-019",
    "7.21.6-3": "31-024", "7.21.7-1": "10-001 31-027", "7.21.7-2": "31-028 31-029", "7.21.8-1": "31-030",
}  # fmt: skip
# Rule -> the thing that it is of.
ABSENT = {
    "7.2-25": "form", "7.18.1-3": "form", "7.18.4-2": "form", "7.16-1": "encryption", "7.18.6.2-1": "media",
    "7.18.6.2-2": "media", "7.2-30": "words in a span mark", "7.2-31": "words in a span mark",
    "7.2-32": "words in a span mark", "7.21.3.1-1": "composite font", "7.21.3.2-1": "composite font",
    "7.21.3.3-1": "composite font", "7.21.3.3-2": "composite font", "7.21.3.3-3": "composite font",
    "7.21.4.2-1": "list of glyphs", "7.21.4.2-2": "list of glyphs",
}  # fmt: skip
THINGS: dict[str, Callable[[Tagged], object]] = {
    "form": lambda pdf: "/AcroForm" in pdf.root,
    "encryption": lambda pdf: pdf.reader.is_encrypted,
    "media": lambda pdf: [note for _, note, _ in _annotations(pdf) if note["/Subtype"] in {"/Screen", "/Movie"}],
    "words in a span mark": lambda pdf: any(
        re.search(rb"/Span\s*<<[^>]*/(ActualText|Alt|E)\b", page.get_contents().get_data()) for page in pdf.pages
    ),
    "composite font": lambda pdf: [name for name, font in pdf.fonts.items() if font["/Subtype"] == "/Type0"],
    "list of glyphs": lambda pdf: [
        name for name, font in pdf.fonts.items() if {"/CharSet", "/CIDSet"} & set(font.get("/FontDescriptor", {}))
    ],
}
RULES: dict[str, Callable[[Tagged], Failures]] = {}
_UA = "http://www.aiim.org/pdfua/ns/id/"


def failed(data: bytes) -> set[str]:
    """Rules of this module that a file fails, and things of ABSENT that it has."""
    pdf = Tagged(data)
    found = {rule for rule, check in RULES.items() if any(True for _ in check(pdf))}
    return found | {name for name, has in THINGS.items() if has(pdf)}


def rule(number: str) -> Callable[[Callable[[Tagged], Failures]], Callable[[Tagged], Failures]]:
    """Register a check under its clause and test."""

    def keep(check: Callable[[Tagged], Failures]) -> Callable[[Tagged], Failures]:
        assert number not in {*RULES, *HELD, *ABSENT}
        RULES[number] = check
        return check

    return keep


def _is(number: str, test: Callable[[Tagged], object]) -> None:
    rule(number)(lambda pdf: iter(["the file"] if test(pdf) else []))


def kinds(node: Node) -> list[str]:
    """Kinds of what an element holds; empty for a mark."""
    return [each.kind if isinstance(each, Node) else "" for each in node.kids]


def _of(number: str, kind: str, test: Callable[[list[str]], object]) -> None:
    """A rule of what each element of a kind holds."""
    rule(number)(lambda pdf: iter([f"{each.kind} {each.number}" for each in pdf.nodes(kind) if test(kinds(each))]))


def _head(pdf: Tagged) -> bytes:
    pdf.reader.stream.seek(0)
    return pdf.reader.stream.read(9)


def _has_other_prefix(name: str) -> Callable[[Tagged], object]:
    """Whether a property of the PDF/UA namespace stands under another prefix."""

    def test(pdf: Tagged) -> bool:
        text = pdf.root["/Metadata"].get_object().get_data().decode() if "/Metadata" in pdf.root else ""
        prefixes = re.findall(rf'xmlns:([\w-]+)="{re.escape(_UA)}"', text)
        return any(each != "pdfuaid" and f"<{each}:{name}>" in text for each in prefixes)

    return test


_is("6.1-1", lambda pdf: not re.fullmatch(rb"%PDF-1\.[0-7][\r\n]", _head(pdf)))
_is("6.2-1", lambda pdf: pdf.root.get("/MarkInfo", {}).get("/Marked", False) != True)  # noqa: E712
_is("5-3", _has_other_prefix("part"))
_is("5-4", _has_other_prefix("amd"))
_is("5-5", _has_other_prefix("corr"))
_is("7.1-11", lambda pdf: "/StructTreeRoot" not in pdf.root)
_of("7.2-10", "TR", lambda held: set(held) - {"TH", "TD"})
_of("7.2-11", "Table", lambda held: held.count("THead") > 1)
_of("7.2-12", "Table", lambda held: held.count("TFoot") > 1)
_of("7.2-13", "Table", lambda held: "TFoot" in held and "TBody" not in held)
_of("7.2-14", "Table", lambda held: "THead" in held and "TBody" not in held)
_of("7.2-20", "LI", lambda held: set(held) - {"Lbl", "LBody"})
_of("7.2-27", "TOC", lambda held: set(held) - {"TOC", "TOCI", "Caption"})
_of("7.2-28", "TOC", lambda held: "Caption" in held[1:])
_of("7.2-36", "THead", lambda held: set(held) - {"TR"})
_of("7.2-37", "TBody", lambda held: set(held) - {"TR"})
_of("7.2-38", "TFoot", lambda held: set(held) - {"TR"})
_of("7.2-39", "Table", lambda held: held.count("Caption") > 1)
_of("7.2-40", "L", lambda held: "Caption" in held[1:])


@rule("7.1-12")
def _parents(pdf: Tagged) -> Failures:
    yield from (f"{node.kind} {node.number}" for node in pdf.nodes() if "/P" not in node.raw)


@rule("7.2-29")
def _languages(pdf: Tagged) -> Failures:
    said = [pdf.root.get("/Lang"), *(node.raw.get("/Lang") for node in pdf.nodes())]
    yield from (str(each) for each in said if each and not re.fullmatch(r"[a-zA-Z]{1,8}(-[a-zA-Z0-9]{1,8})*", each))


def _cells(table: Node) -> Iterator[list[tuple[int, int]]]:
    """Rows of a table, each as columns and rows that its cells span."""
    for row in table.nodes():
        if row.kind == "TR":
            yield [
                (int(cell.attribute("/ColSpan") or 1), int(cell.attribute("/RowSpan") or 1))
                for cell in row.kids
                if isinstance(cell, Node)
            ]


def _grid(table: Node) -> tuple[list[int], list[int], bool]:
    """Cells of each row, rows that each column reaches, and whether two cells are in one place."""
    taken: dict[tuple[int, int], int] = {}
    rows = list(_cells(table))
    for at, row in enumerate(rows):
        column = 0
        for wide, high in row:
            while (at, column) in taken:
                column += 1
            for place in ((at + down, column + across) for down in range(high) for across in range(wide)):
                taken[place] = taken.get(place, 0) + 1
            column += wide
    widths = [sum(1 for down, _ in taken if down == at) for at in range(len(rows))]
    heights = [max(down for down, each in taken if each == across) + 1 for across in {each for _, each in taken}]
    return widths, heights, max(taken.values(), default=1) > 1


@rule("7.2-15")
def _intersecting(pdf: Tagged) -> Failures:
    yield from (f"Table {each.number}" for each in pdf.nodes("Table") if _grid(each)[2])


@rule("7.2-41")
def _short_columns(pdf: Tagged) -> Failures:
    for table in pdf.nodes("Table"):
        widths, heights, _ = _grid(table)
        if heights and max(heights) > len(widths):
            yield f"Table {table.number}"


@rule("7.2-42")
def _short_rows(pdf: Tagged) -> Failures:
    yield from (f"Table {each.number}" for each in pdf.nodes("Table") if len(set(_grid(each)[0])) > 1)


# The same rule where the profile can say the number of columns.
HELD["7.2-43"] = "7.2-42"


@rule("7.21.6-1")
def _letters_of_plain_fonts(pdf: Tagged) -> Failures:
    for name, tables, is_symbolic in _programs(pdf):
        if not is_symbolic and len(tables) <= ((3, 0) in tables):
            yield name


@rule("7.21.6-4")
def _letters_of_symbolic_fonts(pdf: Tagged) -> Failures:
    for name, tables, is_symbolic in _programs(pdf):
        if is_symbolic and len(tables) != 1 and (3, 0) not in tables:
            yield name


def _programs(pdf: Tagged) -> Iterator[tuple[str, list[tuple[int, int]], bool]]:
    """Embedded TrueType fonts: name, platform and encoding of each map of letters, symbolic or not."""
    for name, font in pdf.fonts.items():
        if font["/Subtype"] == "/TrueType" and "/FontFile2" in font.get("/FontDescriptor", {}):
            program = TTFont(io.BytesIO(font["/FontDescriptor"]["/FontFile2"].get_data()))
            tables = [(each.platformID, each.platEncID) for each in program["cmap"].tables]
            yield name, tables, _is_symbolic(font)

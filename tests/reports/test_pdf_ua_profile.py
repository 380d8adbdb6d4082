"""Report PDFs against every rule that validators of PDF/UA-1 count; each rule of ours can fail."""

import io

import pypdf
import pytest
from pypdf.generic import ArrayObject, BooleanObject, NameObject, NumberObject, TextStringObject

from reports.render.render_pdf import render_pdf
from reports.report_content import Paragraph, ReportContent
from tests.reports.pdf_ua_profile import ABSENT, HELD, RULES, THINGS, failed
from tests.reports.tagged_pdf_check import CONDITIONS
from tests.reports.test_tagged_pdf import (
    Change,
    _kids,
    dictionary,
    elements,
    embedded,
    note,
    of_font,
    of_metadata,
    of_root,
    redrawn,
    renamed,
    small,
)

# Number of tests by clause in the profile PDFUA-1 of veraPDF (CC BY 4.0).
PROFILE = {
    "5": 5, "6.1": 1, "6.2": 1, "7.1": 12, "7.2": 41, "7.3": 1, "7.4.2": 1, "7.4.4": 3, "7.5": 2, "7.7": 1, "7.9": 2,
    "7.10": 2, "7.11": 1, "7.15": 1, "7.16": 1, "7.18.1": 3, "7.18.2": 1, "7.18.3": 1, "7.18.4": 2, "7.18.5": 2,
    "7.18.6.2": 2, "7.18.8": 1, "7.20": 2, "7.21.3.1": 1, "7.21.3.2": 1, "7.21.3.3": 3, "7.21.4.1": 2, "7.21.4.2": 2,
    "7.21.5": 1, "7.21.6": 4, "7.21.7": 2, "7.21.8": 1,
}  # fmt: skip
UA = "http://www.aiim.org/pdfua/ns/id/"


def _prefixed(name: str) -> Change:
    """A property of the namespace under another prefix, beside what stands there."""
    more = f'<rdf:Description rdf:about="" xmlns:ua="{UA}"><ua:{name}>1</ua:{name}></rdf:Description>'
    return of_metadata("</rdf:RDF>", f"{more}</rdf:RDF>")


def _table(*kinds: str) -> Change:
    """The table's rows under elements of these kinds, in their order; of none of them under the table itself."""

    def change(writer: pypdf.PdfWriter) -> None:
        (table,) = elements(writer, "Table")
        rows = list(table["/K"])
        groups = []
        for at, kind in enumerate(kinds):
            held = rows[at : at + 1] if at < len(kinds) - 1 else rows[at:]
            groups.append(writer._add_object(dictionary(S=NameObject(f"/{kind}"), P=table, K=ArrayObject(held))))
        table[NameObject("/K")] = ArrayObject(groups)

    return change


def _captions(kind: str, *places: int) -> Change:
    def change(writer: pypdf.PdfWriter) -> None:
        held = elements(writer, kind)[-1]
        kids = ArrayObject(_kids(held))
        for place in places:
            kids.insert(place, writer._add_object(dictionary(S=NameObject("/Caption"), P=held, K=ArrayObject())))
        held[NameObject("/K")] = kids

    return change


def _span(key: str, number: int, at: int = 0) -> Change:
    def change(writer: pypdf.PdfWriter) -> None:
        cell = elements(writer, "TR")[at]["/K"][0].get_object()
        cell[NameObject("/A")] = dictionary(O=NameObject("/Table"), **{key: NumberObject(number)})

    return change


def _crossing(writer: pypdf.PdfWriter) -> None:
    """The second cell of the first row goes down into the second row, whose first cell is as wide as both."""
    rows = elements(writer, "TR")
    for cell, key in ((rows[0]["/K"][1], "RowSpan"), (rows[1]["/K"][0], "ColSpan")):
        cell.get_object()[NameObject("/A")] = dictionary(O=NameObject("/Table"), **{key: NumberObject(2)})


def _contents(*kinds: str) -> Change:
    def change(writer: pypdf.PdfWriter) -> None:
        document = elements(writer)[0]
        held = [writer._add_object(dictionary(S=NameObject(f"/{kind}"), P=document)) for kind in kinds]
        document["/K"].append(writer._add_object(dictionary(S=NameObject("/TOC"), P=document, K=ArrayObject(held))))

    return change


def _other_maps(*tables: tuple[int, int], flags: int) -> Change:
    """The font holds maps of letters of these platforms and encodings."""

    def edit(font: dict[str, object]) -> None:
        from copy import copy

        from fontTools.ttLib import TTFont

        described = font["/FontDescriptor"]
        stream = described["/FontFile2"]  # type: ignore[index]
        program, buffer = TTFont(io.BytesIO(stream.get_data())), io.BytesIO()
        first = program["cmap"].tables[0]
        made = []
        for platform, encoding in tables:
            each = copy(first)
            each.platformID, each.platEncID = platform, encoding
            made.append(each)
        program["cmap"].tables = made
        program.save(buffer)
        stream.set_data(buffer.getvalue())
        described.update(dictionary(Flags=NumberObject(flags)))  # type: ignore[attr-defined]

    return of_font(edit)


def _twice_as_tall(writer: pypdf.PdfWriter) -> None:
    _span("RowSpan", 2, at=2)(writer)


MUTANTS: dict[str, Change] = {
    "6.2-1": of_root(MarkInfo=dictionary(Marked=BooleanObject(False))),
    "5-3": _prefixed("part"),
    "5-4": _prefixed("amd"),
    "5-5": _prefixed("corr"),
    "7.1-12": lambda writer: elements(writer, "H2")[0].pop("/P"),
    "7.2-10": renamed("TD", "P"),
    "7.2-11": _table("THead", "THead", "TBody"),
    "7.2-12": _table("TBody", "TFoot", "TFoot"),
    "7.2-13": _table("TFoot"),
    "7.2-14": _table("THead"),
    "7.2-15": _crossing,
    "7.2-20": renamed("LBody", "P"),
    "7.2-27": _contents("TOCI", "P"),
    "7.2-28": _contents("TOCI", "Caption"),
    "7.2-29": of_root(Lang=TextStringObject("en_GB")),
    "7.2-36": lambda writer: (_table("THead", "TBody")(writer), _captions("THead", 0)(writer)),
    "7.2-37": lambda writer: (_table("THead", "TBody")(writer), _captions("TBody", 0)(writer)),
    "7.2-38": lambda writer: (_table("TBody", "TFoot")(writer), _captions("TFoot", 0)(writer)),
    "7.2-39": _captions("Table", 0, 99),
    "7.2-40": _captions("L", 99),
    "7.2-41": _twice_as_tall,
    "7.2-42": lambda writer: elements(writer, "TR")[-1]["/K"].pop(),
    "7.21.6-1": _other_maps((3, 0), flags=32),
    "7.21.6-4": _other_maps((1, 0), (3, 1), flags=4),
}
OF_THINGS: dict[str, Change] = {
    "form": of_root(AcroForm=dictionary()),
    "media": note("Screen", "Annot"),
    "words in a span mark": redrawn(b"EMC", b"/Span <</ActualText (x)>> BDC EMC EMC"),
    "list of glyphs": of_font(lambda font: font["/FontDescriptor"].update(dictionary(CharSet=TextStringObject("/A")))),
}


def changed(change: Change) -> bytes:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(embedded()))
    change(writer)
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def test_every_rule_of_the_profile_is_held_by_one_of_ours_or_of_a_thing_that_reports_lack() -> None:
    every = [*HELD, *RULES, *ABSENT]
    assert len(every) == len(set(every)) == 106
    assert {clause: sum(each.rpartition("-")[0] == clause for each in every) for clause in PROFILE} == PROFILE
    assert {one for each in HELD.values() for one in each.split()} <= {*CONDITIONS, *RULES}
    assert set(ABSENT.values()) == set(THINGS)


def test_a_report_fails_no_rule(content: ReportContent) -> None:
    assert failed(embedded()) == set()
    assert failed(render_pdf(content)) == set()
    for spoken in ("de", "ar"):
        assert failed(render_pdf(content.model_copy(update={"language": spoken}))) == set()
    # A font of the reader's is composite: such a file carries no mark.
    assert failed(render_pdf(small(Paragraph(text="電力"), content=content))) == {"composite font"}


@pytest.mark.parametrize("number", sorted(MUTANTS))
def test_a_changed_file_fails_that_rule(number: str) -> None:
    found = failed(changed(MUTANTS[number]))
    # What is no table, list or tree any more may break a neighbour too.
    assert number in found
    assert len(found) <= 2, found


@pytest.mark.parametrize("thing", sorted(OF_THINGS))
def test_a_thing_that_no_report_has_is_seen(thing: str) -> None:
    assert thing in failed(changed(OF_THINGS[thing]))


def test_a_head_of_another_version_and_a_file_without_a_tree_are_seen() -> None:
    assert failed(embedded().replace(b"%PDF-1.", b"%PDF-2.", 1)) == {"6.1-1"}
    # Without a tree nothing else can be read.
    with pytest.raises(KeyError):
        failed(changed(of_root(StructTreeRoot=None)))
    assert set(RULES) - set(MUTANTS) == {"6.1-1", "7.1-11"}

"""Fonts of report PDFs: those that are shipped, their widths, and which files call themselves accessible."""

import hashlib
import io
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from string import ascii_letters, digits

import pypdf
import pytest
from fontTools.ttLib import TTFont
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas

from reports.render import render_pdf_fonts
from reports.render.render_pdf import render_pdf
from reports.render.render_pdf_fonts import FONT, FONT_BOLD, WIDE_BOLD, letters, wide_glyphs
from reports.render.render_pdf_text import draw_text
from reports.report_content import Paragraph, ReportContent
from tests.reports.tagged_pdf_check import Tagged, failures
from tests.reports.test_tagged_pdf import BARE, small

FOLDER = Path(render_pdf_fonts.__file__).parent / "fonts"
RECORDED = Path(__file__).parents[2] / ".ci" / "fonts" / "SHA256"


def test_the_fonts_are_those_that_were_cut_and_come_with_their_licence() -> None:
    recorded = {name: digest for digest, name in map(str.split, RECORDED.read_text().splitlines())}
    for name in (FONT, FONT_BOLD):
        data = (FOLDER / f"{name}.ttf").read_bytes()
        assert hashlib.sha256(data).hexdigest() == recorded[f"{name}.ttf"]
        assert len(data) <= 150_000
        # The reserved name is not its own.
        assert not any("Liberation" in str(each) for each in TTFont(io.BytesIO(data))["name"].names)
    licence = (FOLDER / "MeterloomSans.licence.txt").read_text()
    assert "SIL OPEN FONT LICENSE" in licence
    assert "Reserved Font Name Liberation" in licence


def test_both_faces_have_the_same_letters_as_wide_as_helvetica_s() -> None:
    assert letters() >= set(ascii_letters + digits + "äőŁžßéñçøΩΔμЖйіґ€£–—“„…·²₂≥≤−±×→‰")
    for ours, built_in in ((FONT, "Helvetica"), (FONT_BOLD, "Helvetica-Bold")):
        cut = TTFont(FOLDER / f"{ours}.ttf")
        assert set(map(chr, cut.getBestCmap())) == letters()
        for letter in map(chr, range(32, 127)):
            assert stringWidth(letter, ours, 1) == pytest.approx(stringWidth(letter, built_in, 1)), letter


@pytest.mark.parametrize("spoken", ["en", "de", "ar"])
@pytest.mark.parametrize(
    "text", ["Δ ≥ 3 → 4 kWh, ΣΩ, Жуков, Łódź, CO₂e", "محطة الطاقة", "אבג 2025", "電力 kWh", "서울"]
)
def test_a_file_calls_itself_accessible_only_with_all_its_fonts(content: ReportContent, text: str, spoken: str) -> None:
    data = render_pdf(small(Paragraph(text=text), content=content, spoken=spoken))
    root = Tagged(data).root
    assert root["/Lang"] == spoken
    said = str(root["/Metadata"].get_data().decode())
    sentences = {"en": "not accessible by PDF/UA", "de": "nicht barrierefrei", "ar": "غير متاح للجميع"}
    is_bare = text in {"電力 kWh", "서울"}
    assert ("<pdfuaid:part>1</pdfuaid:part>" in said) is not is_bare
    assert (sentences[spoken] in said) is is_bare
    assert set(failures(data)) == (BARE if is_bare else set())
    assert not is_bare or "STSong-Light" in said or "HYSMyeongJo-Medium" in said


def test_a_letter_that_the_bold_face_lacks_is_drawn_by_the_regular_one(content: ReportContent) -> None:
    lacking = "".join(chr(code) for code in sorted(wide_glyphs() - wide_glyphs(WIDE_BOLD)) if chr(code).isalpha())
    assert len(lacking) > 50
    assert failures(render_pdf(small(Paragraph(text=f"Site {lacking}", tone="bad"), content=content))) == {}


def test_files_of_several_threads_have_the_bytes_of_one() -> None:
    def drawn(text: str) -> bytes:
        buffer = io.BytesIO()
        canvas = Canvas(buffer, invariant=1)
        draw_text(canvas, 0, 0, text, font=FONT, size=9)
        canvas.save()
        return buffer.getvalue()

    # Accents are parts of letters: of each the face is asked at several places.
    given = ["".join(sorted(letters()))[part::4] for part in range(4)]
    expected = [drawn(each) for each in given]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(drawn, given * 10)) == expected * 10
    finally:
        sys.setswitchinterval(interval)


def test_a_file_brings_the_letters_that_it_draws_and_no_others(content: ReportContent) -> None:
    data = render_pdf(small(Paragraph(text="Q"), content=content))
    fonts = pypdf.PdfReader(io.BytesIO(data)).pages[0]["/Resources"]["/Font"].values()
    (regular,) = [each.get_object() for each in fonts if each["/BaseFont"].endswith(FONT)]
    embedded = TTFont(io.BytesIO(regular["/FontDescriptor"]["/FontFile2"].get_data()))
    letters_of = {chr(code) for code, glyph in embedded["cmap"].tables[0].cmap.items() if glyph != ".notdef"}
    assert "Q" in letters_of
    assert not letters_of & set("~^$[]XZ")
    assert len(embedded.getGlyphOrder()) < 80

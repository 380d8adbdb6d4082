"""Text on paper: right-to-left parts in visual order, Arabic joined, nothing wider than its place; dates by locale."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_quality.contracts.sentence import Sentence
from reports.chart_geometry import span_ticks
from reports.pages.chart import day_ticks
from reports.render.heading import facts_text
from reports.render.render_pdf import _title
from reports.render.render_pdf_fonts import FONT, FONT_BOLD
from reports.render.render_pdf_tables import _tails, draw_table, needed_widths
from reports.render.render_pdf_tags import Tags
from reports.render.render_pdf_text import (
    clean,
    fitted,
    joined,
    lines_markup,
    printable,
    text_width,
    visual,
    wrapped,
)
from reports.render.render_xlsx import spans_of
from reports.report_content import Cell, Column, ReportContent, Row, Table
from reports.texts.locales import (
    chosen,
    languages,
    long_date,
    page_word,
    period_text,
    quarter_text,
    rules_of,
    unit_text,
    word,
)
from reports.writer import plain

words = st.text(alphabet="abc ÄŁΔ₂שלוםمصنع工-(1)", min_size=1, max_size=40)


def test_hebrew_in_an_english_line_is_reversed_in_its_place() -> None:
    assert visual("Site אבג 2025: on") == "Site גבא 2025: on"


def test_a_hebrew_line_begins_at_the_right_and_keeps_its_numbers() -> None:
    assert visual("אבג (דה) 2025") == "2025 (הד) גבא"


def test_arabic_letters_take_the_form_of_their_place() -> None:
    # Beh alone, two joined, and lam with alef as one sign.
    assert joined("\u0628") == "\ufe8f"
    assert joined("\u0628\u0628\u0628") == "\ufe91\ufe92\ufe90"
    assert joined("\u0644\u0627") == "\ufefb"
    assert joined("abc") == "abc"


@given(words, st.floats(20, 200))
def test_a_fitted_text_is_no_wider_than_its_place(text: str, width: float) -> None:
    assert text_width(fitted(text, FONT, 8, width), FONT, 8) <= width + 1e-6


@given(words, st.floats(30, 200))
def test_wrapping_loses_no_letter(text: str, width: float) -> None:
    lines = wrapped(text, FONT_BOLD, 8, width)
    assert "".join("".join(lines).split()) == "".join(printable(text).split())
    assert all(text_width(line, FONT_BOLD, 8) <= width + 1e-6 for line in lines)


def test_right_to_left_words_that_need_two_lines_begin_in_the_first(content: ReportContent) -> None:
    text = "بداية القراءات محاكاة: يبيّن التقرير الطريقة ولا يصدر أبدا دون علامة على كل صفحة من صفحاته نهاية"
    table = Table(
        key="t", title=text, sheet="", columns=(Column(title="a"), Column(title="b", is_number=True)), note=text,
        rows=(Row(cells=(Cell(text=text, tone="bad"), Cell(text="1"))),),
    )  # fmt: skip
    root = Tags("ar").root
    caption, grid, note, _ = draw_table(table, root, width=180)
    arabic = content.model_copy(update={"language": "ar"})
    _, facts = _title(arabic, 250, root)[0]._cellvalues[0][0]
    for drawn, said in ((caption, text), (note, text), (grid._cellvalues[1][0], text), (facts, facts_text(arabic))):
        read, shown = [printable(word) for word in clean(said).split() if word.isalpha()], drawn.getPlainText()
        # Of a visual line what is read first stands at its end.
        assert shown.index(read[0]) < shown.rindex(read[-1]), shown


def test_decimal_marks_stand_in_one_line() -> None:
    cells = [("1,234", 0), ("0.1856", 4), ("12.50", 2)]
    rows = tuple(
        Row(cells=(Cell(text=text, figure_id=f"{index:016d}", decimals=decimals),))
        for index, (text, decimals) in enumerate(cells)
    )
    table = Table(key="t", title="t", sheet="", columns=(Column(title="v", is_number=True),), rows=rows)
    behind = [text_width(text, FONT, 8) for text in ("", ".1856", ".50")]
    assert _tails(table, 0, 8) == pytest.approx([behind[1], 0.0, behind[1] - behind[2]])


def test_an_axis_below_zero_has_zero_on_it() -> None:
    assert span_ticks(-120.0, 300.0) == [-200.0, -100.0, 0.0, 100.0, 200.0, 300.0]
    assert span_ticks(-3.0, -1.0) == [-3.0, -2.0, -1.0, 0.0]
    assert span_ticks(0.0, 0.0) == [0.0, 1.0]


def test_many_cells_of_a_column_are_named_as_ranges() -> None:
    assert spans_of(["$D$3", "$D$4"]) == "$D$3,$D$4"
    assert spans_of([f"$D${row}" for row in [*range(3, 40), 50]]) == "$D$3:$D$39,$D$50"


def test_dates_and_words_follow_the_language() -> None:
    assert long_date(date(2025, 3, 5), "de_AT") == "5. März 2025"
    assert long_date(date(2025, 3, 5), "xx") == "5 March 2025"
    assert period_text(date(2025, 4, 1), date(2025, 7, 1), "de") == "Q2 2025"
    assert period_text(date(2025, 4, 3), date(2025, 4, 9), "de") == "3.–\u20608.\xa0April\xa02025"
    assert period_text(date(2025, 2, 28), date(2025, 3, 4), "en") == "28\xa0February – 3\xa0March\xa02025"
    year = period_text(date(2025, 12, 28), date(2026, 1, 4), "en", is_short=True)
    assert year == "28\xa0Dec\xa02025 – 3\xa0Jan\xa02026"
    assert period_text(date(2025, 4, 3), date(2025, 4, 4), "en", is_short=True) == "3\xa0Apr\xa02025"
    assert printable("3–\u20608 April") == "3–8 April"
    assert word("Findings", "de") == "Feststellungen"
    assert chosen({"en": "a", "de": "b"}, "de_CH") == "b"
    assert languages()[0] == "en"
    for code in languages():
        rules = rules_of(code)
        assert len(rules.months.split()) == len(rules.short_months.split()) == 12
        assert rules.day.format(d=1, m=2, y=3)


def test_a_quarter_in_a_sentence_is_written_in_words_and_another_span_by_its_name() -> None:
    third = date(2026, 7, 1), date(2026, 10, 1)
    assert quarter_text(*third, "en") == "the third quarter of 2026"
    assert quarter_text(*third, "de") == "3. Quartal 2026"
    assert quarter_text(*third, "ar") == "الربع الثالث من عام 2026"
    assert quarter_text(date(2026, 7, 1), date(2026, 8, 1), "en") == "July 2026"


def test_ticks_of_days_are_dates_as_people_write_them() -> None:
    days = [str(date(2026, 1, 1) + timedelta(days=at)) for at in range(90)]
    year = [text.strip("\u2068\u2069") for _, text in day_ticks(days, "en")]
    assert year[0] == "Jan 2026"
    months = [f"{of}-{month:02}" for of, month in ((2025, 11), (2025, 12), (2026, 1), (2026, 2))]
    assert [text.strip("\u2068\u2069") for _, text in day_ticks(months, "en")] == ["Nov 2025", "Dec", "Jan 2026", "Feb"]
    assert not any(each.startswith("2026-") for each in year)
    assert [text.strip("\u2068\u2069") for _, text in day_ticks(days[:2], "de")] == ["1. Jan.", "2. Jan."]


def test_a_compound_unit_reads_part_by_part() -> None:
    assert unit_text("EUR/kwh") == "€/kWh"
    assert unit_text("XAU") == "XAU"


def test_a_quarter_stays_with_its_year_in_a_narrow_column() -> None:
    for text in ("كفاءة Q3 2026", "كفاءة الطاقة، Q3 2026"):
        lines = lines_markup(text, FONT, 8, text_width("Q3 20", FONT, 8)).split("<br/>")
        assert "Q3 2026" in lines
    rows = (Row(cells=(plain("Q3 2026"),)),)
    table = Table(key="t", title="t", sheet="t", columns=(Column(title="Quarter"),), rows=rows)
    assert needed_widths(table, 8)[0] > text_width("Q3 2026", FONT, 8)


def test_a_part_of_a_sentence_keeps_its_language_where_it_begins_one() -> None:
    part = "no factor for {0} from {1} to {2}: its emissions are unknown, not zero"
    inner, begun = (page_word(Sentence(text, "x", "1", "2"), "de") for text in (part, "N" + part[1:]))
    assert inner != Sentence(part, "x", "1", "2")
    assert begun == inner[:1].upper() + inner[1:]

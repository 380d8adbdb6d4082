"""Plain lines, read from their bytes, say what polars and the standard library find in them; others are left alone."""

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.readings.bulk.plain_names import Names
from assets.readings.bulk.plain_numbers import numbers
from assets.readings.bulk.plain_times import TimeForm, quarter_hours_of
from assets.readings.bulk.words import Fields, columns_of

NAMES = ["a", "main", "press", "grid meter", "abcdefgh", "abcdefghi", "0123456789abcdef", "Zähler Süd", "x" * 24]
FORMS = [TimeForm(mark, seconds, width) for mark in "T " for seconds in (True, False) for width in (1, 6)]
ODD = [
    "", " 5", "5 ", "1 2", "1e3", "+5", ".", "-", "-.", "1.2.3", "1-2", "--1", "nan", "inf", "1_0", ":", "/", "1a",
    "0x1", "1.²", "٣", "12345678901234567",
]  # fmt: skip
START = datetime(2023, 12, 30, tzinfo=UTC)

plain_numbers = st.from_regex(r"\A-?([0-9]{1,8}(\.[0-9]{0,7})?|\.[0-9]{1,8})\Z").filter(lambda text: len(text) < 17)


def column(texts: list[str], *, before: str = "key,") -> Fields:
    """The texts as the last column."""
    body = "".join(f"{before}{text}\n" for text in texts).encode()
    found = columns_of(body, ord(","), 2, 1)
    assert found is not None
    return found[1]


@settings(max_examples=300, deadline=None)
@given(st.lists(plain_numbers, min_size=1, max_size=20), st.sampled_from(["", "k,"]))
def test_numbers_are_the_floats_that_polars_reads(texts: list[str], before: str) -> None:
    fields = column(texts) if before else columns_of("".join(f"{text}\n" for text in texts).encode(), 44, 1, 0)[0]
    found = numbers(fields)
    assert found is not None
    assert np.array_equal(found.view(np.int64), pl.Series(texts).cast(pl.Float64).to_numpy().view(np.int64))


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("others", [["1.5", "2.25"], ["-1.5"], ["123456789.25", "1"]])
def test_a_number_of_another_form_is_left_to_those_who_know_it(odd: str, others: list[str]) -> None:
    assert numbers(column([*others, odd])) is None
    assert numbers(column([odd, *others])) is None
    assert numbers(column(others)) is not None


def time_text(slot: int, offset_hours: float, form: TimeForm) -> str:
    zone = timezone(timedelta(hours=offset_hours if form.offset_width > 1 else 0))
    local = (START + timedelta(minutes=15 * slot)).astimezone(zone)
    text = local.strftime(f"%Y-%m-%d{form.mark}%H:%M" + (":%S" if form.has_seconds else ""))
    return text + ("Z" if form.offset_width == 1 else local.isoformat()[-6:])


@settings(max_examples=300, deadline=None)
@given(
    form=st.sampled_from(FORMS),
    runs=st.lists(
        st.tuples(st.integers(-3 * 10**6, 9 * 10**6), st.integers(1, 9), st.sampled_from([0, 1, 2, 5.5, -4, 14.75])),
        min_size=1, max_size=8,
    ),
    step=st.integers(0, 97),
)  # fmt: skip
def test_times_are_the_quarter_hours_that_they_say(
    form: TimeForm, runs: list[tuple[int, int, float]], step: int
) -> None:
    slots = [(start + number * step, offset) for start, count, offset in runs for number in range(count)]
    found = quarter_hours_of(column([time_text(slot, offset, form) for slot, offset in slots]), form)
    first = int(START.timestamp()) // 900
    # Many months in a few rows are left to the other way.
    assert found is None or found.tolist() == [first + slot for slot, _ in slots]
    assert found is not None or len(slots) > 60


@pytest.mark.parametrize(
    "wrong",
    [
        "2024-02-30T00:00:00Z", "2023-02-29T00:00:00Z", "2024-00-01T00:00:00Z", "2024-13-01T00:00:00Z",
        "2024-01-00T00:00:00Z", "2024-01-01T24:00:00Z", "2024-01-01T00:60:00Z", "2024-01-01T00:05:00Z",
        "2024-01-01T00:00:15Z", "2024-01-01 00:00:00Z", "2024-01-01T00:00:00z", "2024-01-0 T00:00:00Z",
        "2024-1-001T00:00:00Z", "0000-01-01T00:00:00Z", "2024-01-01T0a:00:00Z", "2024-01-01T00.00:00Z",
        "2024-01-01T00:00:00", "2024-01-01T00:00:00ZZ", "٢٠٢٤-01-01T00:00:00Z", "2024-01-01T00;00:00Z",
    ],
)  # fmt: skip
def test_a_time_of_another_form_is_left_to_those_who_know_it(wrong: str) -> None:
    form, right = TimeForm("T", True, 1), "2024-02-29T23:45:00Z"
    assert quarter_hours_of(column([right] * 20), form) is not None
    for texts in ([wrong], [right, wrong], [wrong, *[right] * 20], [*[right] * 20, wrong]):
        assert quarter_hours_of(column(texts), form) is None


@pytest.mark.parametrize("offset", ["+15:00", "+01:60", "+0a:00", "*01:00", "+01;00", "+01:05", "-01:0 "])
def test_an_offset_of_another_form_is_left_to_those_who_know_it(offset: str) -> None:
    for seconds in ("", ":00"):
        form = TimeForm("T", bool(seconds), 6)
        assert quarter_hours_of(column([f"2024-01-01T00:00{seconds}+14:45"]), form) is not None
        assert quarter_hours_of(column([f"2024-01-01T00:00{seconds}{offset}"]), form) is None
    assert quarter_hours_of(column(["2024-01-01T00:00;00+01:00"]), TimeForm("T", True, 6)) is None


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(NAMES), min_size=1, max_size=12), st.sampled_from([NAMES, NAMES[:2]]))
def test_names_are_found_and_unknown_ones_left_alone(texts: list[str], known: list[str]) -> None:
    found = Names([name.encode() for name in known]).places(column(texts))
    if set(texts) <= set(known):
        assert found is not None
        assert [known[place] for place in found] == texts
    else:
        assert found is None


def test_a_name_is_never_taken_for_one_that_ends_or_begins_like_it() -> None:
    names = Names([b"main", b"0123456789abcdef"])
    for text in ("in", "xmain", "main2", "89abcdef", "0123456789abcdeX", "X123456789abcdef", "Main"):
        assert names.places(column([text])) is None
        assert names.places(column(["main", text])) is None


def test_too_many_or_too_long_names_are_left_alone() -> None:
    assert Names([b"x" * 25]).places(column(["x" * 25])) is None
    assert Names([]).places(column(["a"])) is None
    many = [f"meter {number:05}" for number in range(600)]
    assert Names([name.encode() for name in many]).places(column(many[::-1])).tolist() == list(range(600))[::-1]
    assert Names([f"{number:06}".encode() for number in range(5000)]).places(column(["000001"])) is None


@settings(max_examples=200, deadline=None)
@given(
    rows=st.lists(st.lists(st.text("abc1.", max_size=9), min_size=3, max_size=3), min_size=1, max_size=8),
    end=st.sampled_from(["\n", "\r\n"]),
    separator=st.sampled_from(",;\t|"),
    value=st.integers(0, 2),
)
def test_columns_are_those_of_the_lines(rows: list[list[str]], end: str, separator: str, value: int) -> None:
    body = "".join(separator.join(row) + end for row in rows).encode()
    found = columns_of(body, ord(separator), 3, value)
    assert found is not None
    for number, fields in enumerate(found):
        texts = [body[start:stop].decode() for start, stop in zip(fields.starts, fields.ends, strict=True)]
        assert texts == [row[number] for row in rows]


@pytest.mark.parametrize(
    "body", ["a,b\n", "a,b,c,d\n", "a,b,c\n\n", "\na,b,c\n", "a,b,c\r\na,b,c\n", "a\r,b,c\n", "a,b\nc,d,e,f\n"]
)
def test_lines_with_another_number_of_fields_or_mixed_ends_are_left_alone(body: str) -> None:
    assert columns_of(body.encode(), ord(","), 3, 0) is None
    assert columns_of(b"", ord(","), 3, 0) is None

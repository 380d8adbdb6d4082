"""Changes to packed tables: the parts of a workbook's archive, the columns and pages of a Parquet file."""

import io
import re
import zipfile
import zlib
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import Any, Literal

import polars as pl

from tests.fuzz import mutate
from tests.fuzz.mutate import Operation

_SHEET = "xl/worksheets/sheet1.xml"
_FIRST = datetime(2025, 1, 1, tzinfo=UTC)


def archive(parts: dict[str, bytes], *, stored: bool = False, chance: Random | None = None) -> bytes:
    """A ZIP archive of the parts, without a time of packing. chance: makes some archives odd."""
    whole = io.BytesIO()
    how = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(whole, "w", how) as packed:
        for name, data in parts.items():
            packed.writestr(zipfile.ZipInfo(name, (2025, 1, 1, 0, 0, 0)), data, how)
    data = whole.getvalue()
    if chance is not None and chance.random() < 0.05:
        # Sizes and sums that the directory states, made wrong.
        place = data.rfind(b"PK\x01\x02")
        data = data[:place] + mutate.flip_bit(data[place:], chance)
    return data


def parts_of(data: bytes) -> dict[str, bytes]:
    """The parts of an archive; nothing where it is none."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            return {name: packed.read(name) for name in packed.namelist()}
    except (zipfile.BadZipFile, zlib.error, OSError, ValueError, RuntimeError, NotImplementedError, EOFError):
        return {}


def odd_cell(sheet: bytes, chance: Random) -> bytes:
    """A cell with another type, place, style, or none at all; a row with another number."""
    choices: tuple[tuple[bytes, tuple[bytes, ...]], ...] = (
        (rb' t="\w+"', (b"", b' t="s"', b' t="str"', b' t="b"', b' t="e"', b' t="d"', b' t="inlineStr"', b' t="n"')),
        (rb' r="[A-Z]+\d+"', (b"", b' r="A1"', b' r="B3"', b' r="XFD1048576"', b' r="C2"', b' r="ZZZZ9"', b' r="A0"')),
        (rb'<row r="\d+"', (b"<row", b'<row r="1"', b'<row r="0"', b'<row r="900000"', b'<row r="-1"', b'<row r="x"')),
        (rb' s="\d+"', (b"", b' s="0"', b' s="1"', b' s="99"', b' s="-1"')),
        (
            rb"<v>[^<]*</v>",
            (b"", b"<v/>", b"<v>1</v><v>2</v>", b"<v>45658</v>", b"<v>-1</v>", b"<v>2958466</v>", b"<f>1+1</f>"),
        ),
        (rb"<c [^>]*>.*?</c>", (b"", b"<c/>", b'<c r="B2"><is><t>x</t></is></c>', b'<c t="e"><v>#REF!</v></c>')),
    )
    pattern, new = chance.choice(choices)
    found = list(re.finditer(pattern, sheet))
    if not found:
        return sheet
    match = chance.choice(found)
    return sheet[: match.start()] + chance.choice(new) + sheet[match.end() :]


_IN_PARTS: tuple[Operation, ...] = (
    *[odd_cell] * 6,
    *[mutate.odd_number] * 3,
    *[mutate.other_digit] * 3,
    *[mutate.exchange_tokens, mutate.odd_moment] * 2,
    *(*mutate.ANYWHERE, mutate.cut),
)


def rezipped(data: bytes, chance: Random) -> bytes:
    """A part of the workbook changed, lost, doubled or moved, in an archive that is whole again."""
    parts = parts_of(data)
    if not parts:
        return mutate.flip_bit(data, chance)
    name = _SHEET if _SHEET in parts and chance.random() < 0.85 else chance.choice(sorted(parts))
    how = chance.random()
    if how < 0.92:
        parts[name] = chance.choice(_IN_PARTS)(parts[name], chance) if parts[name] else parts[name]
    elif how < 0.96:
        del parts[name]
    else:
        other = chance.choice(
            ("xl/workbook.xml", "xl/vbaProject.bin", "../a.xml", "XL/WORKSHEETS/SHEET1.XML", "a" * 300)
        )
        parts[other] = parts[name]
    return archive(parts, stored=chance.random() < 0.3, chance=chance) if parts else data


def repacked(data: bytes) -> bytes:
    """The same parts, packed otherwise."""
    parts = parts_of(data)
    return archive(parts, stored=True) if parts else data


OF_WORKBOOKS: tuple[Operation, ...] = (*[rezipped] * 20, *mutate.ANYWHERE)


# Parquet


_TIME_UNITS: tuple[Literal["ms", "us", "ns"], ...] = ("ms", "us", "ns")


def _times(count: int, chance: Random) -> pl.Series:
    steps = [_FIRST + timedelta(minutes=15) * n for n in range(count)]
    naive = [each.replace(tzinfo=None) for each in steps]
    unit: Literal["ms", "us", "ns"] = chance.choice(_TIME_UNITS)
    makers: tuple[Callable[[], pl.Series], ...] = (
        lambda: pl.Series(steps, dtype=pl.Datetime(unit, "UTC")),
        lambda: pl.Series(steps, dtype=pl.Datetime(unit, "UTC")).dt.convert_time_zone("Australia/Lord_Howe"),
        lambda: pl.Series(naive, dtype=pl.Datetime(unit)),
        lambda: pl.Series([each.isoformat() for each in steps]),
        lambda: pl.Series([each.isoformat() for each in steps], dtype=pl.Categorical),
        lambda: pl.Series([each.date() for each in steps], dtype=pl.Date),
        lambda: pl.Series([date(2025, 1, 1) + timedelta(days=n) for n in range(count)]),
        lambda: pl.Series([int(each.timestamp()) for each in steps]),
        lambda: pl.Series([float(n) for n in range(count)]),
        lambda: pl.Series([time(n % 24) for n in range(count)]),
        lambda: pl.Series([timedelta(minutes=n) for n in range(count)]),
        lambda: pl.Series([None] * count, dtype=pl.Null),
        lambda: pl.Series([[each] for each in steps]),
        lambda: pl.Series([{"t": each} for each in steps]),
        lambda: pl.Series([each.isoformat().encode() for each in steps]),
        lambda: pl.Series([2**62 + n for n in range(count)]).cast(pl.Datetime("us", "UTC")),
        lambda: pl.Series([-(2**62) + n for n in range(count)]).cast(pl.Datetime("us")),
    )
    series = makers[0]() if chance.random() < 0.4 else chance.choice(makers)()
    return _with_holes(series, chance).alias("timestamp")


def _values(count: int, chance: Random) -> pl.Series:
    plain = [round(chance.uniform(0, 50), 3) for _ in range(count)]
    odd = [chance.choice((float("nan"), float("inf"), 1e308, -0.0, 5e-324, -1.0, 1e10, 0.1)) for _ in range(count)]
    makers: tuple[Callable[[], pl.Series], ...] = (
        lambda: pl.Series(plain),
        lambda: pl.Series(plain, dtype=pl.Float32),
        lambda: pl.Series(odd),
        lambda: pl.Series(
            [int(each) for each in plain], dtype=chance.choice((pl.Int8, pl.UInt16, pl.Int64, pl.UInt64))
        ),
        lambda: pl.Series([2**63 + n for n in range(count)], dtype=pl.UInt64),
        lambda: pl.Series([2**100 + n for n in range(count)], dtype=pl.Int128),
        lambda: pl.Series([Decimal(f"{each:.3f}") for each in plain], dtype=pl.Decimal(18, 3)),
        lambda: pl.Series([str(each) for each in plain]),
        lambda: pl.Series([str(each).replace(".", ",") for each in plain]),
        lambda: pl.Series([chance.choice(mutate.ODD_NUMBERS).decode("utf-8", "replace") for _ in plain]),
        lambda: pl.Series([each > 1 for each in plain]),
        lambda: pl.Series([None] * count, dtype=pl.Null),
        lambda: pl.Series([[each] for each in plain]),
        lambda: pl.Series([str(each).encode() for each in plain]),
        lambda: pl.Series([str(each) for each in plain], dtype=pl.Categorical),
        lambda: pl.Series([timedelta(seconds=1)] * count),
    )
    series = makers[0]() if chance.random() < 0.4 else chance.choice(makers)()
    return _with_holes(series, chance)


def _with_holes(series: pl.Series, chance: Random) -> pl.Series:
    if not series.len() or chance.random() < 0.7:
        return series
    if chance.random() < 0.4:
        order = list(range(series.len()))
        chance.shuffle(order)
        return series.gather(order)
    places = [None if chance.random() < 0.2 else n for n in range(series.len())]
    return series.gather(pl.Series(places, dtype=pl.UInt32))


def rewritten(data: bytes, chance: Random) -> bytes:
    """Another whole Parquet file: odd types, nulls, names, doubles, groups and packing. The seed is not used."""
    del data
    count = chance.choice((0, 1, 2, 8, 8, 24, 24, 96, 1000))
    frame = pl.DataFrame([_times(count, chance)])
    if chance.random() < 0.4:
        meters = ["main", "press", "../x", "{{ 7*7 }}", "", None, "m1'; drop table t; --"]
        names = [chance.choice(meters) if chance.random() < 0.2 else "main" for _ in range(count)]
        frame = frame.with_columns(meter=pl.Series(names, dtype=pl.String))
    for name in chance.sample(("kwh", "kw", "wh", "a_kwh", "m3", "register", "is_synthetic", "", "\x00", "x" * 300), 2):
        frame = frame.with_columns(_values(count, chance).alias(name))
    if chance.random() < 0.7:
        frame = frame.with_columns(_values(count, chance).alias("kwh"))
    if chance.random() < 0.15 and count:
        frame = pl.concat([frame, frame.head(chance.randrange(1, count + 1))])
    whole = io.BytesIO()
    packing: tuple[Literal["zstd", "snappy", "uncompressed", "gzip", "lz4"], ...]
    packing = ("zstd", "snappy", "uncompressed", "gzip", "lz4")
    options: dict[str, Any] = {"statistics": chance.random() < 0.5, "row_group_size": chance.choice((None, 1, 7))}
    frame.write_parquet(whole, compression=chance.choice(packing), **options)
    return whole.getvalue()


def odd_footer(data: bytes, chance: Random) -> bytes:
    """A byte of the footer or of its length changed: types, offsets, counts."""
    if len(data) < 16:
        return mutate.flip_bit(data, chance)
    length = max(1, min(int.from_bytes(data[-8:-4], "little"), len(data) - 12))
    place = (
        len(data) - 8 - chance.randrange(1, length + 1) if chance.random() < 0.9 else len(data) - chance.randrange(1, 9)
    )
    return data[:place] + bytes([chance.randrange(256)]) + data[place + 1 :]


def odd_page(data: bytes, chance: Random) -> bytes:
    """A byte of the pages or their headers changed."""
    if len(data) < 16:
        return mutate.flip_bit(data, chance)
    length = min(int.from_bytes(data[-8:-4], "little"), len(data) - 13)
    place = chance.randrange(4, max(5, len(data) - 8 - length))
    return data[:place] + bytes([chance.randrange(256)]) + data[place + 1 :]


OF_PARQUET: tuple[Operation, ...] = (odd_footer, odd_footer, odd_page, odd_page, *mutate.ANYWHERE, rewritten, rewritten)

"""Changes to any file: bits, bytes, lines, numbers, dates, wrapping. Pure: bytes and a chance in, bytes out."""

import gzip
import re
from collections.abc import Callable
from random import Random

Operation = Callable[[bytes, Random], bytes]

NUMBER = re.compile(rb"(?<![\w.,-])-?\d{1,9}(?:[.,]\d{1,9})?(?![\w.,])")
MOMENT = re.compile(
    rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d:?\d\d)?|\d\d\.\d\d\.\d{4} \d\d:\d\d|\d{4}-\d\d-\d\d"
    rb"|(?<!\d)\d{12,14}(?!\d)|(?<!\d)\d{8}(?!\d)|(?<!\d)1[67]\d{8}(?!\d)"
)
ODD_NUMBERS = (
    *(b"NaN", b"nan", b"inf", b"-inf", b"Infinity", b"1e309", b"-1e309", b"-0", b"-0.0", b"1e-320", b"1e9", b"1e3"),
    *(b"1E+3", b"1e400", b"9" * 30, b"0." + b"1" * 40, b"1,5", b"1.5", b"1.234,5", b"1,234.5", b"1'000", b"1 000"),
    *(b"1_000", b"0x10", b"0b1", b"1e", b"e1", b"+5", b".5", b"5.", b"-", b"+", b".", b"", b" ", b"--1", b"1-"),
    *(b"=1+1", b"@1", b"(1)", b"\xd9\xa1\xd9\xa2", b"\xef\xbc\x95", b"\xc2\xbd", b"1\xc2\xa0000", b"None", b"null"),
    *(b"999999999", b"1000000001", b"-5", b"-1e308", b"2147483648", b"9223372036854775808", b"18446744073709551616"),
    *(b"0.0000000001", b"0.1234567891", b"123456.7890123", b"True", b"1.5.5", b"1e+-5", b"00001", b"1\x00"),
)
ODD_MOMENTS = (
    *(b"2025-02-29T00:00Z", b"2025-13-01T00:00Z", b"2025-01-32T00:00Z", b"2025-01-01T24:00Z", b"2025-01-01T25:00Z"),
    *(b"2025-01-01T00:60Z", b"2025-01-01T00:00:60Z", b"2025-03-30T02:30", b"2025-10-26T02:30", b"0000-01-01T00:00Z"),
    *(b"9999-12-31T23:59Z", b"1970-01-01T00:00Z", b"1969-12-31T23:45Z", b"2262-04-12T00:00Z", b"-2025-01-01T00:00Z"),
    *(b"+12025-01-01T00:00Z", b"20250101T0000Z", b"2025-1-1T0:0Z", b"2025-01-01T00:00+99:99", b"2025-01-01"),
    *(b"2025-01-01T00:00+14:00", b"2025-01-01T00:00-00:01", b"2025-01-01 00:00", b"2025-01-01T00:00:00.123456789Z"),
    *(b"2025-001", b"2025-W01-1", b"01/02/2025 00:00", b"01.02.2025 00:15", b"31.02.2025 00:00", b"25.12.25 00:00"),
    *(b"20250101", b"20250229", b"20251301", b"202501010060", b"20250101000000", b"99991231235959", b"00000000"),
    *(b"1735689600", b"-1735689600", b"1735689600000", b"4102444801", b"1735689600.5", b"0", b"253402300800", b"45658"),
    *(b"250101000000W", b"250101000000S", b"250101000000", b"251026023000", b"250330023000W", b"259999999999W", b""),
    *(b"20250101000000+01", b"202501010000+99", b"2024-12-31T23:45Z", b"2025-01-01T00:07Z", b"2026-01-01T00:04Z"),
)
MARKS = b"\"'`,;:\t|+?!/()<>&*=\\\r\n \x00\x1a\xff\xfe\xef\xbb\xbf\xc3\x28\xe2\x80\xa8\x0b\x0c\x85"


def flip_bit(data: bytes, chance: Random) -> bytes:
    """One bit turned."""
    place = chance.randrange(len(data))
    return data[:place] + bytes([data[place] ^ (1 << chance.randrange(8))]) + data[place + 1 :]


def set_byte(data: bytes, chance: Random) -> bytes:
    """One byte replaced, often by one that separates or ends something."""
    place = chance.randrange(len(data))
    other = chance.choice(MARKS) if chance.random() < 0.6 else chance.randrange(256)
    return data[:place] + bytes([other]) + data[place + 1 :]


def insert(data: bytes, chance: Random) -> bytes:
    """A few bytes put in."""
    place = chance.randrange(len(data) + 1)
    count = chance.choice((1, 1, 1, 2, 4, 64))
    pick = MARKS if chance.random() < 0.6 else bytes(range(256))
    return data[:place] + bytes(chance.choice(pick) for _ in range(count)) + data[place:]


def delete(data: bytes, chance: Random) -> bytes:
    """A range taken out."""
    place = chance.randrange(len(data))
    return data[:place] + data[place + chance.choice((1, 1, 2, 3, 8, 40, 400)) :]


def zero(data: bytes, chance: Random) -> bytes:
    """A range of zero bytes, as a disk leaves them."""
    place, count = chance.randrange(len(data)), chance.choice((1, 4, 32))
    return data[:place] + bytes(min(count, len(data) - place)) + data[place + count :]


def _lines(data: bytes, chance: Random) -> list[bytes]:
    del chance
    return data.splitlines(keepends=True) or [b""]


def drop_line(data: bytes, chance: Random) -> bytes:
    """One line, or a few together, lost."""
    lines = _lines(data, chance)
    place = chance.randrange(len(lines))
    del lines[place : place + chance.choice((1, 1, 1, 2, 5))]
    return b"".join(lines)


def repeat_line(data: bytes, chance: Random) -> bytes:
    """One line, or a few together, twice: in place or somewhere else."""
    lines = _lines(data, chance)
    place = chance.randrange(len(lines))
    block = lines[place : place + chance.choice((1, 1, 2, 5))]
    to = place if chance.random() < 0.5 else chance.randrange(len(lines) + 1)
    return b"".join(lines[:to] + block * chance.choice((1, 1, 3)) + lines[to:])


def swap_lines(data: bytes, chance: Random) -> bytes:
    """Two lines in each other's place."""
    lines = _lines(data, chance)
    first, second = chance.randrange(len(lines)), chance.randrange(len(lines))
    lines[first], lines[second] = lines[second], lines[first]
    return b"".join(lines)


def join_lines(data: bytes, chance: Random) -> bytes:
    """A line end lost."""
    lines = _lines(data, chance)
    place = chance.randrange(len(lines))
    lines[place] = lines[place].rstrip(b"\r\n")
    return b"".join(lines)


def _replaced(data: bytes, found: list[re.Match[bytes]], chance: Random, choices: tuple[bytes, ...]) -> bytes:
    if not found:
        return flip_bit(data, chance)
    match = chance.choice(found)
    return data[: match.start()] + chance.choice(choices) + data[match.end() :]


def odd_number(data: bytes, chance: Random) -> bytes:
    """A number replaced by something that some parser takes for one."""
    return _replaced(data, list(NUMBER.finditer(data)), chance, ODD_NUMBERS)


def other_number(data: bytes, chance: Random) -> bytes:
    """A number replaced by another good one."""
    text = f"{chance.uniform(0, 1000):.{chance.randrange(10)}f}".encode()
    return _replaced(data, list(NUMBER.finditer(data)), chance, (text,))


def odd_moment(data: bytes, chance: Random) -> bytes:
    """A time replaced by one that is out of range, of another style or of another zone."""
    return _replaced(data, list(MOMENT.finditer(data)), chance, ODD_MOMENTS)


def other_digit(data: bytes, chance: Random) -> bytes:
    """One digit replaced by another: still a good file, of other content."""
    return _replaced(data, list(re.finditer(rb"\d", data)), chance, tuple(b"%d" % digit for digit in range(10)))


def exchange_tokens(data: bytes, chance: Random) -> bytes:
    """Two numbers of the file in each other's place."""
    found = list(NUMBER.finditer(data))
    if len(found) < 2:
        return flip_bit(data, chance)
    first, second = sorted(chance.sample(found, 2), key=lambda match: match.start())
    middle = data[first.end() : second.start()]
    return data[: first.start()] + second[0] + middle + first[0] + data[second.end() :]


def other_separator(data: bytes, chance: Random) -> bytes:
    """A separator replaced by another: everywhere, or in one place."""
    old, new = (
        chance.choice((b",", b";", b":", b"+", b".", b"\t", b"'")),
        chance.choice((b",", b";", b"\t", b" ", b"|")),
    )
    if chance.random() < 0.5:
        return data.replace(old, new)
    return _replaced(data, list(re.finditer(re.escape(old), data)), chance, (new,))


def quote(data: bytes, chance: Random) -> bytes:
    """A token put in quotes, or a quote that stands alone."""
    tokens = list(re.finditer(rb"[^\s,;\t\"]+", data))
    if not tokens or chance.random() < 0.4:
        place = chance.randrange(len(data) + 1)
        return data[:place] + b'"' + data[place:]
    match = chance.choice(tokens)
    return data[: match.start()] + b'"' + match[0] + b'"' + data[match.end() :]


def case_of_letters(data: bytes, chance: Random) -> bytes:
    """Letters of one line in the other case."""
    lines = _lines(data, chance)
    place = chance.randrange(len(lines))
    lines[place] = lines[place].swapcase()
    return b"".join(lines)


def long_line(data: bytes, chance: Random) -> bytes:
    """A line without end, at the limit of what is read and beyond."""
    place = chance.randrange(len(data) + 1)
    return (
        data[:place] + chance.choice((b"1", b" ", b",", b"a", b"1,")) * chance.choice((10_000, 600_000)) + data[place:]
    )


ANYWHERE: tuple[Operation, ...] = (flip_bit, set_byte, insert, delete, zero)
OF_LINES: tuple[Operation, ...] = (drop_line, repeat_line, swap_lines, join_lines)
OF_TOKENS: tuple[Operation, ...] = (
    *(odd_number, odd_number, other_number, odd_moment, odd_moment, other_digit, other_digit, exchange_tokens),
    *(other_separator, quote, case_of_letters),
)


def packed(data: bytes) -> bytes:
    """The same, gzipped, without a time of packing."""
    return gzip.compress(data, compresslevel=1, mtime=0)


def cut(data: bytes, chance: Random) -> bytes:
    """A beginning of the file, of any length but none and all."""
    return data[: chance.randrange(1, len(data))] if len(data) > 1 else data


def crossed(data: bytes, other: bytes, chance: Random) -> bytes:
    """The beginning of one file and the end of another."""
    return data[: chance.randrange(len(data) + 1)] + other[chance.randrange(len(other) + 1) :]

"""Thrift's compact protocol, as much of it as Parquet's page headers and footer need: values to bytes.

A value is its type's number and its bytes; a structure is made of values by the number of their field.
Source: Apache Thrift, "Thrift Compact protocol encoding".
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

_TRUE, _FALSE, _I32, _I64, _BINARY, _LIST, _STRUCT = 1, 2, 5, 6, 8, 9, 12
_SHORT_LIST = 15


class Value(NamedTuple):
    """A value as it stands in a field or a list."""

    kind: int
    data: bytes


def varint(number: int) -> bytes:
    """A number of 0 or more, seven bits a byte, the lowest first."""
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


def zigzag(number: int) -> bytes:
    """A number of either sign: 0, -1, 1, -2 become 0, 1, 2, 3."""
    return varint(2 * number if number >= 0 else -2 * number - 1)


def i32(number: int) -> Value:
    """A whole number of 32 bits."""
    return Value(_I32, zigzag(number))


def i64(number: int) -> Value:
    """A whole number of 64 bits."""
    return Value(_I64, zigzag(number))


def flag(value: bool) -> Value:
    """Yes or no; in a field it is all in the kind."""
    return Value(_TRUE if value else _FALSE, b"")


def binary(data: bytes) -> Value:
    """Bytes, or a text as UTF-8."""
    return Value(_BINARY, varint(len(data)) + data)


def listed(values: Sequence[Value]) -> Value:
    """One or more values of one kind, none of them a flag."""
    size, kind = len(values), values[0].kind
    head = bytes([size << 4 | kind]) if size < _SHORT_LIST else bytes([0xF0 | kind]) + varint(size)
    return Value(_LIST, head + b"".join(value.data for value in values))


def struct(fields: Mapping[int, Value]) -> Value:
    """Values by the number of their field, in ascending order and less than 16 apart."""
    found, last = bytearray(), 0
    for number, value in fields.items():
        found.append(number - last << 4 | value.kind)
        found += value.data
        last = number
    return Value(_STRUCT, bytes(found) + b"\0")

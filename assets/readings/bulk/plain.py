"""Blocks whose every line is plain: fields without quotes or blanks, times of one form, decimal numbers.

Taken here: any order of the columns, any separator of one byte, LF or CRLF, "T" or a space in times, with or without
seconds, "Z" or an offset that may change from line to line; names of up to 24 bytes in any order; numbers of up to
16 signs with any number of decimals. One line of another form (an exponent, a blank, an empty field, an unknown
name, a time beside the quarter hours) and the whole block is read by cells.py, which knows them all.
"""

import numpy as np
from numpy.typing import NDArray

from assets.readings.bulk.plain_names import Names
from assets.readings.bulk.plain_numbers import numbers
from assets.readings.bulk.plain_times import TimeForm, quarter_hours_of
from assets.readings.bulk.shape import Shape
from assets.readings.bulk.words import columns_of


class PlainLines:
    """The lines of one shape, read from their bytes."""

    def __init__(self, shape: Shape) -> None:
        header, layout = shape.header, shape.layout
        self._stream_of, self._separator, self._count = shape.stream_of, ord(shape.separator), len(header)
        self._time, self._value = header.index(layout.time), header.index(layout.values[0].column)
        self._meter = None if layout.meter is None else header.index(layout.meter)
        self._form = TimeForm(shape.form[8], "%S" in shape.form, shape.offset_width)
        # A name that holds the separator is two fields.
        self._is_split = any(shape.separator in name for name in shape.names)
        self._names = Names([name.encode() for name in shape.names])

    def cells(self, body: bytes) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]] | None:
        """Stream, quarter hour and value of every line; None where one is not plain."""
        columns = None if self._is_split else columns_of(body, self._separator, self._count, self._value)
        if columns is None:
            return None
        slots = quarter_hours_of(columns[self._time], self._form)
        values = None if slots is None else numbers(columns[self._value])
        if slots is None or values is None:
            return None
        if self._meter is None:
            return np.full(slots.size, self._stream_of[0], np.int32), slots, values
        places = self._names.places(columns[self._meter])
        return None if places is None else (self._stream_of.take(places), slots, values)

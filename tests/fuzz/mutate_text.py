"""Changes that know a text format's structure: records, segments, elements, telegrams and their checks."""

import re
from random import Random

from tests.fuzz.mutate import ODD_NUMBERS, Operation


def _shifted(value: int) -> int:
    for _ in range(8):
        value = (value >> 1) ^ (0xA001 if value & 1 else 0)
    return value


_SHIFTED = [_shifted(value) for value in range(256)]


def crc16(data: bytes) -> int:
    """CRC-16/ARC of a telegram."""
    value = 0
    for byte in data:
        value = (value >> 8) ^ _SHIFTED[(value ^ byte) & 0xFF]
    return value


# CSV


def _cells(data: bytes) -> tuple[list[bytes], bytes]:
    lines = data.split(b"\n")
    return lines, max((b";", b"\t", b","), key=lines[0].count)


def other_header(data: bytes, chance: Random) -> bytes:
    """A column name replaced: by another unit, another role, a double, nothing."""
    lines, mark = _cells(data)
    names = lines[0].rstrip(b"\r").split(mark)
    new = (
        b"kwh",
        b"mwh",
        b"wh",
        b"kw",
        b"m3",
        b"furlongs",
        b"timestamp",
        b"meter",
        b"register",
        b"",
        b"kWh (x)",
        b"a,b",
    )
    names[chance.randrange(len(names))] = chance.choice((*new, names[0], b"is_synthetic", b"\xc2\xb3", b'"kwh"'))
    return b"\n".join([mark.join(names), *lines[1:]])


def other_column_count(data: bytes, chance: Random) -> bytes:
    """A cell too many or too few in one line, or in all of them."""
    lines, mark = _cells(data)
    places = range(len(lines)) if chance.random() < 0.3 else [chance.randrange(len(lines))]
    cut, place = chance.random() < 0.5, chance.randrange(1 + lines[0].count(mark))
    for line in places:
        cells = lines[line].split(mark)
        if cut and len(cells) > place:
            del cells[place]
        else:
            cells.insert(place, b"1")
        lines[line] = mark.join(cells)
    return b"\n".join(lines)


def odd_cell(data: bytes, chance: Random) -> bytes:
    """A cell replaced by an odd number, an odd name or a formula."""
    lines, mark = _cells(data)
    place = chance.randrange(len(lines))
    cells = lines[place].split(mark)
    names = (
        b"{{ 7*7 }}",
        b"m1'; drop table t; --",
        b"../../x",
        b"main",
        b"press",
        b"a\rb",
        b'"a\nb"',
        b'"1.5"',
        b'"x""y"',
    )
    cells[chance.randrange(len(cells))] = chance.choice((*names, *ODD_NUMBERS))
    lines[place] = mark.join(cells)
    return b"\n".join(lines)


# NEM12 and NEM13


def odd_record(data: bytes, chance: Random) -> bytes:
    """A record called otherwise, moved, or given by another place of the file."""
    lines = data.splitlines(keepends=True)
    place = chance.randrange(len(lines))
    kinds = (b"100", b"200", b"250", b"300", b"400", b"500", b"550", b"900", b"999", b" 300", b'"300"', b"0300", b"")
    extra = (
        *(b"400,1,48,A,,\r\n", b"400,1,96,E52,,\n", b"400,2,3,N,,\n", b"900\n", b"100,NEM12,202501020304,A,B\n"),
        *(b"500,O,S01,20250101,\n", b"\n", b"200,6001000009,E1,E1,E1,N1,M,kWh,30,\n", b"100,NEM13,202501020304,A,B\n"),
    )
    how = chance.randrange(3)
    if how == 0:
        lines[place] = chance.choice(kinds) + lines[place][3:]
    elif how == 1:
        lines.insert(place, chance.choice(extra))
    else:
        lines.insert(chance.randrange(len(lines)), lines.pop(place))
    return b"".join(lines)


def odd_field(data: bytes, chance: Random) -> bytes:
    """A field of a record replaced, lost or doubled: flags, units, lengths, names."""
    lines = data.splitlines(keepends=True)
    place = chance.randrange(len(lines))
    fields = lines[place].split(b",")
    which = chance.choice(
        (len(fields) - 1, chance.randrange(len(fields)), max(0, len(fields) - chance.randrange(1, 7)))
    )
    new = (
        *(b"A", b"N", b"V", b"E52", b"S", b"F14", b"X", b"AA", b"A1", b"5", b"15", b"30", b"60", b"0", b"-15", b"KWH"),
        *(
            b"WH",
            b"MWH",
            b"KVARH",
            b"K",
            b"",
            b"E1",
            b"B1",
            b"Q1",
            b"../E1",
            b"E1B1Q1K1",
            b"1",
            b"48",
            b"96",
            b"49",
            b"I",
        ),
    )
    how = chance.randrange(5)
    if how == 0:
        del fields[which]
    elif how == 1:
        fields.insert(which, fields[which])
    else:
        fields[which] = chance.choice(new if how < 4 else ODD_NUMBERS)
    lines[place] = b",".join(fields)
    return b"".join(lines)


# MSCONS


def _segments(data: bytes) -> list[bytes]:
    return re.findall(rb"(?:[^?']|\?.)*'\s*", data, re.DOTALL)


def odd_segment(data: bytes, chance: Random) -> bytes:
    """A segment lost, doubled, moved, put in, or called otherwise."""
    parts = _segments(data)
    if not parts:
        return data
    place, how = chance.randrange(len(parts)), chance.randrange(5)
    extra = (
        *(b"QTY+220:1'", b"QTY+187:1'", b"DTM+163:202501010000?+00:303'", b"DTM+164:202501010015?+00:303'", b"LIN+9'"),
        *(b"PIA+5+1-1?:2.29.0:SRW'", b"LOC+172+DE1'", b"UNT+3+1'", b"UNZ+1+REF1'", b"UNH+2+MSCONS:D:04B:UN:2.4c'"),
        *(
            b"DTM+672:15:806'",
            b"DTM+9:202501010000?+00:303'",
            b"STS+Z40'",
            b"UNS+D'",
            b"BGM+7+DOC1+1'",
            b"NAD+DP'",
            b"A'",
        ),
    )
    if how == 0:
        del parts[place]
    elif how == 1:
        parts.insert(place, parts[place])
    elif how == 2:
        parts.insert(chance.randrange(len(parts)), parts.pop(place))
    elif how == 3:
        parts.insert(place, chance.choice(extra))
    else:
        parts[place] = chance.choice((b"QTY", b"DTM", b"LIN", b"LOC", b"qty", b"STS", b"Q", b"QTYY")) + parts[place][3:]
    return b"".join(parts)


def odd_component(data: bytes, chance: Random) -> bytes:
    """A component of a segment replaced, lost or doubled."""
    parts = _segments(data)
    if not parts:
        return data
    place = chance.randrange(len(parts))
    pieces = re.split(rb"(?<!\?)([+:'])", parts[place])
    which = chance.randrange(0, len(pieces), 2)
    new = (
        *(b"220", b"67", b"79", b"20", b"187", b"163", b"164", b"672", b"303", b"203", b"102", b"806", b"KWH", b"MWH"),
        *(b"WHR", b"CEL", b"XXX", b"1-1?:1.29.0", b"1-1?:2.29.0", b"7-1?:1.29.0", b"?+", b"??", b"?", b"", b"9" * 40),
    )
    pieces[which] = chance.choice((*new, *ODD_NUMBERS[:40]))
    parts[place] = b"".join(pieces)
    return b"".join(parts)


def other_service(data: bytes, chance: Random) -> bytes:
    """Another service string advice."""
    marks = [b":+.? '", b":+,? '", b"::.? '", b":+.  '", b"?+.:''", b":+.?*'", b":+.? \n", b":+.?"]
    rest = data[9:] if data.startswith(b"UNA") else data
    return b"UNA" + chance.choice(marks) + rest


def recount(data: bytes) -> bytes:
    """UNT of every message counting right, so that a change is read at all."""
    parts, begun = _segments(data), None
    for place, part in enumerate(parts):
        if part.startswith(b"UNH"):
            begun = place
        elif part.startswith(b"UNT") and begun is not None:
            parts[place] = re.sub(rb"^UNT\+[^+']*", b"UNT+%d" % (place - begun + 1), part)
    return b"".join(parts) if parts else data


# ESPI


_ELEMENTS = (
    *(b"IntervalReading", b"timePeriod", b"value", b"start", b"duration", b"link", b"entry", b"IntervalBlock", b"uom"),
    *(b"powerOfTenMultiplier", b"ReadingType", b"MeterReading", b"UsagePoint", b"quality", b"kind", b"flowDirection"),
)


def odd_element(data: bytes, chance: Random) -> bytes:
    """An element lost, doubled, moved, renamed, emptied, or with a comment, entity or CDATA in it."""
    name = chance.choice(_ELEMENTS)
    found = list(re.finditer(rb"<%b\b[^>]*?(?:/>|>.*?</%b>)" % (name, name), data, re.DOTALL))
    if not found:
        return data
    match = chance.choice(found)
    text, before, after = match[0], data[: match.start()], data[match.end() :]
    inner = re.sub(rb"^<[^>]*>|</[^>]*>$", b"", text)
    head, tail = text[: len(text) - len(text.lstrip(b"<"))] + name, b"</" + name + b">"
    how = chance.randrange(9)
    if how == 0:
        return before + after
    if how == 1:
        return before + text + text + after
    if how == 2:
        other = chance.choice(found)
        return data.replace(other[0], b"", 1) + text if other is match else before + other[0] + after
    if how == 3:
        return before + text.replace(name, chance.choice((b"x:" + name, b"other", name.upper())), 2) + after
    changed = (
        b"<!-- " + inner + b" -->" + inner,
        b"<![CDATA[" + inner.replace(b"]]>", b"") + b"]]>",
        inner + chance.choice((b"&lt;", b"&amp;", b"&#49;", b"&#x31;", b"&a;", b"&#0;")),
        inner + b"<extra>1</extra>",
        chance.choice((b"", b" ", *ODD_NUMBERS)),
    )[how - 4]
    return before + b"<" + head.lstrip(b"<") + b">" + changed + tail + after


def odd_attribute(data: bytes, chance: Random) -> bytes:
    """An attribute's value replaced or lost: links, relations, namespaces."""
    found = list(re.finditer(rb"(\w+)=\"([^\"]*)\"", data))
    if not found:
        return data
    match, other = chance.choice(found), chance.choice(found)
    new = (
        b"self",
        b"up",
        b"related",
        b"",
        b"/espi/1_1/resource/ReadingType/kwh-out",
        b"http://[",
        b"a" * 5000,
        other[2],
    )
    value = chance.choice(new)
    text = b"" if chance.random() < 0.2 else match[1] + b'="' + value + b'"'
    return data[: match.start()] + text + data[match.end() :]


def with_declaration(data: bytes, chance: Random) -> bytes:
    """A document type, an entity, another encoding, or markup before and after the document."""
    body = re.sub(rb"^<\?xml[^>]*\?>\s*", b"", data)
    heads = (
        *(b'<!DOCTYPE a [<!ENTITY b "lol">]>', b'<!DOCTYPE a SYSTEM "http://127.0.0.1/a">', b"<!-- a -->", b" \n"),
        *(b'<?xml version="1.0" encoding="latin-1"?>', b'<?xml version="1.0" encoding="utf-16"?>', b"<a/>"),
        *(b'<?xml version="1.1"?>', b'<?xml version="1.0" encoding="x"?>', b"\xef\xbb\xbf", b"<?php 1 ?>", b"<" * 2000),
    )
    return chance.choice(heads) + body if chance.random() < 0.8 else data + chance.choice(heads)


# DSMR


def odd_line(data: bytes, chance: Random) -> bytes:
    """A telegram's line lost, doubled, moved to another telegram, or with another code, unit or bracket."""
    lines = data.split(b"\r\n")
    place, how = chance.randrange(len(lines)), chance.randrange(5)
    extra = (
        *(b"1-0:1.8.0(000999.999*kWh)", b"0-0:1.0.0(250101003000W)", b"1-0:1.8.1(1*Wh)", b"(00001.5)", b"0-0:96.1.1()"),
        *(
            b"0-1:24.2.1(250101003000W)(00051.000*m3)",
            b"0-2:24.2.1(250101003000W)(00007.000*GJ)",
            b"!",
            b"/X",
            b"junk",
            b"",
        ),
    )
    if how == 0:
        del lines[place]
    elif how == 1:
        lines.insert(chance.randrange(len(lines)), lines[place])
    elif how == 2:
        lines.insert(place, chance.choice(extra))
    elif how == 3:
        lines[place] = re.sub(
            rb"\*\w+", chance.choice((b"*Wh", b"*MWh", b"*m3", b"*kW", b"*", b"", b"*GJ")), lines[place]
        )
    else:
        lines[place] = re.sub(
            rb"^\d-\d:[\d.]+", chance.choice((b"1-0:1.8.2", b"1-0:2.8.1", b"0-1:24.2.3")), lines[place]
        )
    return b"\r\n".join(lines)


def swap_telegrams(data: bytes, chance: Random) -> bytes:
    """Telegrams in another order, one of them doubled or lost."""
    parts = re.split(rb"(?m)^(?=/)", data)
    if chance.random() < 0.5:
        chance.shuffle(parts)
    elif chance.random() < 0.5:
        parts.append(chance.choice(parts))
    else:
        parts.pop(chance.randrange(len(parts)))
    return b"".join(parts) or data


def resealed(data: bytes) -> bytes:
    """Every telegram with the checksum that its changed bytes have, where it had one."""
    return re.sub(rb"(?ms)^(/.*?^!)[0-9A-Fa-f]{1,4}", lambda match: match[1] + b"%04X" % crc16(match[1]), data)


OF_FORMAT: dict[str, tuple[Operation, ...]] = {
    "csv": (other_header, other_column_count, odd_cell, odd_cell, odd_cell),
    "nem12": (odd_record, odd_field, odd_field),
    "nem13": (odd_record, odd_field, odd_field),
    "mscons": (odd_segment, odd_segment, odd_component, odd_component, other_service),
    "espi": (odd_element, odd_element, odd_element, odd_attribute, with_declaration),
    "dsmr": (odd_line, odd_line, odd_line, swap_telegrams),
}

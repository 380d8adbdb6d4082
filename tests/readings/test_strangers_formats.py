"""Files of the markets' own formats, written as strangers do: each with the verdict and the sums that a person worked
out.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from assets.readings.sniff_files import sniff_file
from tests.fuzz.mutate_text import recount, resealed

NOW_UTC = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Case:
    """sums: by meter and channel, in the file's unit; kwh: of all channels."""

    text: str
    sums: dict[str, float | None]
    kwh: float | None = None
    verdict: str = "accept"
    reasons: dict[str, int] = field(default_factory=dict)
    warnings: dict[str, int] = field(default_factory=dict)


# Green Button: usage points, their meter readings, types and blocks, by links.


def entry(content: str, own: str = "", up: str = "", related: str = "") -> str:
    links = "".join(
        f'<link rel="{rel}" href="{href}"/>' for rel, href in (("self", own), ("up", up), ("related", related)) if href
    )
    return f"<entry>{links}<content>{content}</content></entry>"


def reading_type(own: str, **fields: int) -> str:
    leaves = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
    return entry(f"<ReadingType>{leaves}</ReadingType>", own)


def block(meter: str, *values: int, seconds: int = 900, start: int = 1740787200) -> str:
    readings = "".join(
        f"<IntervalReading><timePeriod><duration>{seconds}</duration><start>{start + seconds * place}</start>"
        f"</timePeriod><value>{value}</value></IntervalReading>\n"
        for place, value in enumerate(values)
    )
    return entry(f"<IntervalBlock>{readings}</IntervalBlock>", f"{meter}/IntervalBlock/1", f"{meter}/IntervalBlock")


def point(name: str, kind: int) -> str:
    return entry(f"<UsagePoint><ServiceCategory><kind>{kind}</kind></ServiceCategory></UsagePoint>", f"/UP/{name}")


def feed(*entries: str) -> str:
    return f'<feed xmlns="http://www.w3.org/2005/Atom">{"".join(entries)}</feed>'


def meter(name: str, kind: str) -> str:
    return entry("<MeterReading/>", name, related=kind)


WH = {"accumulationBehaviour": 4, "commodity": 1, "flowDirection": 1, "kind": 12, "uom": 72}
GAS = {"accumulationBehaviour": 4, "commodity": 7, "flowDirection": 1, "kind": 12}
TWO_POINTS = feed(
    point("A", 0),
    point("B", 0),
    meter("/UP/A/MeterReading/1", "/T/1"),
    meter("/UP/B/MeterReading/1", "/T/2"),
    reading_type("/T/1", **WH, powerOfTenMultiplier=0),
    reading_type("/T/2", **WH, powerOfTenMultiplier=3),
    block("/UP/A/MeterReading/1", 500, 1500),
    block("/UP/B/MeterReading/1", 2, 3, 4),
)
THERMS = feed(
    point("G", 1),
    meter("/UP/G/MeterReading/1", "/T/G"),
    reading_type("/T/G", **GAS, powerOfTenMultiplier=-2, uom=169),
    block("/UP/G/MeterReading/1", 150, 250, seconds=86400, start=1740805200),
)
BOTH_WAYS = feed(
    entry(
        "<LocalTimeParameters><dstOffset>3600</dstOffset><tzOffset>-18000</tzOffset></LocalTimeParameters>",
        "/LocalTimeParameters/1",
    ),
    point("S", 0),
    meter("/UP/S/MeterReading/in", "/T/in"),
    meter("/UP/S/MeterReading/out", "/T/out"),
    reading_type("/T/in", **WH, powerOfTenMultiplier=0),
    reading_type("/T/out", **(WH | {"flowDirection": 19}), powerOfTenMultiplier=0),
    block("/UP/S/MeterReading/in", 1000, 0, seconds=3600),
    block("/UP/S/MeterReading/out", 0, 2500, seconds=3600),
)
OF_NO_POINT = feed(
    point("A", 0),
    point("B", 0),
    meter("/UP/A/MeterReading/1", "/T/1"),
    reading_type("/T/1", **WH, powerOfTenMultiplier=0),
    block("/UP/Z/MeterReading/9", 500, 1500),
)

# NEM12 and NEM13.


def nem12(*records: str) -> str:
    return "\n".join(["100,NEM12,202503020304,MDP1,RETAILER", *records, "900", ""])


def channel(nmi: str, suffix: str, minutes: int, unit: str = "kWh") -> str:
    return f"200,{nmi},E1,{suffix},{suffix},N1,MTR1,{unit},{minutes},20250401"


def day(date: str, minutes: int, value: str, flag: str = "A") -> str:
    return f"300,{date},{','.join([value] * (1440 // minutes))},{flag},,,20250302010203,"


NEM13 = (
    "100,NEM13,202503020304,MDP1,RETAILER\n"
    "250,6001000004,11,11,11,11,MTR4,E,{},20241001000000,A,,,{},20241002000000,A,,,{},kWh,20250401,20241003000000,\n"
    "900\n"
)

# MSCONS.


def message(number: int, location: str, *quantities: str, function: str = "9", version: str = "2.4c") -> str:
    """One message of quarter hours from 1 March 2025, 00:00 UTC."""
    parts = [
        f"UNH+{number}+MSCONS:D:04B:UN:{version}",
        f"BGM+7+DOC{number}+{function}",
        "DTM+137:202503020800?+00:303",
        "NAD+MS+9900000000001::293",
        "NAD+MR+9900000000002::293",
        "UNS+D",
        "NAD+DP",
        f"LOC+172+{location}",
        "LIN+1",
        "PIA+5+1-1?:1.29.0:SRW",
    ]
    for place, quantity in enumerate(quantities):
        start, end = (f"20250301{at // 60:02}{at % 60:02}" for at in (place * 15, place * 15 + 15))
        parts += [f"QTY+{quantity}", f"DTM+163:{start}?+00:303", f"DTM+164:{end}?+00:303"]
    return "'\n".join([*parts, f"UNT+0+{number}'\n"])


def interchange(*messages: str) -> str:
    head = "UNA:+,? '\nUNB+UNOC:3+9900000000001:500+9900000000002:500+250302:0800+REF1++TL'\n"
    return recount(f"{head}{''.join(messages)}UNZ+{len(messages)}+REF1'\n".encode()).decode()


DE1, DE2 = (f"DE000123456789000000000000000000{place}" for place in (1, 2))

# DSMR: every telegram is sealed anew.


def telegrams(*each: str) -> str:
    return "".join(resealed(text.replace("\n", "\r\n").encode()).decode() for text in each)


def dutch(moment: str, used: str, gas_moment: str, gas: str) -> str:
    return (
        f"/ISK5\\2M550T-1012\n\n1-3:0.2.8(50)\n0-0:1.0.0({moment}W)\n0-0:96.1.1(4530303031323334353637)\n"
        f"1-0:1.8.1({used}*kWh)\n1-0:1.8.2(000010.000*kWh)\n1-0:2.8.1(000000.000*kWh)\n1-0:2.8.2(000000.000*kWh)\n"
        f"0-1:24.1.0(003)\n0-1:96.1.0(4730303039383736353433)\n0-1:24.2.1({gas_moment}W)({gas}*m3)\n!0000\n"
    )


def belgian(moment: str, used: str, back: str) -> str:
    return (
        f"/FLU5\\253769484_A\n\n0-0:96.1.4(50217)\n0-0:96.1.1(3153414731313030303030323331)\n0-0:1.0.0({moment}W)\n"
        f"1-0:1.8.1({used}*kWh)\n1-0:1.8.2(000000.000*kWh)\n1-0:2.8.1({back}*kWh)\n1-0:2.8.2(000000.000*kWh)\n!0000\n"
    )


def luxembourgish(moment: str, used: str) -> str:
    return (
        f"/SAG5\\SAG-METER\n\n1-3:0.2.8(42)\n0-0:1.0.0({moment}W)\n0-0:42.0.0(53414731303330373030303235313832)\n"
        f"1-0:1.8.0({used}*kWh)\n1-0:2.8.0(000000.000*kWh)\n1-0:3.8.0(000001.000*kvarh)\n!0000\n"
    )


CASES: dict[str, Case] = {
    "espi: two usage points, two powers of ten": Case(
        TWO_POINTS,
        {"/UP/A/MeterReading/1.import": 2000.0, "/UP/B/MeterReading/1.import": 9000.0},
        11.0,
    ),
    "espi: gas in hundredths of a therm": Case(THERMS, {"/UP/G/MeterReading/1.import": 4.0}, 117.2284),
    "espi: both ways, with local time parameters": Case(
        BOTH_WAYS, {"/UP/S/MeterReading/in.import": 1000.0, "/UP/S/MeterReading/out.export": 2500.0}, 3.5
    ),
    "espi: a block of another meter": Case(OF_NO_POINT, {}, None, "reject", {"no_reading_type": 1}),
    "nem12: 5, 15 and 30 minutes of several meters": Case(
        nem12(
            channel("6001000001", "E1", 5),
            day("20250301", 5, "0.1"),
            channel("6001000001", "B1", 5),
            day("20250301", 5, "0.01"),
            channel("6001000002", "E1", 15),
            day("20250301", 15, "0.25"),
            channel("6001000003", "Q1", 30, "kVArh"),
            day("20250301", 30, "2"),
        ),
        {
            "6001000001.E1/5min": 28.8,
            "6001000001.B1/5min": 2.88,
            "6001000002.E1/15min": 24.0,
            "6001000003.Q1/30min": 96.0,
        },
        55.68,
    ),
    "nem12: one day estimated in part": Case(
        nem12(
            channel("6001000001", "E1", 30),
            day("20250301", 30, "1", "V"),
            "400,1,20,A,,",
            "400,21,48,F14,76,",
        ),
        {"6001000001.E1/30min": 48.0},
        48.0,
        "accept_with_warning",
        warnings={"estimated_intervals": 28},
    ),
    "nem12: Wh and MWh": Case(
        nem12(
            channel("6001000001", "E1", 30, "Wh"),
            day("20250301", 30, "500"),
            channel("6001000002", "E1", 30, "MWh"),
            day("20250301", 30, "0.5"),
        ),
        {"6001000001.E1/30min": 24000.0, "6001000002.E1/30min": 24.0},
        24024.0,
    ),
    "nem12: the day of summer time has 48 half hours": Case(
        nem12(channel("6001000001", "E1", 30), day("20251005", 30, "1"), day("20251006", 30, "1")),
        {"6001000001.E1/30min": 96.0},
        96.0,
    ),
    "nem13: a read": Case(NEM13.format("1000", "1096", "96.0"), {"6001000004.11": 96.0}, 96.0, "accept_with_warning"),
    "nem13: over the end of the display": Case(
        NEM13.format("99990", "10", "20"), {"6001000004.11": 20.0}, 20.0, "accept_with_warning"
    ),
    "nem13: less than nothing": Case(
        NEM13.format("1000", "900", "-100"), {}, None, "reject", {"negative_consumption": 1}
    ),
    "mscons: two messages, 2.4b and 2.4c": Case(
        interchange(
            message(1, DE1, "220:1,5", "220:2", version="2.4b"), message(2, DE2, "220:4", "67:8,25", version="2.4c")
        ),
        {f"{DE1}.1-1:1.29.0/QTY220": 3.5, f"{DE2}.1-1:1.29.0/QTY220": 4.0, f"{DE2}.1-1:1.29.0/QTY67": 8.25},
        15.75,
        "accept_with_warning",
        warnings={"estimated_intervals": 1},
    ),
    "mscons: a correction of another value in one interchange": Case(
        interchange(message(1, DE1, "220:1,5", "220:2"), message(2, DE1, "220:1,5", "220:9", function="5")),
        {f"{DE1}.1-1:1.29.0/QTY220": 14.0},
        14.0,
        "quarantine",
        {"duplicate_conflict": 2},
        warnings={"duplicate_rows": 1},
    ),
    "mscons: a cancellation": Case(
        interchange(message(1, DE1, "220:1,5", function="1")), {}, None, "reject", {"cancelled": 1}
    ),
    "dsmr: 5.0 with gas of the hour": Case(
        telegrams(
            dutch("250301000000", "000100.000", "250301000000", "00050.000"),
            dutch("250301001500", "000100.500", "250301000000", "00050.000"),
            dutch("250301003000", "000102.000", "250301000000", "00050.000"),
            dutch("250301004500", "000103.000", "250301000000", "00050.000"),
            dutch("250301010000", "000104.000", "250301010000", "00052.500"),
        ),
        {"E0001234567.import": 4.0, "E0001234567.export": 0.0, "G0009876543.import": 2.5},
        4.0,
        "accept_with_warning",
    ),
    "dsmr: Belgian, both ways": Case(
        telegrams(
            belgian("250301000000", "000100.000", "000007.000"), belgian("250301001500", "000101.250", "000007.500")
        ),
        {"1SAG1100000231.import": 1.25, "1SAG1100000231.export": 0.5},
        1.75,
        "accept_with_warning",
    ),
    "dsmr: Luxembourgish": Case(
        telegrams(luxembourgish("250301000000", "000100.000"), luxembourgish("250301001500", "000100.125")),
        {"SAG1030700025182.import": 0.125, "SAG1030700025182.export": 0.0},
        0.125,
        "accept_with_warning",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_file_of_a_market_has_the_verdict_and_the_sums_that_a_person_works_out(name: str, tmp_path: Path) -> None:
    case, path = CASES[name], tmp_path / "file.txt"
    path.write_bytes(case.text.encode())
    report = sniff_file(path, now_utc=NOW_UTC)
    assert (report.verdict, report.reasons) == (case.verdict, case.reasons), report.message
    found = {f"{each.meter}.{each.channel}": each for each in report.channels if each.intervals}
    assert {key: each.sum for key, each in found.items()} == pytest.approx(case.sums, abs=1e-9)
    if case.kwh is not None:
        assert sum(each.sum_kwh or 0 for each in found.values()) == pytest.approx(case.kwh, abs=1e-9)
    if case.warnings:
        assert report.warnings == case.warnings
    if case.verdict == "reject":
        assert str(path) in report.message


def test_a_document_of_more_elements_than_readings_need_is_refused_with_its_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file.xml"
    path.write_text(TWO_POINTS)
    monkeypatch.setattr("assets.readings.readers.xml_safe.MAX_ELEMENTS", 20)
    report = sniff_file(path, now_utc=NOW_UTC)
    assert report.reasons == {"too_large": 1}
    assert "more than 20 elements; split the file by months or by meters" in report.message

"""The good files that are mutated: the samples of the readers' tests, small tables made here, and small real files of
a folder of formats, where one is given.
"""

import gzip
import io
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import polars as pl

from data_quality.contracts.site_file.site import ColumnMap
from tests.fuzz.cases import Seed
from tests.fuzz.mutate_tables import archive
from tests.readings.rooms import plant

SAMPLES = Path(__file__).resolve().parents[1] / "readings" / "samples"
_SAMPLE_OF = {"espi": "espi_*", "nem12": "nem12_*", "nem13": "nem13_*", "mscons": "mscons_*", "dsmr": "dsmr_*"}
_FOLDER_OF = {"espi": "greenbutton", "nem12": "nem12", "nem13": "nem13", "mscons": "mscons", "dsmr": "dsmr"}
_SUFFIX_OF = {"espi": ".xml", "nem12": ".csv", "nem13": ".csv", "mscons": ".edi", "dsmr": ".txt"}
# Larger files make slower cases and find nothing else.
MAX_SEED_BYTES = 9000
_FIRST = datetime(2025, 1, 1, tzinfo=UTC)


def seeds_of(form: str, real: Path | None = None) -> list[Seed]:
    """The good files of a format, in a fixed order. real: a folder with one folder of real files a format."""
    if form == "csv":
        return _tables()
    if form == "xlsx":
        return _workbooks()
    if form == "parquet":
        return _parquets()
    paths = sorted(SAMPLES.glob(_SAMPLE_OF[form]))
    if real is not None:
        paths += sorted(path for path in (real / _FOLDER_OF[form]).iterdir() if path.stat().st_size <= MAX_SEED_BYTES)
    found = [Seed(path.name, path.read_bytes(), _SUFFIX_OF[form]) for path in paths]
    return found + [Seed(f"{name}{_SUFFIX_OF[form]}", data, _SUFFIX_OF[form]) for name, data in _EXTRA.get(form, ())]


def fingerprint(seeds: list[Seed]) -> str:
    """Of names and bytes: cases are only the same where this is."""
    digest = sha256()
    for seed in seeds:
        digest.update(seed.name.encode() + b"\0" + sha256(seed.data).digest())
    return digest.hexdigest()[:16]


def _moments(count: int, form: str, minutes: int = 15) -> list[str]:
    return [f"{_FIRST + timedelta(minutes=minutes) * n:{form}}" for n in range(count)]


def _tables() -> list[Seed]:
    utc = _moments(12, "%Y-%m-%dT%H:%MZ")
    plain = "timestamp,kwh\n" + "".join(f"{each},{n}.25\n" for n, each in enumerate(utc))
    long = "meter,timestamp,kwh\n" + "".join(
        f"{meter},{each},{n * 0.5}\n" for meter in ("main", "press") for n, each in enumerate(utc[:8])
    )
    wide = "timestamp,a_kwh,b_kwh\r\n" + "".join(f"{each},{n}.5,{n}.125\r\n" for n, each in enumerate(utc))
    german = "Zeit;Verbrauch [kWh]\n" + "".join(
        f"{each};{n},{n}5\n" for n, each in enumerate(_moments(10, "%d.%m.%Y %H:%M"))
    )
    units = "timestamp\tmeter\tvalue\tunit\n" + "".join(
        f"{each}\t{('main', 'gas')[n % 2]}\t{n}.5\t{('kWh', 'm³')[n % 2]}\n"
        for n, each in enumerate(sorted(utc[:8] * 2))
    )
    autumn = [f"2025-10-26 {hour:02}:{minute:02}:00" for hour in (1, 2, 2, 3) for minute in (0, 15, 30, 45)]
    local = "timestamp,kwh\n" + "".join(f"{each},{n}\n" for n, each in enumerate(autumn))
    days = "date,kwh\n" + "".join(f"{each},{n}.5\n" for n, each in enumerate(_moments(10, "%Y-%m-%d", 1440)))
    quoted = '"timestamp","kwh","note"\n' + "".join(f'"{each}","{n}.5","a, ""b"" {n}"\n' for n, each in enumerate(utc))
    old = ColumnMap(
        timestamp="Zeit", value="Verbrauch [kWh]", unit="kwh", date_format="%d.%m.%Y %H:%M", zone="Europe/Berlin",
        label="end",
    )  # fmt: skip
    by_row = ColumnMap(meter="meter", value="value", unit="unit")
    return [
        Seed("plain.csv", plain.encode(), ".csv"),
        Seed("long.csv", long.encode(), ".csv", site=plant()),
        Seed("wide.csv", wide.encode(), ".csv"),
        Seed("german.csv", german.encode(), ".csv", mapping=old),
        Seed("units.tsv", units.encode(), ".tsv", mapping=by_row),
        Seed("local.csv", local.encode(), ".csv", tz="Europe/Berlin"),
        Seed("days.csv", days.encode(), ".csv", tz="Europe/Berlin"),
        Seed("quoted.csv", quoted.encode(), ".csv"),
        Seed("utf16.csv", plain.encode("utf-16"), ".csv"),
        Seed("packed.csv.gz", gzip.compress(long.encode(), mtime=0), ".csv.gz"),
    ]


_TYPES = (
    b'<?xml version="1.0" encoding="UTF-8"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    b'<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    b'<Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType='
    b'"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>'
)
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
_STYLES = (
    f'<styleSheet xmlns="{_MAIN}"><fonts count="1"><font/></fonts><fills count="1"><fill/></fills><borders count="1">'
    '<border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="2"><xf numFmtId="0"/>'
    '<xf numFmtId="22" applyNumberFormat="1"/></cellXfs></styleSheet>'
)


def workbook(sheet: str, strings: tuple[str, ...] = ()) -> bytes:
    """A workbook of one sheet, given as its sheetData; style 1 is a date."""
    shared = "".join(f"<si><t>{text}</t></si>" for text in strings)
    parts = {
        "[Content_Types].xml": _TYPES.decode(),
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}"><Relationship Id="rId1" Type="{_RELATIONS}/officeDocument" '
        'Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_RELATIONS}"><sheets><sheet name="Data" sheetId="1" '
        'r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}">'
        f'<Relationship Id="rId1" Type="{_RELATIONS}/worksheet" Target="worksheets/sheet1.xml"/>'
        f'<Relationship Id="rId2" Type="{_RELATIONS}/styles" Target="styles.xml"/>'
        f'<Relationship Id="rId3" Type="{_RELATIONS}/sharedStrings" Target="sharedStrings.xml"/></Relationships>',
        "xl/styles.xml": _STYLES,
        "xl/sharedStrings.xml": f'<sst xmlns="{_MAIN}" count="{len(strings)}">{shared}</sst>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{_MAIN}"><sheetData>{sheet}</sheetData></worksheet>',
    }
    return archive({name: text.encode() for name, text in parts.items()})


def _row(number: int, *cells: str) -> str:
    inside = "".join(cell.format(f"{'ABCDEF'[place]}{number}") for place, cell in enumerate(cells))
    return f'<row r="{number}">{inside}</row>'


def _workbooks() -> list[Seed]:
    text, number, stamp = (
        '<c r="{{}}" t="s"><v>{}</v></c>',
        '<c r="{{}}"><v>{}</v></c>',
        '<c r="{{}}" s="1"><v>{}</v></c>',
    )
    serials = [45658 + n / 96 for n in range(10)]
    plain = _row(1, text.format(0), text.format(1)) + "".join(
        _row(n + 2, stamp.format(each), number.format(f"{n}.25")) for n, each in enumerate(serials)
    )
    inline = '<c r="{{}}" t="inlineStr"><is><t>{}</t></is></c>'
    texts = _row(2, inline.format("meter"), inline.format("timestamp"), inline.format("kwh")) + "".join(
        _row(n + 3, inline.format("main"), inline.format(each), number.format(n * 1.5))
        for n, each in enumerate(_moments(8, "%Y-%m-%dT%H:%MZ"))
    )
    days = _row(1, text.format(0), text.format(1)) + "".join(
        _row(n + 2, stamp.format(45658 + n), '<c r="{}"><f>1+1</f><v>2.5</v></c>') for n in range(8)
    )
    berlin = ColumnMap(zone="Europe/Berlin")
    return [
        Seed("plain.xlsx", workbook(plain, ("timestamp", "kwh")), ".xlsx", mapping=berlin),
        Seed("texts.xlsx", workbook(texts), ".xlsx", site=plant()),
        Seed("days.xlsx", workbook(days, ("timestamp", "kwh")), ".xlsx", tz="Europe/Berlin"),
    ]


def _parquets() -> list[Seed]:
    steps = [_FIRST + timedelta(minutes=15) * n for n in range(16)]
    values = [n + 0.25 for n in range(16)]
    plain = pl.DataFrame({"timestamp": steps, "kwh": values})
    long = pl.DataFrame({"meter": ["main"] * 8 + ["press"] * 8, "timestamp": steps[:8] * 2, "kwh": values})
    texts = pl.DataFrame({"timestamp": [each.isoformat() for each in steps], "kwh": values})
    local = pl.DataFrame({"timestamp": [each.replace(tzinfo=None) for each in steps], "kw": values})
    seeds = []
    for name, frame, packing in (
        ("plain", plain, "zstd"),
        ("long", long, "snappy"),
        ("texts", texts, "uncompressed"),
        ("local", local, "uncompressed"),
    ):
        whole = io.BytesIO()
        frame.write_parquet(whole, compression=packing)  # type: ignore[arg-type]
        zone = "Europe/Berlin" if name == "local" else None
        seeds.append(Seed(f"{name}.parquet", whole.getvalue(), ".parquet", tz=zone))
    return seeds


def _green_button(accumulation: int, values: list[int]) -> bytes:
    readings = "\n".join(
        f"<IntervalReading><timePeriod><duration>900</duration><start>{1735689600 + 900 * n}</start></timePeriod>"
        f"<value>{value}</value></IntervalReading>"
        for n, value in enumerate(values)
    )
    return (
        '<?xml version="1.0"?>\n<feed xmlns="http://www.w3.org/2005/Atom"><entry><link rel="self" href="/U/1"/>'
        '<content><UsagePoint xmlns="http://naesb.org/espi"><ServiceCategory><kind>0</kind></ServiceCategory></UsagePoint>'
        '</content></entry><entry><link rel="self" href="/U/1/MeterReading/1"/>'
        "<content><MeterReading/></content></entry>"
        f"<entry><content><ReadingType><accumulationBehaviour>{accumulation}</accumulationBehaviour><commodity>1"
        "</commodity><flowDirection>1</flowDirection><kind>12</kind><powerOfTenMultiplier>-3</powerOfTenMultiplier>"
        f"<uom>72</uom></ReadingType></content></entry>\n<entry><content><IntervalBlock>\n{readings}\n</IntervalBlock>"
        "</content></entry></feed>\n"
    ).encode()


def _day(day: int, first: int, flag: str) -> str:
    return f"300,2025010{day}," + ",".join(f"{first}.{n}" for n in range(48)) + f",{flag},,,20250105,\r\n"


_NEM12_TWO = (
    "100,NEM12,202501020304,MDP1,RETAILER\r\n200,NEM1200001,E1E2,E1,E1,N1,METER1,kWh,30,\r\n"
    f"{_day(1, 3, 'A')}{_day(2, 4, 'A')}{_day(3, 5, 'F14')}200,NEM1200001,E1E2,E2,E2,N2,METER1,kWh,30,\r\n"
    f"{_day(1, 0, 'S14')}500,O,S01,20250101,\r\n900\r\n"
).encode()
_EXTRA: dict[str, tuple[tuple[str, bytes], ...]] = {
    "espi": (
        ("amounts", _green_button(4, [1500, 2500, 0, 125])),
        ("states", _green_button(1, [1000, 1500, 1750, 4000])),
    ),
    "nem12": (("two", _NEM12_TWO),),
}

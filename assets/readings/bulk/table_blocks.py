"""Reader of long tables in blocks: packed or not, with the meters of a site or with those it names.

The blocks themselves are bulk/'s. Here a packed file is unpacked beside itself, and for a file that is looked at
without a site a stand-in is made of the names in its meter column.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from assets.readings.drafts.map_draft import NO_FACTS, FileFacts
from assets.readings.packed.bounded import GZIP_MAGIC
from assets.readings.packed.csv_text import first_line, unpacked_chunks
from assets.readings.parsed import UNSEEN, Channel, ReadRequest
from assets.readings.sniff_files import REGULAR_FROM_BYTES, SniffReport, sniff_file
from assets.readings.tables.column_layout import Layout, resolve
from assets.readings.tables.judged_table import reading_of
from assets.stores.file_hashes import file_sha256
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.meter import Meter, Register
from data_quality.contracts.site_file.site import ColumnMap, Site
from data_quality.contracts.units import UNITS, Behaviour

if TYPE_CHECKING:
    from assets.readings.bulk.read import RegularFile

# More names than any portfolio has meters: such a column names something else.
MAX_NAMES = 50_000


@contextmanager
def in_blocks(
    path: Path,
    *,
    site: Site,
    mapping: ColumnMap | None,
    now_utc: datetime,
    tz: str | None = None,
    from_bytes: int = REGULAR_FROM_BYTES,
) -> Iterator["RegularFile | None"]:
    """As bulk.read.regular_file, for packed files too. None: sniff_files.py reads it whole, and says why."""
    # It pulls in NumPy, which small files never need.
    from assets.readings.bulk.read import regular_file

    with (
        _plain(path, from_bytes) as plain,
        regular_file(plain, site=site, mapping=mapping, now_utc=now_utc, tz=tz, from_bytes=from_bytes) as file,
    ):
        if file is None or plain == path:
            yield file
        else:
            # Of the file as it was sent: sent again, that is what must be known.
            own = {"path": str(path), "sha256": file_sha256(path)}
            yield replace(file, report=file.report.model_copy(update=own))


def look_at(
    path: Path,
    *,
    mapping: ColumnMap | None = None,
    site: Site | None = None,
    tz: str | None = None,
    now_utc: datetime,
    from_bytes: int = REGULAR_FROM_BYTES,
    facts: FileFacts = NO_FACTS,
) -> SniffReport:
    """As sniff.sniff_file; a long regular table in blocks, in bounded memory, with the same report."""
    # What must be refused, too, goes the way that has a sentence for it.
    if not path.is_file() or path.is_symlink() or path.stat().st_size < _worth_unpacking(path, from_bytes):
        return sniff_file(path, mapping=mapping, site=site, tz=tz, now_utc=now_utc, facts=facts)
    way = _without_site if site is None else partial(_with_site, site=site)
    report = way(path, mapping, tz, now_utc, from_bytes)
    return report or sniff_file(path, mapping=mapping, site=site, tz=tz, now_utc=now_utc, facts=facts)


def _with_site(
    path: Path, mapping: ColumnMap | None, tz: str | None, now_utc: datetime, from_bytes: int, *, site: Site
) -> SniffReport | None:
    with in_blocks(path, site=site, mapping=mapping, now_utc=now_utc, tz=tz, from_bytes=from_bytes) as file:
        return file.report if file is not None else None


def _without_site(
    path: Path, mapping: ColumnMap | None, tz: str | None, now_utc: datetime, from_bytes: int
) -> SniffReport | None:
    """The report of a table whose meters are those that it names; None where it is for the careful way."""
    from assets.readings.bulk.read import regular_file

    with _plain(path, from_bytes) as plain:
        try:
            header, separator = first_line(plain)
            layout = resolve(header, mapping, None)
            names = _names(plain, header, separator, layout)
        except BadInput:
            return None
        if names is None or len(layout.values) != 1:
            return None
        meters = mapping.meters if mapping is not None else {}
        if mapping is not None and mapping.other_meters == "skip" and meters:
            names = [name for name in names if name in meters]
        found = _StandIn.of(layout, {name: meters.get(name, name) for name in names})
        if found is None:
            return None
        with regular_file(
            plain, site=found.site, mapping=found.map_of(layout, mapping), now_utc=now_utc, tz=tz, from_bytes=from_bytes
        ) as file:
            if file is None:
                return None
            request = ReadRequest(mapping=mapping, tz=tz)
            marks = {name: file.report.reading[name] for name in ("separator", "encoding")}
            channels = sorted(map(found.renamed, file.report.channels), key=lambda c: (c.meter, c.channel, c.unit))
            own = {
                "path": str(path),
                "sha256": file.report.sha256 if plain == path else file_sha256(path),
                "channels": tuple(channels),
                "reading": marks | reading_of(layout, mapping or ColumnMap(), request),
            }
            return file.report.model_copy(update=own)


class _StandIn:
    """A site whose meters are called by their place, for names that no site file could hold."""

    def __init__(self, site: Site, places: dict[str, str], own_names: dict[str, str]) -> None:
        self.site, self._places, self._own_names = site, places, own_names

    @classmethod
    def of(cls, layout: Layout, names: dict[str, str]) -> "_StandIn | None":
        """names: what the meter column says -> how the meter is called."""
        column = layout.values[0]
        unit = UNITS.get(column.unit or "")
        if unit is None or unit.behaviour is not Behaviour.AMOUNT:
            return None
        called = sorted({*names.values()}) if layout.meter is not None else [column.meter_id or ""]
        if not called:
            return None
        ids = {name: f"m{place}" for place, name in enumerate(called)}
        registers = (Register(register_id=column.register_id or "import", unit=unit.code),)
        site = Site(
            site_id="unnamed",
            name="",
            time_zone="UTC",
            currency="EUR",
            # Zone, money and country are asked of no amount.
            country="DE",
            meters=tuple(Meter(meter_id=each, registers=registers) for each in ids.values()),
        )
        places = {name: ids[meter] for name, meter in names.items()} if layout.meter is not None else {}
        return cls(site, places, {each: name for name, each in ids.items()})

    def map_of(self, layout: Layout, mapping: ColumnMap | None) -> ColumnMap:
        """The column map with the stand-in's meters in place of the file's."""
        value = layout.values[0].column
        base = mapping or ColumnMap(timestamp=layout.time, value=value, meter=layout.meter)
        return base.model_copy(update={"meters": self._places or {"": "m0"}, "value": value})

    def renamed(self, channel: Channel) -> Channel:
        """A channel by its own name; the file does not say what it is of."""
        return channel.model_copy(update={"meter": self._own_names[channel.meter], "commodity": "unknown"})


def _names(path: Path, header: list[str], separator: str, layout: Layout) -> list[str] | None:
    """Names in the meter column, without those that nobody could read; None where blocks cannot show them."""
    if layout.meter is None:
        return []
    schema = dict.fromkeys(header, pl.String)
    try:
        # Only names are wanted: a line with too many fields is rejected when the blocks are read.
        texts = pl.scan_csv(
            path, separator=separator, schema=schema, quote_char=None, raise_if_empty=False, truncate_ragged_lines=True
        )
        names = texts.select(layout.meter).unique().head(MAX_NAMES + 1).collect(engine="streaming").to_series()
    except pl.exceptions.PolarsError:
        return None
    if names.len() > MAX_NAMES:
        return None
    return names.drop_nulls().filter(~names.drop_nulls().str.contains(UNSEEN)).sort().to_list()


def _worth_unpacking(path: Path, from_bytes: int) -> int:
    """Size from which a file may be a long table: packed it is smaller."""
    with path.open("rb") as file:
        # Meter tables pack by ten to forty; what is missed below a sixteenth is small enough to be read whole.
        return from_bytes // 16 if file.read(2) == GZIP_MAGIC else from_bytes


@contextmanager
def _plain(path: Path, from_bytes: int) -> Iterator[Path]:
    """The file itself, or its content under the same name in a folder of its own where it is packed."""
    is_packed = path.is_file() and not path.is_symlink() and path.stat().st_size >= from_bytes // 16
    if is_packed:
        with path.open("rb") as file:
            is_packed = file.read(2) == GZIP_MAGIC
    if not is_packed:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="meterloom-") as folder:
        plain = Path(folder) / path.name
        try:
            with plain.open("wb") as file:
                for chunk in unpacked_chunks(path):
                    file.write(chunk)
        except BadInput:
            # The careful way refuses it, with its sentence.
            yield path
            return
        yield plain

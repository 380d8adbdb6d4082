"""A fuzz case: a good file, a way to read it, and the bytes that became of it."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from assets.readings.sniff_files import FileRead
from data_quality.contracts.site_file.site import ColumnMap, Site

FORMATS = ("csv", "xlsx", "parquet", "espi", "nem12", "nem13", "mscons", "dsmr")
# The clock of every case: later than any time of the good files.
NOW_UTC = datetime(2026, 1, 1, tzinfo=UTC)
FUTURE_LIMIT_S = 300


@dataclass(frozen=True)
class Seed:
    """A good file. suffix: of its name; mapping, site, tz: how it is read."""

    name: str
    data: bytes
    suffix: str
    mapping: ColumnMap | None = None
    site: Site | None = None
    tz: str | None = None


@dataclass(frozen=True)
class Case:
    """One mutated file. index: its number in the run; operations: what was done to the seed, in order.

    is_cut: the bytes are a beginning of the seed's; is_neutral: only the wrapping changed (packing, encoding, line
    ends), so that every row must be the seed's.
    """

    index: int
    seed: Seed
    data: bytes
    suffix: str
    operations: tuple[str, ...]
    is_cut: bool = False
    is_neutral: bool = False


@dataclass(frozen=True)
class Row:
    """One accepted row, as PARSED_SCHEMA has it."""

    meter_id: str
    register: str
    start_utc: datetime
    minutes: int
    value: float
    unit: str
    quality: int
    line: int

    @property
    def key(self) -> tuple[str, str, datetime]:
        """Key that no two rows of a file share."""
        return self.meter_id, self.register, self.start_utc

    @property
    def content(self) -> tuple[float, str, int, int]:
        """Content of the row at its key."""
        return self.value, self.unit, self.minutes, self.quality


def rows_of(read: FileRead) -> list[Row]:
    """The accepted rows of a file."""
    return [Row(*values) for values in read.rows.iter_rows()]


@dataclass(frozen=True)
class Problem:
    """Finding of an oracle. kind: crash, invariant, provenance, metamorphic, cut, slow, memory, hang or killed."""

    kind: str
    text: str


@dataclass
class Outcome:
    """Result of one case. label: verdict and reasons, by which cases are counted."""

    label: str
    problems: list[Problem] = field(default_factory=list)
    seconds: float = 0.0
    grown_kib: int = 0

"""Published marts: Parquet files that everybody reads, while only one step ever opens the warehouse itself.

A mart is a folder: one file a site and calendar year, so that a late reading rewrites one year of one site, and
`_schema.parquet` without rows, which says that the mart is published and what its columns are. Files next to them say
what they, and builds that are not published yet, were made of.
"""

import hashlib
import os
import shutil
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple, Protocol, TypedDict, TypeVar, Unpack

import polars as pl
from pydantic import ValidationError

from assets.stores.lake.lake_block import write_atomic
from data_quality.contracts.errors import BadInput, Unreachable
from data_quality.contracts.model import Model
from data_quality.contracts.work.project_cache import ProjectCache

# Name -> key: rows are published in key order, and the key is unique.
KPI_MARTS: dict[str, tuple[str, ...]] = {
    # With the local date: where an offset is not whole hours, one UTC hour lies in two local days.
    "mart_meter__hour_energy": ("site_id", "meter_id", "hour_start_utc", "local_date"),
    "mart_scope__day_kpi": ("site_id", "scope", "period_start"),
    "mart_scope__month_kpi": ("site_id", "scope", "period_start"),
    "mart_scope__year_kpi": ("site_id", "scope", "period_start"),
    "mart_site__kpi_values": ("site_id", "scope", "grain", "period_start", "kpi"),
    "mart_scope__hour_kpi": ("site_id", "scope", "hour_start_utc", "local_date"),
    "mart_site__degree_days": ("site_id", "local_date"),
    "mart_scope__rolling_kpi": ("site_id", "scope", "period_start"),
    # With the unit: sites bill in different currencies, and each has a sum of its own.
    "mart_portfolio__kpi_values": ("site_id", "scope", "grain", "period_start", "kpi", "unit"),
    "mart_site__quarter_hour_running": ("site_id", "local_date", "interval_start_utc"),
    "mart_site__day_projection": ("site_id", "local_date"),
}
# The site_id of sums over sites: no site may be called so.
PORTFOLIO = "_portfolio"
ENPI_MARTS: dict[str, tuple[str, ...]] = {
    "mart_seu__day_enpi": ("site_id", "seu_id", "local_date"),
    "mart_seu__month_enpi": ("site_id", "seu_id", "month_start"),
    "mart_seu__kpi_values": ("site_id", "scope", "grain", "period_start", "kpi"),
}
MARTS = KPI_MARTS | ENPI_MARTS
SCHEMA_FILE = "_schema.parquet"
T = TypeVar("T")


def mart_path(marts_dir: Path, name: str) -> Path:
    """The folder in which the mart of that name is published. Raises KeyError for a name that is no mart."""
    if name not in MARTS:
        raise KeyError(f"{name!r} is not a mart; there are {', '.join(MARTS)}")
    return marts_dir / name


def date_column(name: str) -> str:
    """The column whose year says in which file a row of the mart stands."""
    return next(key for key in ("local_date", "period_start", "month_start") if key in MARTS[name])


def write_mart(frame: pl.DataFrame, marts_dir: Path, name: str, *, years: Mapping[str, Collection[int]] | None) -> None:
    """Write a mart's rows (in key order) to the files of their site and year; each file appears whole.

    years: site -> the years that the frame holds; a year without rows loses its file, other files stay. None: the
    frame is the whole mart, and the files of everything else go.
    """
    folder = mart_path(marts_dir, name)
    # Without a row of any site a mart is still published: readers get its columns, not a missing file.
    write_atomic(frame.clear(), folder / SCHEMA_FILE)
    written = set()
    day = pl.col(date_column(name)).dt.year().alias("_year")
    keys = frame.select("site_id", day).unique().rows()
    # A build is mostly a year of a site: millions of rows are not copied to be one part of themselves.
    parts = (
        {keys[0]: frame} if len(keys) == 1 else frame.with_columns(day).partition_by(["site_id", "_year"], as_dict=True)
    )
    for (site_id, year), rows in parts.items():
        path = mart_file(folder, str(site_id), int(year))
        write_atomic(rows.drop("_year", strict=False), path)
        written.add(path)
    if years is None:
        gone = set(folder.glob("site=*/*.parquet")) - written
    else:
        gone = {mart_file(folder, site_id, year) for site_id in years for year in years[site_id]} - written
    for path in gone:
        path.unlink(missing_ok=True)


def drop_sites(marts_dir: Path, *, keep: Collection[str]) -> None:
    """Take away what is published of sites that are no longer there."""
    # By names: to match thousands of paths in each mart costs more than the publication.
    kept = {f"site={site_id}" for site_id in (*keep, PORTFOLIO)}
    for folder in marts_dir.glob("*/"):
        with os.scandir(folder) as entries:
            gone = [each.path for each in entries if each.name.startswith("site=") and each.name not in kept]
        for path in gone:
            shutil.rmtree(path)


def mart_file(folder: Path, site_id: str, year: int) -> Path:
    """Path of a site's year of a mart. folder: `mart_path`."""
    return folder / f"site={site_id}" / f"{year}.parquet"


class MartFilter(TypedDict, total=False):
    """Which rows of a mart are wanted; what is left out, or None, is wanted whatever it is.

    years: those whose files are read. scope: one scope with its parts (`site:a` with `site:a/water`).
    """

    site_id: str | None
    years: Collection[int] | None
    scope: str | None
    where: pl.Expr | None


class ReadMart(Protocol):
    """Reads a published mart in key order. Raises BadInput where it is not published yet."""

    def __call__(self, name: str, **wanted: Unpack[MartFilter]) -> pl.DataFrame:
        """The rows."""


def read_mart(marts_dir: Path, name: str, **wanted: Unpack[MartFilter]) -> pl.DataFrame:
    """As ReadMart says, from the files: of a large mart the rows that nobody wants are not even read."""
    files, scope, where = mart_files(marts_dir, name, **wanted), wanted.get("scope"), wanted.get("where")
    # Rows hold their site already; a column made of the folder's name would be a second one.
    rows = pl.scan_parquet([mart_path(marts_dir, name) / SCHEMA_FILE, *files], hive_partitioning=False)
    rows = rows if scope is None else rows.filter(of_scope(name, scope))
    rows = rows if where is None else rows.filter(where)
    with undamaged(name):
        return rows.sort(MARTS[name]).collect()


def if_published(read: Callable[[], T], otherwise: Callable[[str], T]) -> T:
    """Result of `read`; where a mart that it needs is not published yet, that of `otherwise` with the message."""
    try:
        return read()
    except BadInput as fault:
        if fault.reason != "mart_missing":
            raise
        return otherwise(fault.message)


@contextmanager
def undamaged(name: str) -> Iterator[None]:
    """Raises Unreachable where the block meets a file of the mart that was cut or written over: not by us."""
    try:
        yield
    except pl.exceptions.ComputeError as error:
        if "parquet" not in str(error):
            raise
        raise Unreachable(f"a file of mart {name} is damaged ({error}); build the marts of its site again") from error


def mart_files(marts_dir: Path, name: str, **wanted: Unpack[MartFilter]) -> list[Path]:
    """Files of the published mart in which wanted rows may stand. Raises BadInput where it is not published yet."""
    path = mart_path(marts_dir, name)
    if not (path / SCHEMA_FILE).exists():
        raise BadInput(
            f"mart {name} is not published yet",
            file=str(path),
            reason="mart_missing",
            mend="ingest readings, then materialise the marts",
        )
    years = wanted.get("years")
    site_id = wanted.get("site_id")
    files = sorted(path.glob("site=*/*.parquet") if site_id is None else (path / f"site={site_id}").glob("*.parquet"))
    return files if years is None else [each for each in files if int(each.stem) in years]


def of_scope(name: str, scope: str) -> pl.Expr:
    """Rows of a scope and its parts, whatever the mart calls the scope."""
    keys = MARTS[name]
    column = next(key for key in ("scope", "seu_id", "meter_id") if key in keys)
    own = pl.col(column) if column == "scope" else f"{column.removesuffix('_id')}:" + pl.col(column)
    # With the stroke, or the scope site:a would take site:ab along.
    return (own == scope) | own.str.starts_with(f"{scope}/")


def mart_stamp(marts_dir: Path, site_id: str) -> str:
    """Version of a site's published marts at this moment: another text as soon as one of their files is another."""
    marks = [f"{path} {stat.st_size} {stat.st_mtime_ns}" for path, stat in _published(marts_dir, site_id)]
    return hashlib.sha256("\n".join(sorted(marks)).encode()).hexdigest()


def published_at(marts_dir: Path, site_id: str) -> datetime | None:
    """When a mart of the site was last written; None where none is."""
    times = [stat.st_mtime for _, stat in _published(marts_dir, site_id)]
    return datetime.fromtimestamp(max(times), UTC) if times else None


def _published(marts_dir: Path, site_id: str) -> Iterator[tuple[str, os.stat_result]]:
    """Every file of the site's marts as it stands there. By folders that are known: each answer of the pages asks."""
    for name in MARTS:
        # Gone between the list and the look: the next request gets what is there after.
        with suppress(FileNotFoundError), os.scandir(marts_dir / name / f"site={site_id}") as files:
            for each in files:
                if each.name.endswith(".parquet"):
                    yield f"{name}/{each.name}", each.stat()


# Of the 250 MB that the pages may take, with a year of every scope that is on somebody's screen.
MOST_BYTES = 16 * 2**20
# A publication replaces files one by one: a list of files may be older than what it lists.
_TRIES = 3


class _Key(NamedTuple):
    """A file as it stands there, and the scope that is wanted of it."""

    path: Path
    size: int
    mtime_ns: int
    scope: str | None


class MartReader:
    """A ReadMart (marts.py) over one folder that caches what it read; the least recently used goes first.

    Any number of threads may read. most_bytes: of kept frames; a frame larger than a quarter of it is never kept.
    """

    def __init__(self, marts_dir: Path, *, most_bytes: int = MOST_BYTES) -> None:
        self.marts_dir, self.most_bytes = marts_dir, most_bytes
        self._kept: OrderedDict[_Key, tuple[pl.DataFrame, int]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def __call__(self, name: str, **wanted: Unpack[MartFilter]) -> pl.DataFrame:
        """As ReadMart says. Raises Unreachable where files go on vanishing while they are read."""
        schema, where = mart_path(self.marts_dir, name) / SCHEMA_FILE, wanted.get("where")
        for _ in range(_TRIES):
            try:
                files = mart_files(self.marts_dir, name, **wanted)
                frames = [self._part(path, name, wanted.get("scope")) for path in (schema, *files)]
            except FileNotFoundError:
                continue
            # One file that has the columns as they are published is its own answer: to join it to none copies it.
            is_one = len(files) == 1 and frames[0].schema == frames[1].schema
            rows = frames[1] if is_one else pl.concat(frames)
            rows = rows if where is None else rows.filter(where)
            # One file is in key order as it is.
            return rows if len(files) == 1 else rows.sort(MARTS[name])
        raise Unreachable(f"the files of mart {name} are replaced faster than they can be read; ask again")

    def _part(self, path: Path, name: str, scope: str | None) -> pl.DataFrame:
        stat = path.stat()
        key = _Key(path, stat.st_size, stat.st_mtime_ns, scope)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key][0]
        # Outside of the lock: two threads may read one file twice, and none waits for another's.
        rows = pl.scan_parquet(path, hive_partitioning=False)
        with undamaged(name):
            frame = (rows if scope is None else rows.filter(of_scope(name, scope))).collect()
        self._keep(key, frame)
        return frame

    def _keep(self, key: _Key, frame: pl.DataFrame) -> None:
        size = max(int(frame.estimated_size()), 1)
        if size > self.most_bytes // 4:
            return
        with self._lock:
            if key not in self._kept:
                self._kept[key] = (frame, size)
                self._bytes += size
            # What the file was before: nobody can ask for it again.
            former = [each for each in self._kept if each.path == key.path and each[1:3] != key[1:3]]
            for each in former:
                self._bytes -= self._kept.pop(each)[1]
            while self._bytes > self.most_bytes:
                _, (_, freed) = self._kept.popitem(last=False)
                self._bytes -= freed


class BuiltSite(Model):
    """Inputs of a site's marts when they were last built as a whole.

    sha256: of its site file; baselines: versions that expect; factors: emission factors by day
    (assets/kpi/mart_windows.py); project: fingerprint of the SQL; entry: newest manifest entry then;
    first, last: local days with imported energy, None where there is none.
    """

    sha256: str
    baselines: str = ""
    factors: str = ""
    project: str = ""
    entry: int = 0
    first: date | None = None
    last: date | None = None

    def is_like(self, other: "BuiltSite") -> bool:
        """True where the same site file, baselines and SQL stand behind both."""
        # Not factors, which say by day what changed, nor the entry, which says it by month.
        return (self.sha256, self.baselines, self.project) == (other.sha256, other.baselines, other.project)


class Built(Model):
    """Built state of one stage's marts: all entries up to `floor`, and of single months (`SITE|YYYY-MM`) later ones."""

    floor: int = 0
    months: dict[str, int] = {}
    sites: dict[str, BuiltSite] = {}


class BuildNote(Model):
    """Result of one build, for the step that publishes it: years by site, months requested, the sites behind them."""

    entry: int
    years: dict[str, tuple[int, ...]]
    months: tuple[str, ...]
    sites: dict[str, BuiltSite]


def read_built(marts_dir: Path, stage: str, cache: ProjectCache) -> Built:
    """Built state of the published marts of a stage (kpi, enpi); empty where there are none, or where another version
    wrote it in another form: marts are recomputed, never migrated.
    """
    path = marts_dir / f"built_{stage}.json"
    # It names thousands of sites, and every look asks for it.
    try:
        stat = path.stat()
        # The inode too: of two writes in one tick of the disk's clock the second is another file.
        key = (path, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
        return cache.once("built_marts", key, lambda: Built.model_validate_json(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValidationError):
        return Built()


def write_built(marts_dir: Path, stage: str, built: Built) -> None:
    """Write the built state, by atomic rename."""
    _write(marts_dir / f"built_{stage}.json", built)


def write_note(folder: Path, run_id: str, stage: str, note: BuildNote) -> None:
    """Write the note of a finished build."""
    _write(folder / f"{run_id}_{stage}.json", note)


def take_note(folder: Path, run_id: str, stage: str) -> BuildNote | None:
    """The note of this run's build; None where it built nothing."""
    path = folder / f"{run_id}_{stage}.json"
    return BuildNote.model_validate_json(path.read_text(encoding="utf-8")) if path.exists() else None


def drop_note(folder: Path, run_id: str, stage: str) -> None:
    """The build is published."""
    (folder / f"{run_id}_{stage}.json").unlink(missing_ok=True)


def _write(path: Path, content: Model) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Half a mark would count as none, and everything would be built again.
    unfinished = path.with_name(f".{path.name}.part")
    unfinished.write_text(content.model_dump_json(), encoding="utf-8")
    unfinished.replace(path)

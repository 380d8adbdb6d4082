"""SQL that stands over lake.readings in both engines: the readings of the windows, and those known at an instant.

`lake.readings_as_of(T)` is the view at T of spec trace.md: of all rows recorded at or before T, the latest per key.
"""

from collections.abc import Sequence

from assets.stores.lake.lake import KEY
from assets.stores.lake.lake_block import LAKE_SCHEMA

_COLUMNS = ", ".join(LAKE_SCHEMA)
_KEY = ", ".join(KEY)


def window_view(source: str) -> str:
    """CREATE VIEW lake.window_readings over that relation: the rows whose interval starts inside a window.

    Windows of a site do not overlap, so that no row appears twice.
    """
    columns = ", ".join(f"readings.{name}" for name in LAKE_SCHEMA)
    return (
        f"create or replace view lake.window_readings as select {columns} from {source} as readings "  # noqa: S608
        "inner join lake.windows as windows on readings.site_id = windows.site_id "
        "and readings.interval_start_utc >= windows.start_utc and readings.interval_start_utc < windows.end_utc"
    )


def overlapping(starts: str, ends: str) -> str:
    """Condition on a table of periods: those that overlap a window of lake.windows, and of a whole site every row."""
    # The site alone says nothing new: with it DuckDB passes over the blocks of all other sites.
    return (
        "kept.site_id in (select windows.site_id from lake.windows as windows) and exists (select 1 from lake.windows "  # noqa: S608
        "as windows where windows.site_id = kept.site_id and (windows.is_whole_site "
        f"or ({starts} < windows.after_date and {ends} > windows.first_date)))"
    )


def parquet_source(paths: Sequence[str]) -> str:
    """A relation over Parquet files in DuckDB; the paths are quoted."""
    # Rows hold their site already; a column made of the folder's name would be a second one.
    return f"read_parquet([{', '.join(map(quoted, paths))}], hive_partitioning = false)"


def quoted(text: str) -> str:
    """A text as SQL says it."""
    return "'" + text.replace("'", "''") + "'"


DUCKDB_AS_OF = f"""
create or replace macro lake.readings_as_of(known_at_utc) as table
select {_COLUMNS} from lake.readings
where recorded_at_utc <= known_at_utc
qualify row_number() over (partition by {_KEY} order by recorded_at_utc desc) = 1
"""  # noqa: S608

POSTGRES_AS_OF = f"""
create or replace function lake.readings_as_of(known_at_utc timestamptz) returns setof lake.readings
language sql stable as $$
select distinct on ({_KEY}) {_COLUMNS} from lake.readings
where recorded_at_utc <= known_at_utc
order by {_KEY}, recorded_at_utc desc
$$
"""  # noqa: S608

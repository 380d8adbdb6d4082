"""What an InfluxDB 2 server is asked, as Flux: one series of a bucket over a span. Pure; nothing of a site file ends up
as code of the query.
"""

import json
from datetime import datetime

from data_quality.contracts.site_file.live_source import InfluxPoint, InfluxSource

DIALECT = {"header": True, "annotations": ["datatype", "group", "default"], "dateTimeFormat": "RFC3339Nano"}


def rows_query(source: InfluxSource, point: InfluxPoint, start_utc: datetime, stop_utc: datetime) -> str:
    """Every value of [start, stop) as it was written, times and values alone."""
    return f'{_series(source, point, start_utc, stop_utc)} |> keep(columns: ["_time", "_value"])'


def newest_query(source: InfluxSource, point: InfluxPoint, start_utc: datetime, stop_utc: datetime) -> str:
    """The newest value of each series that the point's words meet, with the tags that tell them apart."""
    return f"{_series(source, point, start_utc, stop_utc)} |> last()"


def query_body(flux: str) -> bytes:
    """The body of POST /api/v2/query."""
    return json.dumps({"query": flux, "type": "flux", "dialect": DIALECT}).encode()


def _series(source: InfluxSource, point: InfluxPoint, start_utc: datetime, stop_utc: datetime) -> str:
    wanted = {"_measurement": point.measurement, "_field": point.field, **point.tags}
    conditions = " and ".join(f"r[{_text(name)}] == {_text(value)}" for name, value in wanted.items())
    return (
        f"from(bucket: {_text(source.bucket)}) "
        f"|> range(start: {start_utc:%Y-%m-%dT%H:%M:%SZ}, stop: {stop_utc:%Y-%m-%dT%H:%M:%SZ}) "
        f"|> filter(fn: (r) => {conditions})"
    )


def _text(value: str) -> str:
    """A text of Flux: quotes, backslashes and what would be a placeholder are taken as they are."""
    plain = value.replace("\\", "\\\\").replace('"', '\\"').replace("${", "\\${")
    return '"' + plain.replace("\n", "\\n").replace("\r", "\\r") + '"'

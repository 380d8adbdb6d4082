"""A server that speaks InfluxDB 2's query API on this machine: token, org, bucket, one series a query, annotated CSV.

`python -m tests.feeds.influx_server PORT_FILE`: in a process of its own, with values for every minute of every channel.
"""

import gzip
import json
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import polars as pl

TOKEN, ORG, BUCKET = "secret-token", "works", "energy"
# (measurement, field, other tags) -> seconds since 1970 and values of [start, stop).
Series = Callable[[int, int], tuple[np.ndarray, np.ndarray]]
_FLUX = re.compile(
    r'^from\(bucket: "(?P<bucket>(?:[^"\\]|\\.)*)"\) \|> range\(start: (?P<start>\S+), stop: (?P<stop>\S+)\) '
    r'\|> filter\(fn: \(r\) => (?P<where>.*)\) \|> (?P<end>keep\(columns: \["_time", "_value"\]\)|last\(\))$'
)
_WHERE = re.compile(r'r\["((?:[^"\\]|\\.)*)"\] == "((?:[^"\\]|\\.)*)"')


def channel(number: int) -> Series:
    """A counter of kWh for even numbers, a temperature for odd ones: one value a minute, the same whenever asked."""

    def values(start_s: int, stop_s: int) -> tuple[np.ndarray, np.ndarray]:
        at_s = np.arange(-(-start_s // 60) * 60, stop_s, 60, dtype=np.int64)
        minute = at_s // 60 - 28_000_000
        if number % 2:
            return at_s, np.round(20 + 5 * np.sin(minute / 229 + number), 3)
        # Whole watt hours a minute: sums are exact.
        return at_s, (minute * (number + 1)) / 1000

    return values


class InfluxServer:
    """Series, requests received, and how it answers next: a status, or None for as it should."""

    def __init__(self) -> None:
        self.series: dict[tuple[str, str, tuple[tuple[str, str], ...]], Series] = {}
        self.asked: list[str] = []
        self.next: list[int | bytes] = []
        self.url = ""

    def add(self, measurement: str, field: str, series: Series, **tags: str) -> None:
        """A series of the bucket."""
        self.series[measurement, field, tuple(sorted(tags.items()))] = series

    def answer(self, flux: str) -> bytes:
        """Annotated CSV. Raises ValueError for a query that it does not understand."""
        found = _FLUX.match(flux)
        if not found or found["bucket"] != BUCKET:
            raise ValueError(f"could not find bucket or function in {flux[:80]!r}")
        where = {_plain(name): _plain(value) for name, value in _WHERE.findall(found["where"])}
        start, stop = (int(datetime.fromisoformat(found[name]).timestamp()) for name in ("start", "stop"))
        blocks = []
        for (measurement, field, tags), series in self.series.items():
            have = {"_measurement": measurement, "_field": field, **dict(tags)}
            if any(have.get(name) != value for name, value in where.items()):
                continue
            at_s, values = series(start, stop)
            if not len(at_s):
                continue
            if found["end"] == "last()":
                blocks.append(_table(at_s[-1:], values[-1:], len(blocks), have))
            else:
                blocks.append(_table(at_s, values, len(blocks), {}))
        return b"\r\n".join(blocks)


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def _table(at_s: np.ndarray, values: np.ndarray, table: int, tags: dict[str, str]) -> bytes:
    names = ["_time", "_value", *tags]
    kind = "double" if values.dtype.kind == "f" else "long" if values.dtype.kind == "i" else "string"
    types = ["string", "long", "dateTime:RFC3339", kind, *["string"] * len(tags)]
    falses = ",".join(["false"] * len(types))
    head = f"#datatype,{','.join(types)}\r\n#group,{falses}\r\n#default,_result{',' * (len(types) - 1)}\r\n"
    frame = pl.DataFrame(
        {"e": pl.Series([""] * len(at_s), dtype=pl.String), "t": [table] * len(at_s), "at": at_s, "v": values}
    )
    frame = frame.select(
        pl.lit("").alias("a"),
        pl.lit("").alias("b"),
        "t",
        pl.from_epoch("at").dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "v",
        *[pl.lit(value).alias(f"tag{place}") for place, value in enumerate(tags.values())],
    )
    body = frame.write_csv(include_header=False, line_terminator="\r\n", quote_style="never").encode()
    return f"{head},result,table,{','.join(names)}\r\n".encode() + body


@contextmanager
def influx(port: int = 0) -> Iterator[InfluxServer]:
    """The server on a port of this machine, with nothing in it."""
    served = InfluxServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            # Whoever asked may have gone.
            with suppress(OSError):
                self._serve(body)

        def _serve(self, body: bytes) -> None:
            place = urlsplit(self.path)
            if self.headers["Authorization"] != f"Token {TOKEN}":
                return self._say(401, b'{"code":"unauthorized","message":"unauthorized access"}')
            if place.path != "/api/v2/query" or parse_qs(place.query).get("org") != [ORG]:
                return self._say(404, b'{"code":"not found","message":"organization not found"}')
            flux = json.loads(body)["query"]
            served.asked.append(flux)
            reply = served.next.pop(0) if served.next else None
            if isinstance(reply, int):
                return self._say(reply, b'{"code":"internal error","message":"told to fail"}')
            try:
                return self._say(200, served.answer(flux) if reply is None else reply, kind="text/csv")
            except ValueError as error:
                return self._say(400, json.dumps({"code": "invalid", "message": str(error)}).encode())

        def _say(self, status: int, body: bytes, kind: str = "application/json") -> None:
            self.send_response(status)
            if "gzip" in self.headers.get("Accept-Encoding", "") and len(body) > 1400:
                body = gzip.compress(body, 1)
                self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    served.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def main(port_file: Path, channels: int = 60) -> None:
    """Serve until this process is ended."""
    with influx() as served:
        for number in range(channels):
            served.add("hall", f"c{number}", channel(number))
        port_file.write_text(served.url)
        threading.Event().wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""A site whose channels stand in an InfluxDB: even ones counters, odd ones temperatures."""

import json
from datetime import date
from pathlib import Path

from tests.feeds.influx_server import BUCKET, ORG


def site_text(url: str, channels: int, since: date, **more: object) -> str:
    """The site file; more: keys of the source."""
    meters = [
        {"meter_id": f"m{number}", "registers": [{"register_id": "import", "kind": "cumulative"}]}
        for number in range(0, channels, 2)
    ]
    drivers = [{"driver_id": f"t{number}", "unit": "degc", "aggregation": "mean"} for number in range(1, channels, 2)]
    points = [
        {
            "point": f"c{number}",
            "stream": f"{'t' if number % 2 else 'm'}{number}",
            "what": "mean" if number % 2 else "register",
            "unit": "degc" if number % 2 else "kwh",
            "measurement": "hall",
            "field": f"c{number}",
        }
        for number in range(channels)
    ]
    source = {
        "source_id": "history", "kind": "influxdb2", "url": url, "org": ORG, "bucket": BUCKET,
        "token_env": "INFLUX_TOKEN", "since": since.isoformat(), "points": points, **more,
    }  # fmt: skip
    site = {
        "site_id": "works", "name": "Works", "time_zone": "Europe/Berlin", "currency": "EUR", "country": "DE",
        "meters": meters, "drivers": drivers, "sources": [source],
    }  # fmt: skip
    # JSON is YAML.
    return json.dumps(site)


def make_project(folder: Path, url: str, channels: int, since: date, **more: object) -> Path:
    """A project of that site."""
    (folder / "sites").mkdir(exist_ok=True)
    (folder / "meterloom.yaml").write_text("{}\n")
    (folder / "people.yaml").write_text("people: []\n")
    (folder / "sites" / "works.yaml").write_text(site_text(url, channels, since, **more))
    return folder

"""The works of `scored.py` with a live source of the powers of its meters, and minutes of them on a board."""

from datetime import datetime, timedelta
from typing import Any

from data_quality.contracts.live.live_value import LiveValue
from data_quality.contracts.site_file.site import Site
from tests.ml.anomaly_scoring.scored import works

MINUTE = timedelta(minutes=1)


def live_works(*, what: str = "live", unit: str = "kw", port: int = 1883, **more: Any) -> Site:
    """Main and press tell their power, or a counter, over MQTT."""
    points = [
        {"point": each, "stream": each, "what": what, "unit": unit, "topic": f"works/{each}", "path": "value"} | more
        for each in ("main", "press")
    ]
    source = {
        "source_id": "hall", "kind": "mqtt", "host": "127.0.0.1", "port": port, "is_synthetic": True,
        "time_path": "at", "time_format": "unix_ms", "points": points,
    }  # fmt: skip
    document = works().model_dump(mode="json", exclude_unset=True)
    for meter in document["meters"]:
        if what in {"register", "pulses"}:
            meter["registers"] = [{"kind": "cumulative"}]
    return Site.model_validate(document | {"sources": [source]})


def value(point: str, number: float, at_utc: datetime, *, unit: str = "kw", what: str = "live") -> LiveValue:
    """A value at an instant, alone in its minute."""
    return LiveValue(
        source_id="hall", point=point, stream=point, register_id="import", what=what, unit=unit, is_synthetic=True,
        value=number, at_utc=at_utc, received_utc=at_utc, quality="measured",
        minute_utc=at_utc.replace(second=0, microsecond=0), minute_mean=number, minute_min=number, minute_max=number,
        minute_count=1,
    )  # fmt: skip

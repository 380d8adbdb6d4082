"""A smart meter from its customer port to the lake, and the page that shows how such sources are written."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from ruamel.yaml import YAML

from assets.stores.lake.lake import Lake
from assets.stores.ledgers.quarantine_ledger import QuarantineStore
from assets.stores.transactions import Store
from controls.collector.drain import Drain
from controls.collector.spool import Spool
from controls.gateways.sources.p1_tcp import P1Listener
from data_quality.contracts.live.spool_frames import sample_lines
from data_quality.contracts.quality import QualityCode
from data_quality.contracts.settings import LiveSettings
from data_quality.contracts.site_file.live_source import LiveSource
from data_quality.contracts.site_file.meter import Meter
from data_quality.contracts.time import FixedClock
from tests.conftest import ROOT
from tests.controls.gateways.sources.live_sink import ListSink, until
from tests.controls.gateways.sources.p1_bridge import P1Bridge, telegram
from tests.live.hall import QUARTER
from tests.readings.rooms import Bench, plant

PAGE = ROOT / "docs" / "ems" / "live_meters.md"
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
COUNTER = {"kind": "cumulative"}


@pytest.mark.real
def test_a_quarter_hour_of_telegrams_is_the_register_s_own_difference(
    tmp_path: Path, lake: Lake, store: Store, clock: FixedClock
) -> None:
    """905 telegrams, one in ten of them damaged: what they would have told is in the next."""
    points = [
        {"point": "in", "obis": "1-0:1.8.0", "stream": "main", "what": "register", "unit": "kwh"},
        {"point": "kw", "obis": "1-0:1.7.0", "stream": "main", "what": "live", "unit": "kw"},
        {"point": "gas", "obis": "0-1:24.2.1", "stream": "gas", "what": "register", "unit": "m3"},
    ]
    gas = {"meter_id": "gas", "carrier": "natural_gas", "registers": [COUNTER | {"unit": "m3"}]}
    with P1Bridge() as bridge:
        source = {"source_id": "p1", "kind": "p1_tcp", "host": "127.0.0.1", "port": bridge.port, "points": points}
        site = plant(meters=({"meter_id": "main", "registers": [COUNTER]}, gas), sources=[source])
        sink = ListSink()
        own_clock = FixedClock(QUARTER + timedelta(seconds=910))
        listener = P1Listener(site.sources[0], time_zone="Europe/Amsterdam", clock=own_clock)
        listener.start(sink)
        bridge.wait_for_visits(1)
        for second in range(905):
            five_minutes = second // 300
            telegrams = telegram(
                QUARTER + timedelta(seconds=second),
                low_kwh=100 + second / 1000,
                gas_m3=50 + five_minutes / 10,
                gas_at_utc=QUARTER + timedelta(minutes=5 * five_minutes),
            )
            bridge.say(telegrams.replace(b"MLM5", b"XXXX") if second % 10 == 5 else telegrams)
        until(lambda: len(sink.of("in")) == 905 - 90)
        listener.stop()
    assert (len(sink.refusals), len(sink.of("gas"))) == (90, 4)
    spool = Spool(tmp_path / "spool", clock=own_clock, limits=LiveSettings(keep_free_mb=0))
    spool.start()
    spool.put(sample_lines("p1", sink.samples), b"", len(sink.samples), lambda _: None)
    spool.close()
    drain = Drain(site, spool, landing=tmp_path / "landing", carry=tmp_path / "carry")
    files = drain.run(now_utc=QUARTER + timedelta(hours=1)).files
    bench = Bench(tmp_path, lake, QuarantineStore(tmp_path / "quarantine", store), clock)
    reports = [bench.ingest(path, site=site) for path in files]
    assert {reason for report in reports for reason in report.reasons} == set()
    assert (bench.values("main"), bench.values("gas")) == ([0.9], [pytest.approx(0.3)])
    assert set(bench.lake.current("plant")["quality_code"]) == {QualityCode.RAW}


@pytest.mark.parametrize("block", BLOCKS)
def test_the_page_s_examples_are_sources_and_meters(block: str) -> None:
    found: dict[str, Any] = YAML(typ="safe").load(block)
    for source in found["sources"]:
        TypeAdapter(LiveSource).validate_python(source)
    for meter in found.get("meters", ()):
        Meter.model_validate(meter)

"""Contract of every adapter of a live source, each kind against its own real device."""

import math
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import get_args

import pytest

from controls.gateways.capabilities import DeviceRefused, DeviceSilent
from controls.gateways.sources.adapter import Adapter
from controls.gateways.sources.open_source import open_source
from data_quality.contracts.errors import BadInput
from data_quality.contracts.live.sample import Sample
from data_quality.contracts.site_file.live_source import Streaming
from data_quality.contracts.time import SystemClock
from tests.conftest import MUST_NOT_SKIP
from tests.controls.conftest import need_mosquitto
from tests.controls.gateways.sources.live_sink import ListSink, until
from tests.live.kinds import KINDS, Device
from tests.readings.rooms import plant

pytestmark = pytest.mark.real


@pytest.fixture(params=sorted(KINDS))
def device(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Device]:
    """Of each kind, not there yet."""
    if request.param == "mqtt":
        need_mosquitto()
    if request.param == "bacnet" and find_spec("bacpypes3") is None and not MUST_NOT_SKIP:
        pytest.skip("the extra bacnet is not installed: pip install 'meterloom[bacnet]'")
    made = KINDS[request.param](tmp_path)
    yield made
    made.vanish()


@pytest.fixture
def adapter(device: Device) -> Iterator[Adapter]:
    """As the collector opens it, not started."""
    given = device.source() | {"source_id": "src", "silent_after_s": 2.0}
    site = plant(meters=({"meter_id": "main", "registers": [{"kind": "cumulative"}]},), sources=[given])
    opened = open_source(site, site.sources[0], settings=device.settings, clock=SystemClock())
    yield opened
    opened.stop()


@pytest.fixture
def sink() -> ListSink:
    """Keeps everything."""
    return ListSink()


def is_good(sample: Sample) -> bool:
    """A finite number, in the point's unit, of two instants that are instants."""
    units = {"in": "kwh", "kw": "kw"}
    return (
        math.isfinite(sample.value)
        and sample.unit == units[sample.point]
        and sample.at_utc.tzinfo is not None
        and abs(sample.received_utc - datetime.now(UTC)) < timedelta(seconds=60)
    )


def test_every_kind_that_has_an_adapter_is_tried_here() -> None:
    kinds = {get_args(each.model_fields["kind"].annotation)[0] for each in get_args(Streaming)}
    assert set(KINDS) == kinds


def test_samples_of_every_point_come_and_count_when_they_are_durable(
    device: Device, adapter: Adapter, sink: ListSink
) -> None:
    state = adapter.state()
    assert (state.state, state.accepted, adapter.source_id) == ("starting", 0, "src")
    device.appear()
    adapter.start(sink)
    until(lambda: len(sink.of("in")) > 3 and len(sink.of("kw")) > 1)
    assert all(is_good(sample) for sample in sink.samples)
    values = [sample.value for sample in sink.of("in")]
    assert values == sorted(values)
    until(lambda: adapter.state().state == "live")
    adapter.stop()
    state = adapter.state()
    assert (state.state, state.accepted, state.rejected) == ("stopped", len(sink.samples), 0)
    assert state.last_utc is not None


def test_nothing_is_accepted_before_it_is_durable(device: Device, adapter: Adapter) -> None:
    held = ListSink("hold")
    device.appear()
    adapter.start(held)
    until(lambda: len(held.waiting) > 0)
    assert adapter.state().accepted == 0
    held.waiting[0](True)
    until(lambda: adapter.state().accepted > 0)


def test_a_spool_that_takes_nothing_is_a_state_and_its_end_too(device: Device, adapter: Adapter) -> None:
    sink = ListSink("refuse")
    device.appear()
    adapter.start(sink)
    until(lambda: adapter.state().state in ("behind", "disk_full"))
    assert adapter.state().accepted == 0
    assert adapter.state().sentence.count("\n") == 0
    sink.answer = "keep"
    until(lambda: adapter.state().state == "live", 30)
    assert adapter.state().accepted > 0


def test_a_device_that_is_away_is_a_sentence_and_is_taken_up_when_it_comes(
    device: Device, adapter: Adapter, sink: ListSink
) -> None:
    adapter.start(sink)
    until(lambda: adapter.state().state == "silent")
    sentence = adapter.state().sentence
    assert "127.0.0.1" in sentence
    assert "\n" not in sentence
    device.appear()
    until(lambda: len(sink.samples) > 0, 30)
    assert adapter.state().state == "live"


def test_a_device_that_goes_and_comes_back_tells_on(device: Device, adapter: Adapter, sink: ListSink) -> None:
    device.appear()
    adapter.start(sink)
    sink.wait_for_more(2)
    device.vanish()
    until(lambda: adapter.state().state == "silent")
    before = len(sink.samples)
    device.appear()
    until(lambda: len(sink.samples) > before, 30)
    assert adapter.state().state == "live"


def test_after_the_stop_nothing_is_handed_over_and_a_second_stop_is_nothing(
    device: Device, adapter: Adapter, sink: ListSink
) -> None:
    device.appear()
    adapter.start(sink)
    sink.wait_for_more(2)
    adapter.stop()
    before = len(sink.offered)
    time.sleep(0.3)
    adapter.stop()
    assert len(sink.offered) == before
    left = {thread.name for thread in threading.enumerate() if "src" in thread.name}
    assert left == set()


def test_a_stop_and_a_look_at_the_state_wait_for_no_device(device: Device, adapter: Adapter, sink: ListSink) -> None:
    adapter.start(sink)
    time.sleep(0.2)
    began_s = time.monotonic()
    adapter.state()
    assert time.monotonic() - began_s < 5
    adapter.stop()
    assert time.monotonic() - began_s < 15


def test_a_test_tells_every_point_once_or_one_sentence(device: Device, adapter: Adapter) -> None:
    with pytest.raises((DeviceSilent, DeviceRefused, BadInput)) as caught:
        adapter.test(1.0)
    assert "127.0.0.1" in str(caught.value)
    assert "\n" not in str(caught.value)
    device.appear()
    samples = adapter.test(10.0)
    assert sorted(sample.point for sample in samples) == ["in", "kw"]
    assert all(is_good(sample) for sample in samples)

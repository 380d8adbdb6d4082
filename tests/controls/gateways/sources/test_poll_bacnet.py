"""BACnet/IP against a real device on the loopback: the library's own server side."""

import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.gateways.capabilities import DeviceRefused, DeviceSilent
from controls.gateways.sources.poll_bacnet import BacnetPoller, Denied, as_written, sample_of
from data_quality.contracts.errors import BadInput
from data_quality.contracts.live.sample import Refusal, Sample
from data_quality.contracts.site_file.live_source import BacnetPoint, BacnetSource
from data_quality.contracts.time import SystemClock
from tests.conftest import MUST_NOT_SKIP
from tests.controls.gateways.sources.live_sink import ListSink, until

if TYPE_CHECKING or MUST_NOT_SKIP:
    import bacpypes3  # noqa: F401
else:
    pytest.importorskip("bacpypes3", reason="the extra bacnet is not installed: pip install 'meterloom[bacnet]'")
from tests.controls.gateways.sources.bacnet_device import BacnetDevice

NOW_UTC = datetime(2026, 1, 1, tzinfo=UTC)


def point(name: str, place: str, **more: Any) -> dict[str, Any]:
    """A register of kWh, unless it says otherwise."""
    return {"point": name, "object": place, "stream": name, "what": "register", "unit": "kwh"} | more


POINTS = [point("a", "analog-input,0"), point("b", "analog-input,1")]


def poller(address: str, **more: Any) -> BacnetPoller:
    """Not started; asks ten times a second."""
    given = {"source_id": "hvac", "kind": "bacnet", "address": address, "every_s": 0.1, "timeout_s": 1.0}
    return BacnetPoller(BacnetSource.model_validate({**given, "points": POINTS, **more}), clock=SystemClock())


@pytest.fixture
def device() -> Iterator[BacnetDevice]:
    """Device 1234."""
    with BacnetDevice() as running:
        yield running


@pytest.fixture
def sink() -> ListSink:
    """In memory."""
    return ListSink()


def test_present_values_become_samples_at_every_turn(device: BacnetDevice, sink: ListSink) -> None:
    found = poller(device.address, device_id=1234)
    found.start(sink)
    until(lambda: len(sink.samples) >= 2)
    device.change("analog-input,0", presentValue=1000.25)
    until(lambda: sink.of("a")[-1].value == 1000.25)
    found.stop()
    assert {sample.value for sample in sink.of("b")} == {1001.0}
    assert {(sample.unit, sample.quality) for sample in sink.samples} == {("kwh", "measured")}
    assert found.state().state == "stopped"
    assert found.state().accepted == len(sink.samples)


def test_an_accumulator_is_scaled_and_its_pulses_are_not(device: BacnetDevice) -> None:
    pulses = point("pulses", "accumulator,1", what="pulses", value_per_pulse="0.01")
    # Of a counter of pulses the device's own unit is that of a scaled value, which nobody asked for.
    device.change("accumulator,1", units="noUnits")
    samples = poller(device.address, points=[point("kwh", "accumulator,1"), pulses]).test(5)
    assert [(sample.value, sample.unit) for sample in samples] == [(47.11, "kwh"), (4711.0, "count")]


def test_a_value_that_the_device_doubts_is_doubtful(device: BacnetDevice) -> None:
    device.change("analog-input,0", outOfService=True)
    assert [sample.quality for sample in poller(device.address).test(5)] == ["doubtful", "measured"]


def test_sixty_objects_are_asked_in_a_few_questions(sink: ListSink) -> None:
    with BacnetDevice(inputs=60) as large:
        points = [point(f"m{place}", f"analog-input,{place}") for place in range(60)]
        samples = poller(large.address, device_id=1234, points=points).test(10)
        assert [sample.value for sample in samples] == [1000.0 + place for place in range(60)]
        assert large.asked == 3


def test_a_device_that_tells_one_property_at_a_time_is_read_so(sink: ListSink) -> None:
    with BacnetDevice(knows_many=False) as old:
        samples = poller(old.address, device_id=1234, points=[*POINTS, point("c", "accumulator,1")]).test(10)
        assert [sample.value for sample in samples] == [1000.0, 1001.0, 47.11]


def test_another_device_at_the_address_tells_nothing(sink: ListSink) -> None:
    with BacnetDevice(number=99) as other:
        found = poller(other.address, device_id=1234)
        with pytest.raises(DeviceRefused, match=r"is not device,1234, which the site file says"):
            found.test(5)
        found.start(sink)
        until(lambda: found.state().state == "refused")
        found.stop()
        assert sink.samples == []


def test_an_object_that_is_not_there_stops_no_other(device: BacnetDevice, sink: ListSink) -> None:
    wrong = [
        point("no", "analog-input,77"),
        point("door", "binary-input,1"),
        point("unit", "analog-input,2", unit="mwh"),
    ]
    found = poller(device.address, points=[*wrong, POINTS[0]])
    found.start(sink)
    until(lambda: len(sink.of("a")) > 0)
    found.stop()
    assert {refusal.point: refusal.reason for refusal in sink.refusals} == {
        "no": "analog-input,77 gives no present value: unknown-object",
        "door": "binary-input,1 sends 'active', which is no number",
        "unit": "analog-input,2 is reported in kilowatt-hours; the site file says mwh",
    }


def test_a_device_without_any_of_the_objects_refuses_each(device: BacnetDevice) -> None:
    with pytest.raises(DeviceRefused, match=r"analog-input,8 gives no present value: unknown-object; 1 more points"):
        poller(device.address, points=[point("x", "analog-input,8"), point("y", "analog-input,9")]).test(5)


def test_a_device_that_is_away_is_silent_and_comes_back(sink: ListSink) -> None:
    with BacnetDevice() as gone:
        port = gone.port
    found = poller(f"127.0.0.1:{port}", timeout_s=0.3)
    with pytest.raises(DeviceSilent, match="gives no answer"):
        found.test(5)
    found.start(sink)
    until(lambda: found.state().state == "silent")
    assert f"BACnet device 127.0.0.1:{port} gives no answer" in found.state().sentence
    until(lambda: found.state().missing > 1)
    with BacnetDevice(port=port):
        until(lambda: found.state().state == "live")
    found.stop()


def test_what_is_no_bacnet_is_silence(sink: ListSink) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.settimeout(10)

        def babble() -> None:
            for _ in range(2):
                _, whom = stranger.recvfrom(2048)
                stranger.sendto(b"\x81\x0a\x00\x09\x01\x00\x30garbage", whom)

        thread = threading.Thread(target=babble)
        thread.start()
        with pytest.raises(DeviceSilent):
            poller(f"127.0.0.1:{stranger.getsockname()[1]}", timeout_s=0.5).test(5)
        thread.join()


def test_a_name_that_nobody_knows_is_a_sentence() -> None:
    with pytest.raises(DeviceSilent, match=r"BACnet device no-such-host.invalid has no address"):
        poller("no-such-host.invalid").test(5)


def test_what_the_spool_does_not_keep_is_missing_and_said(device: BacnetDevice, sink: ListSink) -> None:
    sink.answer = "refuse"
    found = poller(device.address)
    found.start(sink)
    until(lambda: found.state().missing > 0)
    assert found.state().state == "behind"
    sink.answer = "keep"
    until(lambda: found.state().state == "live")
    found.stop()


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("controls.gateways.sources.poll_bacnet.find_spec", lambda _name: None)
    with pytest.raises(BadInput, match="bacpypes3, which is not installed") as caught:
        poller("127.0.0.1")
    assert "meterloom[bacnet]" in caught.value.mend


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "active", True, Denied("timeout")])
def test_what_is_no_number_is_refused(value: Any) -> None:
    sample = sample_of(BacnetPoint.model_validate(POINTS[0]), {"present-value": value}, NOW_UTC)
    assert isinstance(sample, Refusal)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_number_of_32_bits_is_the_decimal_that_the_display_shows(real: float) -> None:
    shown = as_written(real)
    assert len(Decimal(repr(shown)).normalize().as_tuple().digits) <= 9 or shown == real
    assert as_written(12345.669921875) == 12345.67
    sample = sample_of(BacnetPoint.model_validate(POINTS[0]), {"present-value": shown}, NOW_UTC)
    assert isinstance(sample, Sample)

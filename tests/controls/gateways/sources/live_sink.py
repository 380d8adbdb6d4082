"""A sink as the collector's, in memory: it keeps, refuses, or holds back what it is given; and what tests wait with."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

from data_quality.contracts.live.sample import Refusal, Sample
from data_quality.contracts.site_file.live_source import DeviceSource, MqttSource


class ListSink:
    """keep: done(True) from a thread of its own, as the spool's; refuse: done(False) at once; hold: neither."""

    def __init__(self, answer: Literal["keep", "refuse", "hold"] = "keep") -> None:
        self.answer = answer
        self._samples: list[Sample] = []
        self._refusals: list[Refusal] = []
        self.offered: list[Sample] = []
        self.waiting: list[Callable[[bool], None]] = []
        self._one_at_a_time = threading.Lock()

    def take(
        self, source_id: str, samples: Sequence[Sample], refusals: Sequence[Refusal], done: Callable[[bool], None]
    ) -> None:
        with self._one_at_a_time:
            self.offered += samples
            if self.answer == "keep":
                self._samples += samples
                self._refusals += refusals
                # Under the lock: who sees a sample finds it counted too.
                done(True)
        if self.answer == "refuse":
            done(False)
        elif self.answer == "hold":
            self.waiting.append(done)

    @property
    def samples(self) -> list[Sample]:
        """Samples kept and answered for."""
        with self._one_at_a_time:
            return self._samples.copy()

    @property
    def refusals(self) -> list[Refusal]:
        """Refusals, likewise."""
        with self._one_at_a_time:
            return self._refusals.copy()

    def of(self, point: str) -> list[Sample]:
        """Samples kept of one point."""
        return [sample for sample in self.samples if sample.point == point]

    def wait_for_more(self, count: int) -> None:
        """Until so many more samples are kept than now."""
        before = len(self.samples)
        until(lambda: len(self.samples) >= before + count)


def until(holds: Callable[[], Any], within_s: float = 60.0) -> None:
    """Wait until something holds. Raises AssertionError when the time is over."""
    deadline_s = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline_s, "it never held"
        time.sleep(0.01)


def mqtt_source(*topics: str, **more: Any) -> MqttSource:
    """A source of one point a topic, in our own devices' format."""
    points = [
        {"point": topic, "stream": "m", "what": "live", "unit": "kw", "topic": topic, "path": "kw"} for topic in topics
    ]
    document = {"source_id": "plant", "kind": "mqtt", "time_path": "at", "seq_path": "seq", "points": points}
    return MqttSource.model_validate(document | more)


def modbus_source(source_id: str, *names: str, **more: Any) -> DeviceSource:
    """A source of one point a value of the template."""
    points = [{"point": name, "stream": "m", "what": "live", "unit": name[-2:], "value_name": name} for name in names]
    document = {"source_id": source_id, "kind": "modbus", "template": "sim_grid_meter", "address": "127.0.0.1:1/2"}
    return DeviceSource.model_validate(document | {"points": points} | more)

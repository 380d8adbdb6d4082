"""A device polled at a steady interval, in the protocol of its template.

Each source has a thread of its own, so that a silent one delays no other. A poll without an answer is a gap and is
counted; the beat goes on. A device that stays silent is asked ever less often: behind a serial bridge each question to
it costs the others a timeout.
"""

import time
import zlib

from controls.gateways.capabilities import DeviceRefused, DeviceSilent
from controls.gateways.open import Polled
from controls.gateways.sources.adapter import Sink
from controls.gateways.sources.hand_over import Threaded
from controls.gateways.sources.tally import Pauses
from controls.templates.load_templates import Template
from data_quality.contracts.errors import BadInput
from data_quality.contracts.live.sample import Refusal, Sample
from data_quality.contracts.site_file.live_source import DeviceSource
from data_quality.contracts.text import one_line
from data_quality.contracts.time import Clock
from data_quality.contracts.units import unit_of


class DevicePoller(Threaded):
    """One source behind a template, and its device."""

    def __init__(self, source: DeviceSource, template: Template, device: Polled, *, clock: Clock) -> None:
        super().__init__(source, clock=clock)
        self._source, self._device = source, device
        self._units = {
            point.value_name: _unit(source, template, point.value_name, point.received_unit) for point in source.points
        }
        self._pauses = Pauses(source.source_id)

    def stop(self) -> None:
        """End, after the question that is on its way. Safe to call twice."""
        super().stop()
        self._device.close()

    def test(self, within_s: float) -> list[Sample]:
        """A value of each point, queried once. Raises BadInput, DeviceSilent, DeviceRefused.

        within_s: not used, a question has the source's own timeout.
        """
        try:
            samples, refusals = self._read_once()
        finally:
            self._device.close()
        if refusals:
            raise DeviceRefused(f"point {refusals[0].point!r}: {refusals[0].reason}", code="no_value")
        return samples

    def _read_once(self) -> tuple[list[Sample], list[Refusal]]:
        """Raises DeviceSilent, BadInput."""
        found = self._device.read_many(list(self._units))
        at_utc = self._clock.now_utc()
        samples: list[Sample] = []
        refusals: list[Refusal] = []
        for point in self._source.points:
            value = found[point.value_name]
            if isinstance(value, DeviceRefused):
                refusals.append(Refusal(point.point, at_utc, one_line(str(value)), ""))
            else:
                samples.append(Sample(point.point, at_utc, value, self._units[point.value_name], at_utc))
        return samples, refusals

    def _run(self, sink: Sink) -> None:
        every_s = self._source.every_s
        # Sources that start together do not ask together.
        due_s = time.monotonic() + every_s * (zlib.crc32(self.source_id.encode()) % 1000) / 1000
        while not self._end.wait(max(0.0, due_s - time.monotonic())):
            pause_s = self._poll(sink)
            # In the beat, whatever an answer took; beats that passed meanwhile are gaps.
            beats = 1 + max(0, int((time.monotonic() + pause_s - due_s) // every_s))
            due_s += beats * every_s
            if beats > 1:
                self._tally.gaps(missing=beats - 1)

    def _poll(self, sink: Sink) -> float:
        """Ask once and hand over; how long to leave the device alone, s."""
        try:
            samples, refusals = self._read_once()
        except (DeviceSilent, BadInput) as fault:
            self._tally.set_condition("silent", str(fault))
            self._tally.gaps(missing=1)
            return self._pauses.next_s()
        self._pauses.reset()
        self._hand_over(sink, samples, refusals)
        return 0.0


def _unit(source: DeviceSource, template: Template, value_name: str, stated: str) -> str:
    """The template's unit of a value. Raises BadInput where it is not of the point's kind."""
    unit, wanted = unit_of(template.capability(value_name).unit), unit_of(stated)
    if (unit.canonical, unit.is_power) != (wanted.canonical, wanted.is_power):
        raise BadInput(
            f"source {source.source_id!r}: {value_name} of template {template.template!r} is in {unit.code}, "
            f"and its point says {wanted.code}",
            reason="wrong_unit",
        )
    return unit.code

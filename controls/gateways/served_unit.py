"""One Modbus unit as its template describes it, pure: registers out of leases and measured values, and writes to them.

SunSpec models lie where a device has them: the marker at 40000, the common model, those of the template, the end.
"""

import math
from collections.abc import Callable
from typing import Literal

from controls.gateways.commissioning.sunspec import COMMON, COMMON_LENGTH, END_MODEL, MARKER, STARTS
from controls.gateways.lease import FOR_EVER_S, Outcome, ServedDevice
from controls.gateways.register_words import WIDTH, decode_frame, encode, encode_frame, frame_width, part_type, raw_of
from controls.templates.load_templates import Template
from controls.templates.register_places import Frame, RegisterPlace, Table
from data_quality.contracts.errors import BadInput

# What a device does that is broken; "clamp", "ignore" and "other" acknowledge, and then hold something else; "drift"
# strays from what it holds by a tenth of its span.
Fault = Literal[
    "none", "silent", "late", "half_frame", "wrong_id", "close_before", "close_after", "refuse", "apply_then_silent",
    "clamp", "ignore", "other", "drift",
]  # fmt: skip
# Exception codes of the Modbus specification; 7 (negative acknowledge) says "understood, and not done".
ILLEGAL_ADDRESS, ILLEGAL_VALUE, REFUSED = 2, 3, 7
# The rating that a unit states where its template takes one from it, in the place's unit.
RATING = 10.0
_EMPTY = 0xFFFF


class ModbusUnit(ServedDevice):
    """One unit: template, leases, and `measure() -> {read_… name: value}`. Counts what reached it."""

    def __init__(
        self,
        template: Template,
        *,
        measure: Callable[[], dict[str, float]],
        monotonic: Callable[[], float],
        unit_id: int | None = None,
        rating: float = RATING,
    ) -> None:
        super().__init__(template, measure=measure, monotonic=monotonic)
        self.unit_id = unit_id or template.unit_id
        self.fault: Fault = "none"
        self.reads, self.writes = 0, 0
        # Before this write it falls silent: in the middle of a sequence.
        self.silent_at_write: int | None = None
        # What every write held, as it came: (table, address, words).
        self.frames: list[tuple[Table, int, list[int]]] = []
        self._rating = rating
        # Parts of a set-point that came in requests of their own, until the one that makes them count.
        self._parts: dict[str, dict[str, float]] = {name: {} for name in template.settable}
        self._bases: dict[int, int] = {}
        at = STARTS[0] + len(MARKER)
        for model, length in _with_common(template).items():
            self._bases[model] = at
            at += 2 + length

    def reboot(self) -> None:
        """Off and on: requests that were half a set-point are forgotten too."""
        super().reboot()
        self._parts = {name: {} for name in self.template.settable}

    def read(self, address: int, count: int, table: Table = "holding") -> list[int] | None:
        """Words of a table; None where the unit lacks one of them."""
        self.reads += 1
        known = self.registers(table)
        words = [known.get(address + offset) for offset in range(count)]
        return None if None in words else [word for word in words if word is not None]

    def registers(self, table: Table = "holding") -> dict[int, int]:
        """Present content of every register of a table, by address."""
        found = self._frame_of_models() if table == "holding" else {}
        measured, bits = self._measure() if self.template.readable else {}, dict[int, int]()
        for name in self.template.readable:
            place = self.template.capabilities[name]
            if place.table == table:
                words = self._laid_out(place, place.register_address, self._measured(place, measured[name]))
                # Several bits may share a register.
                found |= words if place.bit is None else {at: bits.get(at, 0) | word for at, word in words.items()}
                bits |= {at: found[at] for at in words if place.bit is not None}
        for name in self.template.settable:
            place, rule = self.template.capabilities[name], self.template.read_back[name]
            if place.table == table:
                for step in place.write_steps:
                    found |= self._laid_out(place, step.register_address, self._held(name, place, step))
            if rule.table == table:
                words = self._laid_out(rule, rule.register_address, self._held(name, rule, None))
                # What a frame skips belongs to others.
                skipped = self._skipped(rule)
                found |= {at: word for at, word in words.items() if at not in skipped or at not in found}
        return found

    def write(self, address: int, words: list[int], table: Table = "holding") -> int | None:
        """Take a write; the exception code to answer with, or None."""
        self.writes += 1
        self.frames.append((table, address, words))
        for name in self.template.settable:
            place = self.template.capabilities[name]
            for step in (*place.write_steps, *place.release):
                at = self._address(place, step.register_address)
                if (table, at, len(words)) == (place.table, address, frame_width(place, step.frame)):
                    return None if self.fault == "ignore" else self._take(name, place, step, words)
        return ILLEGAL_ADDRESS

    def _take(self, name: str, place: RegisterPlace, step: Frame, words: list[int]) -> int | None:
        found = decode_frame(place, words, factor=self._factor(place), step=step)
        if found.get("value", 0.0) is None:
            return ILLEGAL_VALUE
        parts = self._parts[name]
        parts |= {part: number for part, number in found.items() if number is not None}
        # The same register enables and gives back: what stands in it decides.
        if "disabled" in found or found.get("enabled", place.on) != place.on:
            self.leases[name].release()
            return None
        # What makes it count: the enable where there is one, else the value itself.
        enables = [each for each in place.write_steps if "enabled" in each.frame]
        if step.frame != (enables[0] if enables else _value_step(place)).frame:
            return None
        outcome = self._offer(name, parts)
        self.outcomes.append(outcome)
        if outcome.is_accepted:
            return None
        return ILLEGAL_VALUE if outcome in (Outcome.OUT_OF_RANGE, Outcome.NO_LEASE) else REFUSED

    def _offer(self, name: str, parts: dict[str, float]) -> Outcome:
        value, (low, high) = parts.get("value", math.nan), self.template.limits(name)
        if self.fault == "clamp":
            value = min(max(value, low / 2), high / 2)
        elif self.fault == "other":
            value = low if value != low else high
        ttl_s = parts.get("ttl_s", parts.get("ttl_long_s", 0.0 if self.template.has_device_ttl else FOR_EVER_S))
        return self.leases[name].offer(
            value=value,
            ttl_s=ttl_s,
            epoch=int(parts.get("epoch", 0)),
            seq=int(parts.get("seq", self.writes)),
            now_s=self._monotonic(),
        )

    def _held(self, name: str, place: RegisterPlace, step: Frame | None) -> list[int]:
        """Present frame of a set-point."""
        state, parts = self.leases[name].state(self._monotonic()), self._parts[name]
        frame = place.frame if step is None else step.frame
        armed_s = int(parts.get("ttl_s", parts.get("ttl_long_s", 0)))
        # Whole seconds, rounded up: a lease that still runs never reads as over.
        left_s = -int(-state.remaining_s // 1)
        safe = (
            min(self.template.safe_default[name], self._rating) if place.share_of else self.template.safe_default[name]
        )
        words = encode_frame(
            place,
            value=self._strayed(name, min(state.value, self._rating) if place.share_of else state.value),
            ttl_s=left_s if step is None else armed_s,
            armed_s=armed_s,
            epoch=state.epoch,
            seq=state.seq,
            safe_value=safe,
            factor=self._factor(place),
            step=step,
        )
        if "enabled" in frame and not state.is_held:
            words[frame_width(place, frame[: frame.index("enabled")])] = 0
        return words

    def _strayed(self, name: str, value: float) -> float:
        low, high = self.template.limits(name)
        return value if self.fault != "drift" else max(low, value - 0.1 * (high - low))

    def _skipped(self, place: RegisterPlace) -> set[int]:
        at, found = self._address(place, place.register_address or 0), set()
        for part in place.frame:
            if part == "skip":
                found.add(at)
            at += WIDTH[part_type(part, place)]
        return found

    def _measured(self, place: RegisterPlace, value: float) -> list[int]:
        if place.codes:
            return list(place.codes[round(value)])
        if place.bit is not None:
            return encode(int(value) << place.bit, "uint16" if WIDTH[place.type] == 1 else "uint32", place.word_order)
        return encode(raw_of(value, place, self._factor(place)), place.type, place.word_order)

    def _factor(self, place: RegisterPlace) -> float:
        return 10.0 ** scale_power(place) * (1.0 if place.share_of is None else self._rating)

    def _laid_out(self, place: RegisterPlace, register: int | None, words: list[int]) -> dict[int, int]:
        """Words at their addresses, with the scale factor and the rating that belong to them."""
        if register is None:
            return {}
        at = self._address(place, register)
        found = {at + offset: word for offset, word in enumerate(words)}
        if place.scale_factor is not None:
            found[self._address(place, place.scale_factor)] = encode(scale_power(place), "int16")[0]
        if place.share_of is not None:
            rating = place.share_of
            found |= self._laid_out(rating, rating.register_address, self._measured(rating, self._rating))
        return found

    def _address(self, place: RegisterPlace, register: int) -> int:
        return register if place.model is None else self._bases[place.model] + register

    def _frame_of_models(self) -> dict[int, int]:
        if not self.template.models:
            return {}
        models = _with_common(self.template)
        found = dict(enumerate(MARKER, STARTS[0]))
        for model, length in models.items():
            base = self._bases[model]
            found |= dict(enumerate([model, length, *[_EMPTY] * length], base))
        end = base + 2 + length
        return found | {end: END_MODEL, end + 1: 0}


def scale_power(place: RegisterPlace) -> int:
    """The power of ten that a served unit states: tenths of a percent, tens of a watt, tenths of everything else."""
    if place.scale_factor is None:
        return 0
    return 1 if abs(place.scale) == 0.001 else -1


def _value_step(place: RegisterPlace) -> Frame:
    for step in place.write_steps:
        if "value" in step.frame:
            return step
    raise BadInput("no request of a set-point holds its value", reason="bad_configuration")


def _with_common(template: Template) -> dict[int, int]:
    return {COMMON: COMMON_LENGTH} | template.models

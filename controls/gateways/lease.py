"""The device's side of the contract, pure: order by (epoch, seq), time to live, safe value. Both servers use it."""

from collections.abc import Callable
from enum import StrEnum

from controls.templates.load_templates import Template
from data_quality.contracts.model import Model

# What a device without a timer holds a value for: a number, as every other time to live.
FOR_EVER_S = 1e9


class Outcome(StrEnum):
    """Outcome of a command at the device."""

    APPLIED = "applied"
    REPEATED = "repeated"
    EXPIRED = "expired"
    OLD_SEQ = "old_seq"
    OLD_EPOCH = "old_epoch"
    OUT_OF_RANGE = "out_of_range"
    NO_LEASE = "no_lease"
    BAD_PAYLOAD = "bad_payload"
    # Not proven to be from us, or left on the broker by somebody.
    BAD_MAC = "bad_mac"
    RETAINED = "retained"

    @property
    def is_accepted(self) -> bool:
        """True where the value is active."""
        return self in (Outcome.APPLIED, Outcome.REPEATED)


class LeaseState(Model):
    """Lease state that the device would answer to a read."""

    value: float
    remaining_s: float
    epoch: int
    seq: int
    is_held: bool = True


class SetPointLease:
    """One set-point that dies by itself.

    A higher (epoch, seq) is applied. The same (epoch, seq) with the same value is a duplicate: accepted while the lease
    still runs, but it prolongs nothing, or a network that repeats itself would keep alive what its sender no longer
    renews. Anything older is dropped, so is a time to live that is not within (0, max_ttl_s]. `now_s` is monotonic
    seconds.
    """

    def __init__(self, *, safe_value: float, minimum: float, maximum: float, max_ttl_s: float) -> None:
        self._safe_value, self._minimum, self._maximum = safe_value, minimum, maximum
        self._max_ttl_s = max_ttl_s
        self._value = safe_value
        self._deadline_s: float | None = None
        # Below every number on the wire, so that the first command (0, 0) is taken.
        self._epoch, self._seq = -1, -1

    def offer(self, *, value: float, ttl_s: float, epoch: int, seq: int, now_s: float) -> Outcome:
        """Take or drop a command."""
        self.tick(now_s)
        # Before the order is looked at: a refused value must not use up its number.
        if not self._minimum <= value <= self._maximum:
            return Outcome.OUT_OF_RANGE
        if not 0 < ttl_s <= self._max_ttl_s:
            return Outcome.NO_LEASE
        if epoch < self._epoch:
            return Outcome.OLD_EPOCH
        if epoch == self._epoch and seq <= self._seq:
            # The same number with another value is two writers, not a duplicate.
            is_same = seq == self._seq and value == self._value and self._deadline_s is not None
            return Outcome.REPEATED if is_same else Outcome.OLD_SEQ
        self._value, self._epoch, self._seq = value, epoch, seq
        self._deadline_s = now_s + ttl_s
        return Outcome.APPLIED

    def release(self) -> None:
        """Given back, or switched off and on again: the safe value, and nothing that runs out."""
        self._value, self._deadline_s = self._safe_value, None

    def tick(self, now_s: float) -> bool:
        """Fall back to the safe value once the time is over; True in the call that did it."""
        if self._deadline_s is None or now_s < self._deadline_s:
            return False
        self._value, self._deadline_s = self._safe_value, None
        return True

    def state(self, now_s: float) -> LeaseState:
        """The active value, the seconds left, and the last accepted order (0, 0 before any)."""
        self.tick(now_s)
        remaining_s = 0.0 if self._deadline_s is None else self._deadline_s - now_s
        return LeaseState(
            value=self._value,
            remaining_s=remaining_s,
            epoch=max(self._epoch, 0),
            seq=max(self._seq, 0),
            is_held=self._deadline_s is not None,
        )


def leases_of(template: Template) -> dict[str, SetPointLease]:
    """A lease for every settable capability of a template."""
    return {
        name: SetPointLease(
            safe_value=template.safe_default[name],
            minimum=template.limits(name)[0],
            maximum=template.limits(name)[1],
            # A set-point without a time to live would never end by itself: 0 refuses them all.
            max_ttl_s=(template.capabilities[name].expires_s or 0.0) if template.has_device_ttl else FOR_EVER_S,
        )
        for name in template.settable
    }


class ServedDevice:
    """A device behind its template, whatever the wire: what it measures, and set-points that die by themselves.

    measure: values by `read_…` name. monotonic: the device's seconds.
    """

    def __init__(
        self, template: Template, *, measure: Callable[[], dict[str, float]], monotonic: Callable[[], float]
    ) -> None:
        self.template, self._measure, self._monotonic = template, measure, monotonic
        self.leases = leases_of(template)
        self.outcomes: list[Outcome] = []

    def value_of(self, name: str) -> float:
        """The set-point that it follows now."""
        return self.leases[name].state(self._monotonic()).value

    def reboot(self) -> None:
        """Off and on: every set-point is forgotten, and so is who gave it."""
        self.leases = leases_of(self.template)

"""Relay inputs as grid signals: the state of a contact, as the live board shows it, becomes the stored capacity limit.

The form that is stored is that of EEBus LPC (limit, duration, active, failsafe value, heartbeat); its wire (SHIP and
SPINE) is not spoken. A contact says no duration: its limit holds until it says something else.
"""

from assets.stores.ledgers.grid_signals import GridSignals
from assets.stores.live.live_store import LiveReader
from controls.programmes.listener import Poll
from data_quality.contracts.control.grid_signal import EXPORT_LIMIT, IMPORT_LIMIT, GridSignal, SignalInterval
from data_quality.contracts.errors import Unreachable
from data_quality.contracts.live.live_value import LiveValue
from data_quality.contracts.site_file.live_source import RelaySource, RelayStep
from data_quality.contracts.time import Clock

# As the agent counts: the heartbeat is the contact's own, so that a board which stands still falls silent with it.
_GONE_S = 60.0
_NEAR = 1e-6


class RelayListener:
    """One relay source of a site. takes_synthetic: a simulated site obeys contacts that are made up."""

    programme_id = ""

    def __init__(
        self, site_id: str, source: RelaySource, board: LiveReader, signals: GridSignals, clock: Clock, *,
        takes_synthetic: bool = False,
    ) -> None:  # fmt: skip
        self._site_id, self._source, self._board, self._signals, self._clock = site_id, source, board, signals, clock
        self._takes_synthetic = takes_synthetic or source.is_synthetic

    def poll(self) -> Poll:
        """Look once. Raises Unreachable (nothing young on the board), BadInput (changed store).

        A state that is none of the steps is stored as refused and renews no heartbeat: the limit before it holds, and
        after two minutes the failsafe value.
        """
        value = self._value()
        step = next((each for each in self._source.steps if abs(each.reading - value.value) < _NEAR), None)
        if step is None:
            message = f"reading {value.value:g} of {self._source.point} is none of the steps"
            return Poll(1, self._recorded(self._signal(value, (), refused=message)), message)
        new = self._obeyed(value, step)
        self._signals.renew_heartbeat(self._site_id, self._source.source_id, value.at_utc)
        return Poll(1, new)

    def _value(self) -> LiveValue:
        source, now_utc = self._source, self._clock.now_utc()
        for value in self._board.values(self._site_id):
            if (value.source_id, value.point) == (source.live_source, source.point):
                is_usable = value.quality != "doubtful" and (self._takes_synthetic or not value.is_synthetic)
                if is_usable and value.age_s(now_utc) <= _GONE_S:
                    return value
        raise Unreachable(f"the live board shows no young value of {source.live_source}, point {source.point}")

    def _obeyed(self, value: LiveValue, step: RelayStep) -> tuple[GridSignal, ...]:
        """Store the ceiling of a step where it is another than what holds."""
        now_utc, kw = self._clock.now_utc(), self._source.ceiling_kw(step)
        standing = [
            each for each in self._signals.open(self._site_id, now_utc) if each.source_id == self._source.source_id
        ]
        held = next((each.value for signal in standing for each in signal.intervals if each.holds(now_utc)), None)
        if kw == held:
            return ()
        span = SignalInterval(start_utc=min(value.at_utc, now_utc), end_utc=None, value=kw)
        return self._recorded(self._signal(value, () if kw is None else (span,)))

    def _signal(self, value: LiveValue, intervals: tuple[SignalInterval, ...], *, refused: str = "") -> GridSignal:
        return GridSignal(
            site_id=self._site_id, source_id=self._source.source_id, programme="relay", event_id=self._source.point,
            kind=IMPORT_LIMIT if self._source.limits == "import" else EXPORT_LIMIT, modification=1, unit="kw",
            intervals=intervals, refused=refused, is_synthetic=self._source.is_synthetic or value.is_synthetic,
        )  # fmt: skip

    def _recorded(self, signal: GridSignal) -> tuple[GridSignal, ...]:
        done = self._signals.record(signal, self._clock)
        return () if done is None else (done,)

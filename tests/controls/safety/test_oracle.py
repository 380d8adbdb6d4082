"""Random lives of devices, with crashes and commands out of order, against an oracle that knows no guard."""

import math
import random
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from types import SimpleNamespace
from typing import Any, cast

import pytest

from controls.safety import check as check_module
from controls.safety.check import check_all
from controls.safety.limits import DeviceLimits
from controls.safety.verdict import ALLOW, Block, Live
from data_quality.contracts.control.command import Command, Mode
from tests.control_docs import interlock_ids
from tests.controls.ledger.rows_of import NOW, command
from tests.controls.safety.oracle import forbids

NAN, INF = math.nan, math.inf
SEQUENCES, SEED = 100_000, 19
_BASE: dict[str, Any] = {
    "device_id": "d",
    "capability": "set_charge_power_kw",
    "unit": "kw",
    "min_value": -5.03,
    "max_value": 5.03,
    "safe_default": 0.0,
    "kw_per_unit": 1.0,
}
_GRID = {"fuse_a": 35.7, "has_phase_meter": True, "has_grid_meter": True, "import_max_kw": 17.1, "export_max_kw": 9.3}
KINDS = (
    DeviceLimits.model_validate(
        _BASE | _GRID | {"soc_min": 0.1, "soc_max": 0.9, "ramp_per_s": 2.51, "excludes": ("set_heat_kw",)}
    ),
    DeviceLimits.model_validate(
        _BASE
        | _GRID
        | {
            "capability": "set_power_limit_kw",
            "min_value": 0.0,
            "max_value": 8.03,
            "safe_default": 8.03,
            "kw_per_unit": -1.0,
            "is_limit": True,
            "writes_per_hour": 4,
            "writes_per_day": 20,
        }
    ),
    DeviceLimits.model_validate(
        _BASE
        | {
            "capability": "set_sg_ready_state",
            "unit": "state",
            "min_value": 1.0,
            "max_value": 4.0,
            "safe_default": 2.0,
            "partial_share": 1.0,
            "kw_per_unit": None,
            "switched_kw": 3.07,
            "min_on_s": 600.0,
            "min_off_s": 300.0,
            "max_starts_per_hour": 4,
            "min_degc": 40.2,
            "max_degc": 70.2,
            "max_co2_ppm": 1400.5,
            "import_max_kw": 3.0,
        }
    ),
    DeviceLimits.model_validate(
        _BASE
        | _GRID
        | {
            "capability": "set_relay_01_state",
            "unit": "state",
            "min_value": 0.0,
            "max_value": 1.0,
            "partial_share": 1.0,
            "kw_per_unit": None,
            "switched_kw": 6.05,
            "phase_share": (1.0, 0.0, 0.0),
            "min_on_s": 900.0,
            "dso_failsafe_kw": 4.2,
            "max_degc": 70.2,
        }
    ),
)
# Of each value: mostly what is good, and now and then what is not.
DRAWS: dict[str, tuple[tuple[Any, ...], tuple[Any, ...]]] = {
    "humidity_percent": ((40.0,), ()),
    "wrong_way_kw": ((0.0,), ()),
    "mode": ((Mode.PARTIAL, Mode.FULL, Mode.FULL), (Mode.ADVISORY, Mode.SIMULATION)),
    "is_latched": ((False,), (True,)),
    "hold": (("",), ("somebody at the wall switch",)),
    "clock_step_s": ((0.0, 0.4, -1.0), (1.5, -3600.0, NAN)),
    "reference_offset_s": ((None, 0.1, -2.0), (2.5, -7200.0, INF)),
    "read_age_s": ((0.0, 4.0, 10.0), (10.5, None, NAN, -9.0)),
    "plan_age_s": ((60.0, 3600.0), (94000.0, None, -60.0)),
    "plan_hash": (("h",), ("other",)),
    "soc": ((0.5, 0.6, 0.11, 0.89), (0.1, 0.05, 0.9, 0.97, 1.04, -0.1, NAN, None)),
    "soc_age_s": ((1.0, 60.0), (61.0, -1.0, NAN, None)),
    "soc_drift": ((None, 0.0, 0.05), (0.5, -0.06, NAN)),
    "other_active": (((), ("set_power_limit_kw",)), (("set_heat_kw",),)),
    "value_before": ((0.0, 1.0, 2.0, 8.03), (-4.0, None, NAN)),
    "since_write_s": ((None, 1.0, 30.0), (0.0, 0.25)),
    "is_on": ((False, True), (None,)),
    "state_for_s": ((900.0, 4000.0), (10.0, 299.0, 599.0, None, NAN)),
    "starts_last_hour": ((0, 3), (4, 9, None)),
    "writes_last_hour": ((0, 3), (4, None)),
    "writes_last_day": ((0, 19), (20, 500, None)),
    "own_kw": ((0.0, 1.0, -3.0, 3.0), (None,)),
    "grid_kw": ((0.0, 5.0, -4.0, 12.0), (16.5, 21.0, -9.0, NAN, None)),
    "grid_age_s": ((0.0, 9.0), (11.0, -1.0, None)),
    "phase_a": (((1.0, 2.0, 3.0), (-20.0, 5.0, 10.0)), ((31.0, 1.0, 1.0), (1.0, -31.5, 0.0), (NAN, 0.0, 0.0), None)),
    "phase_age_s": ((0.5, 10.0), (10.5, None)),
    "dso_limit_kw": ((None, None, 30.0), (4.2, 0.0)),
    "dso_age_s": ((5.0, 109.0), (111.0, None)),
    "signal_export_kw": ((None, None, 30.0), (2.0,)),
    "signal_import_kw": ((None, None, 30.0), (4.2, 0.0)),
    "degc": ((50.0, 60.0), (20.0, 75.0, NAN, None)),
    "degc_age_s": ((0.0, 200.0), (301.0, None)),
    "end_degc": ((None, 55.0), (71.0, 30.0)),
    "co2_ppm": ((600.0,), (1800.0, None, NAN)),
    "is_hygiene_cycle": ((False,), (True,)),
    "wrong_way_s": ((None, 0.0, 29.0), (30.0, 300.0)),
}
_NAMES = tuple(DRAWS)
_FINE = {name: good[0] for name, (good, _) in DRAWS.items()}
# What is read in the same transaction is always known.
_SURE = {"mode", "is_latched", "hold", "clock_step_s", "other_active", "is_hygiene_cycle"}
_UNSURE = tuple(sorted(set(DRAWS) - _SURE))


class Life:
    """One device over a few moments, in which things change, processes die, and commands come late or twice."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.limits = rng.choice(KINDS)
        self.epoch, self.now, self.mono = 1, NOW + timedelta(seconds=rng.choice((0, 1, 30, 300, 400))), 1000.0
        self.deadline = 1000.0 + 900.0
        self.values = dict(_FINE)
        for _ in range(rng.choice((1, 3, 6))):
            self._change(is_bad=rng.random() < 0.12)
        self.sent: list[Command] = []

    def _change(self, *, is_bad: bool) -> None:
        name = self.rng.choice(_NAMES)
        good, bad = DRAWS[name]
        self.values[name] = self.rng.choice(bad if bad and is_bad else good)

    def moments(self) -> Iterator[tuple[Command, Live, DeviceLimits, datetime]]:
        """Inputs of the guards, moment by moment."""
        for _ in range(self.rng.randint(1, 3)):
            self._happen()
            values = self.values | {
                "lease_epoch": self.epoch,
                "monotonic_s": self.mono,
                "deadline_monotonic_s": self.deadline,
            }
            # Not through the contract: it refuses NaN, and the guards must do so by themselves.
            yield self._command(), cast("Live", SimpleNamespace(**values)), self.limits, self.now

    def _happen(self) -> None:
        rng, event = self.rng, self.rng.random()
        if event < 0.1:
            # A crash: the next agent counts the epoch up and knows nothing that it has not read itself.
            self.epoch += 1
            self.values |= dict.fromkeys(rng.sample(_UNSURE, 2), None)
        elif event < 0.25:
            seconds = rng.choice((1, 20, 300, 899, 1000))
            self.now += timedelta(seconds=seconds)
            self.mono += seconds
        elif event < 0.38:
            # The wall clock goes back, by an hour or to where the window began; the monotonic one does not.
            self.now = rng.choice((self.now - timedelta(hours=1), NOW + timedelta(seconds=1)))
            self.values["clock_step_s"] = rng.choice((0.0, -3600.0))
        else:
            self._change(is_bad=rng.random() < 0.4)

    def _command(self) -> Command:
        rng = self.rng
        if self.sent and rng.random() < 0.15:
            # Delivered again, or late: of another epoch, or of a window that is over.
            return rng.choice(self.sent)
        value = rng.choice(_VALUES[self.limits.capability])
        bent = rng.randrange(len(_BENT)) if rng.random() < 0.06 else None
        made = _made(self.limits.capability, self.limits.unit, value, self.epoch, bent)
        self.sent.append(made)
        return made


@cache
def _made(capability: str, unit: str, value: float, epoch: int, bent: int | None) -> Command:
    changes = {"capability": capability, "unit": unit, "value": value, "epoch": epoch}
    return _PLAIN.model_copy(update=changes if bent is None else changes | _BENT[bent])


_PLAIN = command(device_id="d")
_BENT: tuple[dict[str, Any], ...] = (
    {"epoch": 0},
    {"unit": "w"},
    {"device_id": "e"},
    {"capability": "set_x"},
    {"value": NAN},
    {"value": INF},
    {"value": -99.0},
    {"plan_hash": "forged"},
    {"valid_until_utc": NOW + timedelta(seconds=20)},
    {"valid_from_utc": NOW + timedelta(minutes=30), "valid_until_utc": NOW + timedelta(minutes=45)},
)
_VALUES = {
    "set_charge_power_kw": (0.0, 0.5, 1.0, 1.5, 2.0, -0.5, -1.0, 5.0, -5.03, 5.1),
    "set_power_limit_kw": (8.03, 6.0, 7.0, 2.0, 0.0),
    "set_sg_ready_state": (1.0, 2.0, 3.0, 4.0),
    "set_relay_01_state": (0.0, 1.0, 1.0),
}


def _violations(sequences: int, seed: int, *, most: int = 10**9) -> tuple[list[str], Counter[str]]:
    """Commands passed although the oracle forbids them, and blocked for no reason of the oracle's."""
    wrong: list[str] = []
    seen: Counter[str] = Counter()
    rng = random.Random(seed)
    for number in range(sequences):
        if len(wrong) >= most:
            break
        for item, live, limits, now in Life(rng).moments():
            verdict, compared = check_all(item, live, limits, now), forbids(item, live, limits, now)
            name = verdict.guard_id if isinstance(verdict, Block) else ""
            seen[name] += 1
            # Blocked: by a guard whose rule it breaks. Allowed: it breaks none.
            if (name not in compared) if name else compared:
                wrong.append(
                    f"sequence {number}: {name or 'allowed'}, the oracle says {sorted(compared)}: {item} {live}"
                )
    return wrong, seen


def test_no_sequence_brings_to_the_wire_what_the_oracle_forbids_nor_blocks_what_it_allows() -> None:
    wrong, seen = _violations(SEQUENCES, SEED)
    assert wrong[:3] == []
    # It proves nothing where hardly anything passes, or a guard is never the one that speaks.
    assert seen[""] > SEQUENCES / 5
    assert {*interlock_ids(), "MODE", "EXPIRY"} <= seen.keys()
    assert min(seen.values()) >= 100, seen


GUARDS = sorted(
    name for name in vars(check_module) if name.startswith("check_") and name not in ("check_all", "check_planned")
)


@pytest.mark.parametrize("guard", GUARDS)
def test_without_one_guard_something_reaches_the_wire(guard: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_module, guard, lambda *_: ALLOW)
    assert _violations(10_000, SEED, most=1)[0] != []

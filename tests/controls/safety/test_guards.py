"""Each guard at its boundary, and all of them against an oracle that was written apart from them."""

import math
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from controls.safety import check as check_module
from controls.safety.check import check_all, check_planned
from controls.safety.limits import DeviceLimits, limits_of
from controls.safety.verdict import ALLOW, Allow, Block, Live
from controls.templates.load_templates import load_template, template_names
from data_quality.contracts.control.command import Command, Mode
from data_quality.contracts.site_file.site import Asset
from tests.controls.ledger.rows_of import NOW, command

LIMITS = DeviceLimits(
    device_id="battery",
    capability="set_charge_power_kw",
    unit="kw",
    min_value=-5.0,
    max_value=5.0,
    safe_default=0.0,
    soc_min=0.1,
    soc_max=0.95,
    excludes=("set_heat_kw",),
)
GOOD = Live(
    mode=Mode.PARTIAL,
    is_latched=False,
    lease_epoch=3,
    monotonic_s=100.0,
    deadline_monotonic_s=1000.0,
    clock_step_s=0.0,
    read_age_s=1.0,
    plan_age_s=60.0,
    soc=0.5,
    soc_age_s=1.0,
)


def _guard(live: dict[str, Any] | None = None, limits: dict[str, Any] | None = None, **changes: Any) -> str:
    """The id of the guard that blocks, or an empty text."""
    verdict = check_all(
        command(**{"epoch": 3, **changes}),
        GOOD.model_copy(update=live or {}),
        LIMITS.model_copy(update=limits or {}),
        NOW,
    )
    return verdict.guard_id if isinstance(verdict, Block) else ""


def test_a_command_that_nothing_stands_against_passes() -> None:
    assert _guard() == ""


def test_a_verdict_says_by_itself_whether_the_command_may_go() -> None:
    assert ALLOW.is_allowed is True
    assert Block(guard_id="MODE", reason="the mode is too low").is_allowed is False
    with pytest.raises(ValueError, match="is_allowed"):
        Allow.model_validate({"is_allowed": False})
    with pytest.raises(ValueError, match="is_allowed"):
        Block.model_validate({"guard_id": "MODE", "reason": "the mode is too low", "is_allowed": True})


@pytest.mark.parametrize(
    ("live", "changes", "guard"),
    [
        ({"mode": Mode.ADVISORY}, {}, "MODE"),
        ({"mode": Mode.SIMULATION}, {}, "MODE"),
        ({"is_latched": True}, {}, "I13"),
        ({"clock_step_s": 1.001}, {}, "I10"),
        ({"clock_step_s": -1.001}, {}, "I10"),
        ({"reference_offset_s": -2.5}, {}, "I10"),
        ({}, {"valid_from_utc": NOW + timedelta(microseconds=1)}, "EXPIRY"),
        ({}, {"valid_from_utc": NOW - timedelta(minutes=15), "valid_until_utc": NOW}, "EXPIRY"),
        ({"monotonic_s": 1000.0}, {}, "EXPIRY"),
        ({"monotonic_s": 1900.0}, {}, "EXPIRY"),
        ({}, {"valid_from_utc": NOW - timedelta(hours=2), "valid_until_utc": NOW - timedelta(hours=1)}, "EXPIRY"),
        ({"read_age_s": 900.0}, {}, "I09"),
        ({"soc": 0.99}, {}, "I06"),
        ({"soc": 0.05}, {"value": -1.0}, "I06"),
        ({}, {"unit": "w"}, "I01"),
        ({}, {"device_id": "pv"}, "I01"),
        ({}, {"capability": "set_power_limit_kw"}, "I01"),
        ({"mode": Mode.FULL}, {"value": 5.001}, "I01"),
        ({"mode": Mode.FULL}, {"value": -5.001}, "I01"),
        ({}, {"value": 1.51}, "I01"),
        ({}, {"value": -1.51}, "I01"),
        ({}, {"epoch": 2}, "I11"),
        ({"other_active": ("set_heat_kw",)}, {}, "I11"),
        ({"read_age_s": 10.1}, {}, "I09"),
        ({"read_age_s": None}, {}, "I09"),
        ({"plan_age_s": 26 * 3600 + 1.0}, {}, "I09"),
        ({"plan_age_s": None}, {}, "I09"),
        ({"plan_age_s": -3.0}, {}, "I09"),
        ({"soc": None}, {}, "I06"),
        ({"soc_age_s": 60.1}, {}, "I06"),
        ({"soc": 0.95}, {}, "I06"),
        ({"soc": 0.1}, {"value": -1.0}, "I06"),
    ],
)
def test_each_breach_is_blocked_by_its_guard(live: dict[str, Any], changes: dict[str, Any], guard: str) -> None:
    assert _guard(live, **changes) == guard


@pytest.mark.parametrize(
    ("live", "changes"),
    [
        ({"clock_step_s": 1.0, "reference_offset_s": 2.0}, {}),
        ({"monotonic_s": 999.999}, {}),
        ({}, {"value": 1.5}),
        ({}, {"value": -1.5}),
        ({"mode": Mode.FULL}, {"value": 5.0}),
        ({"mode": Mode.FULL}, {"value": -5.0}),
        ({"read_age_s": 0.0, "soc_age_s": 0.0, "plan_age_s": 0.0}, {}),
        ({"read_age_s": 10.0, "soc_age_s": 60.0, "plan_age_s": 26 * 3600.0}, {}),
        ({"soc": 0.95}, {"value": -1.0}),
        ({"soc": 0.1}, {"value": 1.0}),
        ({"other_active": ("set_power_limit_kw",)}, {}),
    ],
)
def test_the_boundary_itself_is_allowed(live: dict[str, Any], changes: dict[str, Any]) -> None:
    assert _guard(live, **changes) == ""


def test_a_device_without_storage_needs_no_state_of_charge() -> None:
    assert _guard({"soc": None, "soc_age_s": None}, {"soc_min": None, "soc_max": None}) == ""


def test_a_value_that_is_no_number_is_blocked_although_the_contract_refuses_it_already() -> None:
    for value in (math.nan, math.inf, -math.inf):
        bent = command(epoch=3).model_copy(update={"value": value})
        assert isinstance(check_all(bent, GOOD, LIMITS, NOW), Block)
        assert isinstance(check_planned(bent, LIMITS, Mode.FULL), Block)


def test_the_envelope_of_a_limit_is_counted_from_its_safe_default() -> None:
    """An inverter of 8 kW may be curtailed to 5.6 kW in PARTIAL, not to 0: that would be a disconnect."""
    template = load_template("sim_pv_inverter")
    limits = limits_of(Asset(asset_id="pv", kind="pv", template="sim_pv_inverter"), template, "set_power_limit_kw")
    base = {"device_id": "pv", "capability": "set_power_limit_kw"}
    assert isinstance(check_planned(command(value=5.6, **base), limits, Mode.PARTIAL), Allow)
    assert isinstance(check_planned(command(value=5.5, **base), limits, Mode.PARTIAL), Block)
    assert isinstance(check_planned(command(value=0.0, **base), limits, Mode.PARTIAL), Block)


def test_of_template_and_site_the_narrower_limit_counts() -> None:
    asset = Asset(
        asset_id="battery",
        kind="battery",
        template="sim_battery_10kwh",
        params={"max_charge_kw": 3.0, "max_discharge_kw": 7.0, "soc_min": 0.2},
    )
    limits = limits_of(asset, load_template(asset.template), "set_charge_power_kw")
    assert (limits.min_value, limits.max_value, limits.soc_min, limits.soc_max) == (-5.0, 3.0, 0.2, 1.0)


def test_a_device_we_do_not_know_is_refused_at_release() -> None:
    verdict = check_planned(command(), None, Mode.PARTIAL)
    assert isinstance(verdict, Block)
    assert "no device 'battery'" in verdict.reason


def test_limits_that_contradict_themselves_are_refused() -> None:
    with pytest.raises(ValueError, match="must be below"):
        DeviceLimits(device_id="a", capability="b", unit="kw", min_value=1, max_value=1, safe_default=1)
    with pytest.raises(ValueError, match="is outside"):
        DeviceLimits(device_id="a", capability="b", unit="kw", min_value=0, max_value=1, safe_default=2)


@pytest.mark.parametrize("name", ["partial_share", "soc_min", "soc_max"])
@pytest.mark.parametrize("share", [-0.01, 1.01])
def test_a_share_outside_nought_to_one_is_no_limit(name: str, share: float) -> None:
    with pytest.raises(ValueError, match=name):
        DeviceLimits.model_validate(LIMITS.model_dump() | {name: share})


@pytest.mark.parametrize("name", [field for field in DeviceLimits.model_fields if field.endswith("_s")])
def test_an_age_or_a_step_of_nothing_is_no_limit(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        DeviceLimits.model_validate(LIMITS.model_dump() | {name: 0.0})


@pytest.mark.parametrize("name", [field for field in DeviceLimits.model_fields if field.endswith("_s")])
def test_half_a_second_is_a_limit(name: str) -> None:
    assert DeviceLimits.model_validate(LIMITS.model_dump() | {name: 0.5}).model_dump()[name] == 0.5


@pytest.mark.parametrize("name", ["soc_min", "soc_max"])
def test_a_device_with_one_bound_only_is_one_without_storage(name: str) -> None:
    assert _guard({"soc": None, "soc_age_s": None}, {name: None}) == ""


def test_every_template_s_safe_default_passes_its_own_rating() -> None:
    for name in template_names():
        template = load_template(name)
        for capability in template.settable:
            limits = limits_of(Asset(asset_id="x", kind="machine", template=name), template, capability)
            safe = command(device_id="x", capability=capability, value=limits.safe_default, unit=limits.unit)
            assert isinstance(check_planned(safe, limits, Mode.PARTIAL), Allow), name


ages = st.one_of(st.none(), st.floats(-10, 1e6), st.sampled_from([0.0, 10.0, 60.0]))
lives = st.builds(
    Live,
    mode=st.sampled_from(Mode),
    is_latched=st.booleans(),
    lease_epoch=st.integers(0, 5),
    monotonic_s=st.floats(0, 2000),
    deadline_monotonic_s=st.floats(0, 2000),
    clock_step_s=st.floats(-5, 5),
    reference_offset_s=st.one_of(st.none(), st.floats(-5, 5)),
    read_age_s=ages,
    plan_age_s=ages,
    soc=st.one_of(st.none(), st.floats(0, 1)),
    soc_age_s=ages,
)
# Half of the cases are all good but for one value, so that every guard is reached and not only the first.
nearly_good = st.builds(
    lambda name, other: GOOD.model_copy(update={name: getattr(other, name)}),
    st.sampled_from(sorted(Live.model_fields)),
    lives,
)
commands = st.builds(
    command,
    value=st.one_of(st.floats(-1.5, 1.5), st.floats(-10, 10)),
    unit=st.sampled_from(["kw", "kw", "kw", "w"]),
    epoch=st.sampled_from([3, 3, 3, 2, 4]),
)
offsets = st.one_of(st.floats(0, 899.9), st.floats(-2000, 2000))


def _oracle_forbids(item: Command, live: Live, now: datetime) -> bool:
    """Written from the promises, not from the guards: outside rating, expired, stale, wrong mode, old writer."""
    stale = any(
        age is None or age > limit
        for age, limit in ((live.read_age_s, 10), (live.soc_age_s, 60), (live.plan_age_s, 26 * 3600))
    )
    return (
        live.mode < Mode.PARTIAL
        or live.is_latched
        or not NOW <= now < NOW + timedelta(minutes=15)
        or live.monotonic_s >= live.deadline_monotonic_s
        or abs(item.value) > 5
        or (live.mode is Mode.PARTIAL and abs(item.value) > 1.5 + 1e-6)
        or item.unit != "kw"
        or item.epoch != live.lease_epoch
        or stale
        or live.soc is None
        or (item.value > 0 and live.soc >= 0.95)
        or (item.value < 0 and live.soc <= 0.1)
        or abs(live.clock_step_s) > 1
    )


@settings(deadline=None)
@given(commands, st.one_of(lives, nearly_good), offsets)
@example(command(epoch=3), GOOD, 0.0)
def test_no_command_outside_rating_or_window_or_on_old_values_ever_passes(
    item: Command, live: Live, seconds: float
) -> None:
    now = NOW + timedelta(seconds=seconds)
    verdict = check_all(item, live, LIMITS, now)
    if _oracle_forbids(item, live, now):
        assert isinstance(verdict, Block)


MUTANTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "check_mode": ({"mode": Mode.ADVISORY}, {}),
    "check_latch": ({"is_latched": True}, {}),
    "check_clock": ({"clock_step_s": 9.0}, {}),
    "check_window": ({}, {"valid_from_utc": NOW - timedelta(hours=1), "valid_until_utc": NOW}),
    "check_deadline": ({"monotonic_s": 1000.0}, {}),
    "check_rating": ({}, {"unit": "w"}),
    "check_envelope": ({}, {"value": 4.0}),
    "check_exclusion": ({}, {"epoch": 1}),
    "check_freshness": ({"read_age_s": None}, {}),
    "check_soc": ({"soc": None}, {}),
}


@pytest.mark.parametrize("guard", MUTANTS)
def test_without_one_guard_its_breach_would_pass(guard: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """So each guard is the only thing that stands between its breach and the wire."""
    live, changes = MUTANTS[guard]
    assert _guard(live, **changes) != ""
    monkeypatch.setattr(check_module, guard, lambda *_: Allow())
    assert _guard(live, **changes) == ""

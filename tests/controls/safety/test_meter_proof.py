"""Did an independent meter move as commanded? Numbers to check by hand, meters with noise, devices that only say so."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.sites.load_sites import load_site
from controls.safety.meter_proof import (
    ANSWER_S,
    Expectation,
    MeterResponse,
    MeterWatch,
    Proofs,
    expected,
    judge,
    meters_of,
)
from controls.templates.load_templates import load_template
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Asset, Site
from tests.controls.agent.plant import BATTERY, HOME, PV

DEMO_HOME = Path(__file__).resolve().parents[3] / "assets" / "sites" / "demo" / "home.yaml"
METER = Asset(asset_id="meter", kind="grid_meter", template="sim_grid_meter")


def site_of(*assets: Asset) -> Site:
    return HOME.model_copy(update={"assets": assets})


def judged(change_kw: float, expected_kw: float, **given: Any) -> str:
    facts = {"before_kw": 1.0, "rating_kw": 5.0, "noise_kw": 0.0} | given
    return judge(after_kw=facts["before_kw"] + change_kw, expected_kw=expected_kw, **facts).outcome


@pytest.mark.parametrize(
    ("change_kw", "expected_kw", "given", "outcome"),
    [
        # 5 % of 5 kW are 0.25 kW.
        (3.0, 3.0, {}, "moved"),
        (3.25, 3.0, {}, "moved"),
        (3.26, 3.0, {}, "not"),
        (0.0, 3.0, {}, "not"),
        (-3.0, 3.0, {}, "not"),
        (-2.8, -3.0, {}, "moved"),
        # Less than the meter can tell proves nothing, whatever it does.
        (0.25, 0.25, {}, "undecided"),
        # 3 sigma of 0.2 kW are 0.6 kW.
        (2.5, 3.0, {"noise_kw": 0.2}, "moved"),
        (2.3, 3.0, {"noise_kw": 0.2}, "not"),
        (0.5, 0.5, {"noise_kw": 0.2}, "undecided"),
        # Half of 0.4 kW: as near to nothing as to all of it.
        (0.2, 0.4, {}, "undecided"),
        # A limit may be undercut, and not exceeded.
        (-4.0, -2.0, {"is_at_least": True}, "moved"),
        (-1.0, -2.0, {"is_at_least": True}, "not"),
        (-4.0, -2.0, {}, "not"),
        # Beside another of 2 kW: both, this one alone, the other alone, neither.
        (5.0, 3.0, {"others_kw": (2.0,)}, "moved"),
        (3.0, 3.0, {"others_kw": (2.0,)}, "moved"),
        (2.0, 3.0, {"others_kw": (2.0,)}, "not"),
        (0.0, 3.0, {"others_kw": (2.0,)}, "not"),
        # Two alike, and one of them moved: nobody can tell which.
        (3.0, 3.0, {"others_kw": (3.0,)}, "undecided"),
        (6.0, 3.0, {"others_kw": (3.0,)}, "moved"),
        # One up, one down, and the meter stands still: both moved, or neither.
        (0.0, 3.0, {"others_kw": (-3.0,)}, "undecided"),
    ],
)
def test_a_change_is_judged(change_kw: float, expected_kw: float, given: dict[str, Any], outcome: str) -> None:
    assert judged(change_kw, expected_kw, **given) == outcome


def test_the_answer_says_its_numbers() -> None:
    response = judge(before_kw=1.0, after_kw=1.5, expected_kw=3.0, rating_kw=5.0, noise_kw=0.1)
    assert response.reason == "the meter moved by 0.5 kW, expected 3 kW within 0.3 kW"
    assert (response.before_kw, response.after_kw, response.expected_kw) == (1.0, 1.5, 3.0)


powers = st.floats(-10, 10).map(lambda kw: round(kw, 3))


@given(powers, powers, st.floats(-50, 50), st.floats(0, 1), st.lists(powers, max_size=4).map(tuple))
def test_a_meter_that_stands_where_it_stood_proves_nothing(
    change_kw: float, expected_kw: float, before_kw: float, noise_kw: float, others_kw: tuple[float, ...]
) -> None:
    still = judged(0.0, expected_kw, before_kw=before_kw, noise_kw=noise_kw, others_kw=others_kw)
    assert still != "moved"
    # Where the meter begins is nobody's business.
    allowed_kw = max(0.25, 3 * noise_kw)
    if min(abs(abs(change_kw - expected_kw) - allowed_kw), abs(abs(change_kw) - allowed_kw)) > 1e-6:
        assert judged(change_kw, expected_kw, noise_kw=noise_kw) == judged(
            change_kw, expected_kw, noise_kw=noise_kw, before_kw=before_kw
        )


@given(st.lists(st.tuples(powers, st.booleans()), min_size=1, max_size=6))
def test_of_many_at_once_a_healthy_one_is_never_blamed_and_a_dead_one_never_proven(
    devices: list[tuple[float, bool]],
) -> None:
    change_kw = sum(kw for kw, is_healthy in devices if is_healthy)
    for place, (kw, is_healthy) in enumerate(devices):
        others_kw = tuple(other for others, (other, _) in enumerate(devices) if others != place)
        outcome = judged(change_kw, kw, others_kw=others_kw)
        assert outcome in (("moved", "undecided") if is_healthy else ("not", "undecided")), devices


RELAYS = Asset(asset_id="tank", kind="tank", template="sim_relay_bank_16", params={"relays_kw": [1, 2]})
CHARGER = Asset(asset_id="ev", kind="ev_charger", template="sim_ev_charger")


@pytest.mark.parametrize(
    ("asset", "capability", "before", "value", "own_kw", "change_kw"),
    [
        (BATTERY, "set_charge_power_kw", 0.0, 3.0, None, 3.0),
        (BATTERY, "set_charge_power_kw", 2.0, -3.0, None, -5.0),
        # Told to charge and full: what it still has to do begins where it is.
        (BATTERY, "set_charge_power_kw", 2.0, -3.0, 0.0, -3.0),
        (PV, "set_power_limit_kw", 8.0, 2.0, 6.5, 4.5),
        (PV, "set_power_limit_kw", 8.0, 7.0, 6.5, 0.0),
        (PV, "set_power_limit_kw", 8.0, 2.0, None, None),
        # Released: the sun decides how much comes.
        (PV, "set_power_limit_kw", 2.0, 8.0, 2.0, None),
        (PV, "set_power_limit_kw", 5.0, 8.0, 2.0, 0.0),
        (CHARGER, "set_charge_power_kw", 7.0, 2.0, 7.0, -5.0),
        (CHARGER, "set_charge_power_kw", 0.0, 7.0, 0.0, None),
        (CHARGER, "set_phases_count", 1.0, 3.0, 7.0, None),
        (CHARGER, "set_phases_count", 1.0, 1.0, 7.0, 0.0),
        (RELAYS, "set_relay_02_state", 0.0, 1.0, 1.0, 2.0),
        (RELAYS, "set_relay_01_state", 1.0, 0.0, 3.0, -1.0),
        # No contact that the site file states a power of.
        (RELAYS, "set_relay_03_state", 0.0, 1.0, 1.0, None),
    ],
)
def test_what_a_set_point_should_do(
    asset: Asset, capability: str, before: float, value: float, own_kw: float | None, change_kw: float | None
) -> None:
    template = load_template(asset.template)
    found = expected(asset, template, capability, before=before, value=value, own_kw=own_kw)
    assert found.change_kw == change_kw
    assert found.reason or change_kw is not None


def test_the_site_names_the_meter_or_has_only_one() -> None:
    own = METER.model_copy(update={"asset_id": "own"})
    proven = BATTERY.model_copy(update={"proven_by": "own"})
    assert meters_of(site_of(BATTERY, METER)) == {"battery": METER}
    assert meters_of(site_of(BATTERY, METER, own)) == {}
    assert meters_of(site_of(proven, METER, own)) == {"battery": own}
    assert meters_of(site_of(BATTERY, PV)) == {}


def test_a_device_is_no_meter_of_another() -> None:
    proven = BATTERY.model_copy(update={"proven_by": "pv"})
    with pytest.raises(BadInput, match="'pv' is no meter of its own"):
        meters_of(site_of(proven, PV))


@pytest.mark.parametrize("named", ["battery", "nobody"])
def test_a_site_file_names_another_asset_that_is_there(named: str) -> None:
    given = HOME.model_dump() | {"assets": [BATTERY.model_dump() | {"proven_by": named}]}
    with pytest.raises(ValueError, match="proven_by"):
        Site.model_validate(given)


def test_every_device_of_the_demo_home_has_a_meter() -> None:
    home = load_site(DEMO_HOME)
    assert set(meters_of(home)) == {asset.asset_id for asset in home.assets if asset.template} - {"grid_meter"}


UP_3 = Expectation(change_kw=3.0, rating_kw=5.0)


def watched(kw_at: Callable[[float], float], *, until_s: float, **begun: tuple[float, Expectation]) -> MeterWatch:
    """A watch that read the meter every five seconds; settling takes 5 s."""
    watch = MeterWatch()
    for now in range(0, int(until_s) + 1, 5):
        watch.add(now, kw_at(now))
    for key, (at_s, expectation) in begun.items():
        watch.begin(key, at_s, expectation, settle_s=5)
    return watch


def test_the_answer_comes_when_settled_and_read() -> None:
    def kw(now_s: float) -> float:
        return 1.0 if now_s <= 100 else 4.0

    assert watched(kw, until_s=119, a=(100, UP_3)).answer("a", 119) is None
    response = watched(kw, until_s=120, a=(100, UP_3)).answer("a", 120)
    assert response is not None
    assert (response.outcome, response.before_kw, response.after_kw, response.allowed_kw) == ("moved", 1.0, 4.0, 0.25)


def test_a_meter_that_falls_silent_is_waited_for_and_then_nobody_can_tell() -> None:
    watch = watched(lambda _: 1.0, until_s=100, a=(100, UP_3))
    assert watch.answer("a", 100 + 5 + ANSWER_S - 1) is None
    response = watch.answer("a", 100 + 5 + ANSWER_S)
    assert response is not None
    assert response.reason == "the meter gave too few readings after it"


def test_a_meter_that_was_not_read_before_decides_nothing() -> None:
    response = watched(lambda _: 1.0, until_s=30, a=(6, UP_3)).answer("a", 30)
    assert response is not None
    assert response.reason == "the meter gave too few readings before the command"


def test_a_restarted_agent_does_not_judge_what_it_did_not_begin() -> None:
    response = watched(lambda _: 1.0, until_s=200).answer("a", 200)
    assert response is not None
    assert response.outcome == "undecided"


def test_two_set_points_at_once_are_told_apart() -> None:
    up_2 = Expectation(change_kw=2.0, rating_kw=5.0)
    watch = watched(lambda now: 1.0 if now <= 100 else 3.0, until_s=140, a=(100, UP_3), b=(104, up_2))
    assert [getattr(watch.answer(key, 124), "outcome", None) for key in "ab"] == ["not", "moved"]


def test_a_set_point_that_moves_nobody_knows_how_much_hides_the_others() -> None:
    unknown = Expectation(change_kw=None, reason="the weather decides")
    response = watched(lambda _: 1.0, until_s=140, a=(100, UP_3), b=(103, unknown)).answer("a", 140)
    assert response is not None
    assert response.outcome == "undecided"
    assert "the weather decides" in response.reason


def test_what_settled_before_is_no_part_of_the_minute_before() -> None:
    def kw(now_s: float) -> float:
        return 0.0 if now_s <= 60 else 3.0 if now_s <= 100 else 6.0

    response = watched(kw, until_s=125, old=(60, UP_3), a=(100, UP_3)).answer("a", 125)
    assert response is not None
    assert (response.outcome, response.before_kw) == ("moved", 3.0)


def test_a_second_attempt_settles_later_and_is_held_against_what_stood_before_the_first() -> None:
    watch = watched(lambda now: 1.0 if now <= 100 else 4.0, until_s=130, a=(100, UP_3))
    watch.begin("a", 110, Expectation(change_kw=0.0, rating_kw=5.0), settle_s=5)
    assert watch.answer("a", 129) is None
    response = watch.answer("a", 130)
    assert response is not None
    assert (response.outcome, response.before_kw) == ("moved", 1.0)


def test_a_site_tells_its_meters_and_asks_for_its_devices() -> None:
    template = load_template(BATTERY.template)
    proofs = Proofs(site_of(BATTERY, METER))
    for now in range(0, 126, 5):
        proofs.add("meter", now, 1.0 if now <= 100 else 4.0)
        proofs.add("something else", now, 99.0)
    proofs.begin(BATTERY, template, "set_charge_power_kw", key="a", now_s=100, before=0.0, value=3.0)
    proofs.begin(PV, load_template(PV.template), "set_power_limit_kw", key="b", now_s=100, before=8.0, value=2.0)
    response, other = proofs.answer("battery", "a", 125), proofs.answer("pv", "b", 125)
    assert response is not None
    assert other is not None
    assert (response.outcome, other.reason) == ("moved", "no independent meter measures this device")
    assert proofs.went_back("battery", "a", 125) is None


def test_what_nobody_read_before_cannot_be_proven() -> None:
    proofs = Proofs(site_of(BATTERY, METER))
    battery = load_template(BATTERY.template)
    proofs.begin(BATTERY, battery, "set_charge_power_kw", key="a", now_s=100, before=None, value=3.0)
    response = proofs.answer("battery", "a", 100)
    assert response is not None
    assert response.reason == "the value before is not known"


class Scene:
    """One device that acknowledges and reads back right, its meter, and a house beside both; every 5 s a reading."""

    def __init__(self, seed: int, *, fault: str) -> None:
        random_ = random.Random(seed)
        self.fault = fault
        self.noise_kw = random_.uniform(0.0, 0.05)
        self.base_kw = random_.uniform(-4.0, 4.0)
        # More than 3 sigma and 5 % together, so that there is something to find.
        self.change_kw = random_.choice([-1, 1]) * random_.uniform(1.0, 5.0)
        self.settle_s = random_.uniform(1.0, 30.0)
        self.drifts_s = 100 + self.settle_s + random_.uniform(30, 300)
        self._random = random_

    def kw(self, now_s: float) -> float:
        is_on = now_s > 100 and self.fault != "never moves"
        if self.fault == "drifts off" and now_s >= self.drifts_s:
            is_on = False
        factor = {"wrong way": -1.0, "half of it": 0.5}.get(self.fault, 1.0)
        return self.base_kw + self._random.gauss(0, self.noise_kw) + self.change_kw * factor * is_on

    def run(self, watch: MeterWatch) -> list[dict[str, Any]]:
        """The history: what the agent would have noted, second by second of the test's clock."""
        history: list[dict[str, Any]] = []
        response: MeterResponse | None = None
        for now in range(0, 600, 5):
            watch.add(now, self.kw(now))
            if now == 100:
                expectation = Expectation(change_kw=self.change_kw, rating_kw=5.0)
                watch.begin("a", now, expectation, settle_s=self.settle_s)
                history += [{"at_s": now, "event": event} for event in ("acked", "read_back")]
            elif now > 100 and (response is None or response.outcome == "moved"):
                found = watch.answer("a", now) if response is None else watch.went_back("a", now)
                if found is not None:
                    response = found
                    history.append({"at_s": now, "event": response.outcome, "reason": response.reason})
        return history


def violations(scene: Scene, history: list[dict[str, Any]]) -> list[str]:
    """Violations of the promise in a history: no false proof, an alarm in time, no alarm for nothing."""
    at_s = {row["event"]: row["at_s"] for row in history}
    # Readings come every five seconds, so a time limit is noticed up to five later.
    begun_s, since = (scene.drifts_s, 0.0) if scene.fault == "drifts off" else (100.0, scene.settle_s)
    found = []
    if scene.fault in ("none", "drifts off"):
        found += [] if "moved" in at_s else ["it moved, and is not proven"]
    elif "moved" in at_s:
        found.append("it did not move, and is proven")
    if scene.fault == "none":
        found += ["alarm for nothing"] if "not" in at_s else []
    elif at_s.get("not", 1e9) > begun_s + since + 60 + 5:
        found.append("no alarm in time")
    return found


@pytest.mark.parametrize("fault", ["none", "never moves", "drifts off", "wrong way", "half of it"])
def test_fault_f64_a_device_that_says_yes_and_does_not_move_is_found(fault: str, tmp_path: Path) -> None:
    file = tmp_path / "history.jsonl"
    for seed in range(200):
        scene = Scene(seed, fault=fault)
        with file.open("a") as stream:
            for row in scene.run(MeterWatch()):
                stream.write(json.dumps({"seed": seed, **row}) + "\n")
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    for seed in range(200):
        mine = [row for row in rows if row["seed"] == seed]
        assert violations(Scene(seed, fault=fault), mine) == [], (seed, mine)


class Blind(MeterWatch):
    """The mutant: what reads back right counts as done."""

    def answer(self, key: str, now_s: float) -> MeterResponse | None:
        return MeterResponse(outcome="moved", reason="the meter is not asked")

    def went_back(self, key: str, now_s: float) -> MeterResponse | None:
        return None


@pytest.mark.parametrize("fault", ["never moves", "drifts off", "wrong way", "half of it"])
def test_fault_f64_an_agent_that_ignores_the_meter_is_noticed(fault: str) -> None:
    scenes = [Scene(seed, fault=fault) for seed in range(20)]
    assert all(violations(scene, scene.run(Blind())) for scene in scenes)

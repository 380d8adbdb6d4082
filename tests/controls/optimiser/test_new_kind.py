"""A kind of device that only this file defines is planned, explained, stored and commanded as those of the house."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any, ClassVar, Self

import numpy as np
import pytest

from controls.optimiser.backends.expressions import Floats, Linear
from controls.optimiser.backends.program import Program, Row
from controls.optimiser.case import DispatchCase, case_of
from controls.optimiser.case_file import load_case
from controls.optimiser.conflicts import explain_conflict
from controls.optimiser.devices.device import AssetState, CaseContext, Device, Measure, Numbers, State, Values, followed
from controls.optimiser.devices.kinds import KINDS, device_assets
from controls.optimiser.solution import Solution, replay_case
from controls.optimiser.solve import solve
from controls.planning.frozen_plan import commands_of, make_plan
from controls.planning.plan_inputs import makes_a_plan, plan_request
from controls.planning.plan_picture import picture_of_plan
from controls.planning.summary import summarise
from controls.planning.triggers import planned_states, replan
from data_quality.contracts.control.command import Mode
from data_quality.contracts.control.plan import PlanRequest
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.site import Asset, Site
from tests.controls.optimiser.test_case_file import BATTERY, file_with
from tests.controls.optimiser.toys import TOY, changed
from tests.controls.planning.examples import HOME, NOW, inputs, prices, published


class Shed(Device):
    """A load that may go down for a price: by nothing, or by something between a least and a most (semicontinuous)."""

    kind = "machine"
    limits: ClassVar = {"shed_limit": "kw", "shed_budget": "kwh"}
    case_key = "shed"
    case_is_list = True
    case_names: ClassVar = {"least": "least_kw", "most": "most_kw", "price": "price_per_kwh", "budget": "budget_kwh"}
    measure = Measure(reading="read_shed_kwh", code="shed_budget", words="the shed budget")
    columns = ("shed_kw",)
    moves: ClassVar = {"shed_kw": "sheds"}

    least_kw: float
    most_kw: float
    price_per_kwh: float
    budget_kwh: float

    @classmethod
    def figures(cls, asset: Asset, site_id: str) -> dict[str, float]:
        return asset.params

    @classmethod
    def from_asset(cls, asset: Asset, given: AssetState) -> Self:
        most_kw = given.share * asset.params["most_kw"]
        price, budget = asset.params["price_per_kwh"], given.state
        return cls(device_id=asset.asset_id, least_kw=0.1, most_kw=most_kw, price_per_kwh=price, budget_kwh=budget)

    @property
    def state(self) -> State:
        return State("budget_end_kwh", self.budget_kwh, 10.0, "shed budget", "kWh")

    def reach_kw(self) -> tuple[float, float]:
        return 0.0, self.most_kw

    def variables(self, program: Program, around: CaseContext) -> dict[str, Linear]:
        is_shed = self.new(program, "is_shed", around.steps, upper=1.0, is_integer=True)
        return {"shed_kw": self.new(program, "shed_kw", around.steps), "is_shed": is_shed}

    def rows(self, x: Values, around: CaseContext) -> Iterator[Row]:
        yield Row("shed_limit", "most", x["shed_kw"] <= self.most_kw * x["is_shed"])
        yield Row("shed_least", "least", x["shed_kw"] >= self.least_kw * x["is_shed"])
        yield Row("shed_budget", "budget", (around.step_h * x["shed_kw"]).sum() <= self.budget_kwh)

    def drawn_kw(self, x: Values) -> Any:
        return -1 * x["shed_kw"]

    def cost(self, x: Values, step_h: Floats) -> Iterable[tuple[str, Any]]:
        yield "wear", step_h * self.price_per_kwh * x["shed_kw"]

    def solved(self, values: Numbers, step_h: Floats) -> Numbers:
        shed_kw = super().solved(values, step_h)["shed_kw"]
        return {"shed_kw": shed_kw, "budget_end_kwh": followed(self.budget_kwh, -step_h * shed_kw)}

    def errors(self, columns: Numbers, step_h: Floats) -> Iterator[tuple[str, Any]]:
        shed_kw = columns["shed_kw"]
        yield "shed above the most", shed_kw - self.most_kw
        yield "shed below the least", np.where(shed_kw > 0, self.least_kw - shed_kw, 0.0)
        yield "the end: budget overdrawn", -columns["budget_end_kwh"][-1]

    def commands(self, step: Mapping[str, float], t: int) -> dict[str, float]:
        return {"set_shed_kw": step["shed_kw"]}


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register a new kind as its file would."""
    monkeypatch.setitem(KINDS, "machine", Shed)


def shed(name: str, **changes: float) -> Shed:
    figures = {"least_kw": 0.5, "most_kw": 1.0, "price_per_kwh": 0.2, "budget_kwh": 9.0}
    return Shed.model_validate({"device_id": name} | figures | changes)


def with_devices(case: DispatchCase, *devices: Device) -> DispatchCase:
    return case.model_copy(update={"devices": (*case.devices, *devices)})


def planned(case: DispatchCase) -> Solution:
    answer = solve(case)
    assert isinstance(answer, Solution), answer
    assert replay_case(case, answer.series).problems == ()
    return answer


def test_two_devices_of_a_new_kind_are_dispatched_by_their_own_prices() -> None:
    case = with_devices(changed(TOY, battery=None), shed("oven"), shed("fan", price_per_kwh=0.05, most_kw=0.6))
    answer = planned(case)
    # Hour 1 at 0.10: only the fan is cheaper, 0.6 kW. Hour 2 at 0.30: the fan and 0.4 kW of the oven, which sheds at
    # least 0.5: the fan gives way by 0.1 kW.
    assert answer.series.devices["fan"]["shed_kw"] == pytest.approx((0.6, 0.5))
    assert answer.series.devices["oven"]["shed_kw"] == pytest.approx((0.0, 0.5))
    assert answer.objective == pytest.approx(0.4 * 0.10 + 1.1 * 0.05 + 0.5 * 0.20)
    assert answer.series.columns()["shed_kw"] == pytest.approx([0.6, 1.0])


def test_a_conflict_names_the_limit_and_which_of_two_devices_has_it() -> None:
    bare = changed(TOY, battery=None, import_max_kw=0.4, load_kw=(1.0, 1.5))
    alone = explain_conflict(with_devices(bare, shed("oven")))
    assert alone.facts == {
        "families": "import_limit,shed_limit",
        "import_limit_kw": pytest.approx(0.1),
        "shed_limit_kw": pytest.approx(0.1),
    }
    both = explain_conflict(with_devices(bare, shed("oven", budget_kwh=0.3), shed("fan", most_kw=0.5)))
    assert both.facts["families"] == "import_limit,oven.shed_budget,fan.shed_limit"


def test_a_case_file_may_hold_a_list_of_a_new_kind(tmp_path: Any) -> None:
    entry = {"least": 0.5, "most": 1.0, "price": 0.2, "budget": 3.0}
    case = load_case(file_with(tmp_path, battery=BATTERY, shed=[entry, entry | {"price": 7.0}]))
    assert [device.device_id for device in case.devices] == ["battery", "pv", "machine0", "machine1"]
    assert planned(case).series.devices["machine0"]["shed_kw"] == pytest.approx((1.0, 1.0))
    with pytest.raises(Exception, match=r"shed\.1\.most"):
        load_case(file_with(tmp_path, shed=[entry, entry | {"most": "much"}]))


def asset(name: str, price_per_kwh: float) -> dict[str, Any]:
    params = {"most_kw": 1.0, "price_per_kwh": price_per_kwh}
    return {"asset_id": name, "kind": "machine", "template": "sim_pv_inverter", "params": params}


def test_a_site_with_two_of_them_and_no_battery_is_planned_stored_and_commanded() -> None:
    site = Site.model_validate(HOME.model_dump() | {"assets": [asset("oven", 4.0), asset("fan", 6.0)]})
    assert makes_a_plan(site)
    assert [kind for _, kind in device_assets(site)] == [Shed, Shed]
    given = inputs(mode=Mode.FULL) | {"device_forecasts": {}, "states": {"oven": (2.0, 5.0)}}
    missing = plan_request(site, **given)
    assert isinstance(missing, Finding)
    assert missing.message == "the shed budget of 'fan', or its age, is not known"
    request = plan_request(site, **given | {"states": {"oven": (2.0, 5.0), "fan": (2.0, 5.0)}})
    assert isinstance(request, PlanRequest), request
    made = make_plan(request, planned(case_of(request)), created_at_utc=NOW, version=1)
    assert published(made) == made
    # Day at 5: two kWh of the oven at 4 earn 2 against buying them; the fan costs more than it saves.
    assert made.objective == pytest.approx(made.no_battery_cost - 2.0)
    commands = commands_of(made, site, epoch=1)
    assert {(one.device_id, one.capability, one.unit) for one in commands} == {
        ("oven", "set_shed_kw", "kw"),
        ("fan", "set_shed_kw", "kw"),
    }
    assert sum(one.value * 0.25 for one in commands if one.device_id == "oven") == pytest.approx(2.0, abs=0.03)
    summary = summarise(made, time_zone=site.time_zone)
    assert "oven sheds" in summary
    assert "battery" not in summary
    picture = picture_of_plan(made)
    assert list(picture.takes_kw) == ["load"]
    assert list(picture.gives_kw) == ["oven", "grid"]


def test_a_new_kinds_state_off_the_plan_asks_for_a_new_plan() -> None:
    site = Site.model_validate(HOME.model_dump() | {"assets": [asset("oven", 6.0)]})
    given = inputs(prices=prices(), mode=Mode.FULL) | {"device_forecasts": {}, "states": {"oven": (2.0, 5.0)}}
    request = plan_request(site, **given)
    assert isinstance(request, PlanRequest), request
    last, later = (
        make_plan(request, planned(case_of(request)), created_at_utc=NOW, version=1),
        NOW + timedelta(minutes=20),
    )
    assert planned_states(last, later)["oven"][0] == pytest.approx(2.0)
    decision = replan(
        last, site_id="home", forecast_id=request.forecast_id, price_digest=request.inputs["prices"], mode=Mode.FULL,
        now_utc=later, states={"oven": 1.0},
    )  # fmt: skip
    assert decision.reason == "the shed budget is -1.00 kWh off the plan"

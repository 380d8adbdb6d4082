"""Three owners, from their own files to a plan for tomorrow that says why, led by `meterloom next` alone."""

import json
import re
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.owner_files import OWNERS, ZONE
from tests.e2e.test_first_hour import EDITOR, Newcomer, in_folder

__all__ = ["in_folder"]
ANSWERS: dict[str, dict[str, Any]] = {
    "home": {
        "name": "Haus Meier", "connection_kw": 24, "devices": ["pv", "battery", "car"],
        "price": "fixed", "price_per_kwh": 0.34, "feed_in_per_kwh": 0.08, "pv_kwp": 8,
        "battery_kwh": 10, "battery_charge_kw": 5, "battery_discharge_kw": 5, "battery_min_percent": 10,
        "battery_max_percent": 95, "car_kwh": 60, "car_charger_kw": 11, "car_phases": 3, "car_departure": "07:30",
        "car_target_percent": 80,
    },
    "flat": {
        "name": "Flat", "connection_kw": 14, "devices": ["hot_water"], "price": "stream", "price_adder_per_kwh": 0,
        "hot_water_litres": 120, "hot_water_min_degc": 45, "hot_water_max_degc": 65, "hot_water_kw": 2,
        "hot_water_kwh_per_day": 4,
    },
    "workshop": {
        "name": "Workshop", "connection_kw": 80, "devices": ["sheddable_load"], "sheddable_load_kw": 12,
        "sheddable_load_price_per_kwh": 0.15, "sheddable_load_hours": 1,
    },
}  # fmt: skip
MOVED = {"home": "battery", "flat": "hot_water", "workshop": "sheddable_load"}
POLICIES = "--policy no_control self_consumption perfect_foresight"
PAGE = (Path(__file__).parents[2] / "docs" / "ems" / "tutorial_home.md").read_text(encoding="utf-8")
MOST_COMMANDS, MOST_ANSWERS = 12, 20


class Owner(Newcomer):
    """Somebody who fills in what the draft leaves open, and counts it."""

    answers = 0

    def edit(self, step: dict[str, Any]) -> None:
        """Floor area and the like: each place is one answer more."""
        path = Path(shlex.split(step["command"].removeprefix(EDITOR))[-1])
        # The first line says what the word means.
        head, _, text = path.read_text(encoding="utf-8").partition("\n")
        self.answers += text.count("PLACEHOLDER")
        path.write_text(f"{head}\n{text}".replace("PLACEHOLDER", "done"), encoding="utf-8")

    def step(self, project: str) -> dict[str, Any] | None:
        """Next step on the way to a plan."""
        steps = json.loads(self.run(f"meterloom next --project {project} --json"))["steps"]
        self.said.pop()
        wanted = (each for each in steps if each["is_needed"] or each["command"].startswith(_TO_A_PLAN))
        return next(wanted, None)


_TO_A_PLAN = ("meterloom forecast", "meterloom plan")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("in_folder")
@pytest.mark.parametrize("name", OWNERS)
def test_an_owner_comes_from_files_to_a_plan_for_tomorrow_by_next_alone(name: str) -> None:
    files, owner = OWNERS[name](Path("files"), datetime.now(UTC)), Owner()
    owner.answers = len(ANSWERS[name])
    Path("answers.yaml").write_text(yaml.safe_dump(ANSWERS[name]), encoding="utf-8")
    owner.run(f"meterloom init {name} --from {shlex.join(map(str, files))} --tz {ZONE} --answers answers.yaml")
    plan: dict[str, Any] = {}
    for _ in range(MOST_COMMANDS):
        step = owner.step(name)
        assert step is not None, owner.said
        if step["command"].startswith(EDITOR):
            owner.edit(step)
        elif step["command"].startswith("meterloom plan"):
            plan = json.loads(owner.run(step["command"], "--json"))
            break
        else:
            owner.run(step["command"])
    assert len(owner.said) <= MOST_COMMANDS, owner.said
    assert owner.answers <= MOST_ANSWERS
    assert MOVED[name] in {block["device"] for block in plan["blocks"]}
    assert all(block["sentence"].startswith(block["device"]) for block in plan["blocks"])
    assert plan["cost"] <= plan["without_control"] + 1e-6
    assert plan["currency"] == "EUR"
    # Its owner says that a lost kWh is worth less than a bought one costs: a plan that stops the shop must say so.
    assert [each["code"] for each in plan["findings"]] == ["shedding_always_pays"] * (name == "workshop")
    assert any("on no bill" in each for each in plan["assumptions"]) == (name == "workshop")
    worth = json.loads(owner.run(f"meterloom simulate --site {name} --project {name} {POLICIES}", "--json"))
    costs = {each["name"]: each["cost"] for each in worth["policies"]}
    assert costs["perfect_foresight"] <= costs["no_control"] + 1e-6
    if name == "home":
        # Its price is one for every kWh: no plan is better than the rule, and none that knows what comes is worse.
        assert costs["perfect_foresight"] == pytest.approx(costs["self_consumption"], rel=0.005)
        year = f"--period {datetime.now(UTC):%Y}"
        assert re.findall(r"(?m)^\$ (.*)$", PAGE) == [each.replace(year, "--period YEAR") for each in owner.said]
        assert yaml.safe_load(re.findall(r"(?s)```yaml\n(.*?)```", PAGE)[0]) == ANSWERS["home"]

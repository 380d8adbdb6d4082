"""Each of ten causes of "no plan" shows with its mend on board, in doctor, status and `next`, and goes with it."""

import html
import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date, datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg
import pytest

from assets.stores import transactions
from controls.gateways.serve_modbus import ModbusServer
from controls.gateways.served_unit import ModbusUnit
from controls.ledger.modes import set_mode
from controls.optimiser.solve import solve
from controls.planning.day_plan import DayPlan, day_plan, plan_summary
from controls.templates.load_templates import load_template
from data_quality.contracts.control.command import Mode
from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import FixedClock, local_midnight_utc
from orchestration.open_project import OpenProject
from orchestration.resources import ProjectResource
from orchestration.sensors.plan_trigger import plan_changes
from tests.controls.ledger.rows_of import CARLA
from tests.controls.planning.examples import DAY, NOW
from tests.orchestration.test_cli import run
from tests.orchestration.test_plan_site import (
    CAR,
    SUN_KWH,
    TARIFF,
    USED_KWH,
    by_hour,
    home,
    project,
    read_charge,
    stored,
    write,
)
from tests.web.asking import PAGE
from tests.web.marts_world import Asking

__all__ = ["project"]
OLGA = Person(person_id="olga", name="Olga", roles=(Role.OPERATOR,))
pytestmark = [pytest.mark.real, pytest.mark.filterwarnings("ignore")]


class House:
    """The home of test_plan_site with a hand on its clock."""

    def __init__(self, project: OpenProject, monkeypatch: pytest.MonkeyPatch) -> None:
        self.project, self.patch, self.now = project, monkeypatch, NOW
        self.folder = Path(project.root)
        self.open: Any = None

    def at(self, now: datetime) -> None:
        """It is then."""
        self.now = now
        self.patch.setattr("orchestration.operations.operation.SystemClock", lambda: FixedClock(now))

    def look(self) -> None:
        """One look of the sensor."""
        resources = {"project": ProjectResource(root=self.project.root), "clock": FixedClock(self.now)}
        with (
            dg.DagsterInstance.ephemeral() as instance,
            dg.build_sensor_context(instance, resources=resources) as context,
        ):
            list(plan_changes(context))

    def plan(self) -> int:
        """A plan by hand; its exit code."""
        return run("plan", "--site", "home", "--json", "--project", self.project.root)[0]

    def board(self, path: str = "/board/ops") -> str:
        """Text of a board of the site, by default that of its operators."""
        asking = Asking(self.project, FixedClock(self.now), OLGA)
        return html.unescape(asking.get(path, [PAGE], site="home").text)

    def known(self) -> dict[str, str]:
        """Answers of board, doctor, status and `next`, each as one text."""
        return {"board": self.board()} | {
            words[0]: "".join(run(*words, "--json", "--project", self.project.root)[1:])
            for words in (("doctor",), ("dispatch", "status", "--site", "home"), ("next", "--site", "home"))
        }

    def issue(self, at_utc: datetime = DAY) -> None:
        """Forecasts of that instant."""
        for target, course in (("house", USED_KWH), ("pv", SUN_KWH)):
            made = by_hour(target, course)
            later = tuple(row.model_copy(update={"time_utc": row.time_utc + (at_utc - DAY)}) for row in made.rows)
            own = {
                "rows": later,
                "issued_at_utc": at_utc,
                "available_at_utc": at_utc,
                "forecast_id": f"{target}{at_utc}",
            }
            self.project.forecasts.add(made.model_copy(update=own), FixedClock(at_utc))


@pytest.fixture
def house(project: OpenProject, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A fresh one."""
    made = House(project, monkeypatch)
    yield made
    if made.open is not None:
        made.open()


def without_price(house: House) -> None:
    write(house.folder, home(tariffs=[], price_stream="price"))
    house.look()


def priced(house: House) -> None:
    write(house.folder, home())
    house.look()


def stale(house: House) -> None:
    house.at(NOW + timedelta(hours=20))
    house.look()


def issued(house: House) -> None:
    house.issue(DAY + timedelta(hours=30))
    house.look()


def served(house: House, *names: str) -> Callable[[], None]:
    said = {"read_soc_percent": 50.0, "read_is_plugged_in": 1.0, "read_power_kw": 0.0}
    units = [ModbusUnit(load_template(name), measure=lambda: said, monotonic=lambda: 0.0) for name in names]
    server = ModbusServer(units).start()
    (house.folder / "meterloom.yaml").write_text(json.dumps({"server": {"modbus_port": server.port}}))
    return server.stop


def silent(house: House) -> None:
    content = home()
    content["assets"][0]["template"], content["assets"][2] = "sim_battery_10kwh", CAR | {"template": "sim_ev_charger"}
    write(house.folder, content)
    set_mode(house.project.store, "home", mode=Mode.PARTIAL, person=CARLA, reason="test", clock=FixedClock(NOW))
    house.open = served(house, "sim_battery_10kwh")
    assert house.plan() == 0
    house.at(NOW + timedelta(minutes=6))
    house.look()


def answering(house: House) -> None:
    house.open()
    house.open = served(house, "sim_battery_10kwh", "sim_ev_charger")
    house.look()
    assert house.plan() == 0


def misspelt(house: House) -> None:
    path = house.folder / "sites" / "home.yaml"
    path.write_text(path.read_text().replace('"forecast_targets"', '"forcast_targets"'))


def spelt(house: House) -> None:
    write(house.folder, home())
    house.look()


def too_weak(house: House) -> None:
    """A connection that carries less than the house needs: no device has a wish that could give way."""
    content = home()
    content["meters"][0]["connected_load_kw"] = 0.05
    write(house.folder, content)
    house.look()
    assert house.plan() == 1


def too_soon(house: House) -> None:
    """Half full as its own meter says: of what nobody says no more is assumed than it can still get."""
    stored(house.project, 50.0, NOW - timedelta(hours=1), meter="in_car", register="value", unit="percent")
    content = home()
    content["drivers"] = [*content["drivers"], {"driver_id": "in_car", "unit": "percent", "aggregation": "mean"}]
    content["assets"][2] = CAR | {"state_meter": "in_car", "params": CAR["params"] | {"departure": "11:30"}}
    write(house.folder, content)


def later(house: House) -> None:
    write(house.folder, home())
    house.at(NOW + timedelta(minutes=1))
    assert house.plan() == 0


def over(house: House) -> None:
    write(house.folder, home(tariffs=[TARIFF | {"valid_to": "2026-01-01"}]))
    house.look()


def nothing_read(house: House) -> None:
    write(house.folder, home(forecast_targets=["pv"]))
    house.look()


def read(house: House) -> None:
    read_charge(house.project, 50.0, NOW - timedelta(hours=1))
    write(house.folder, home())
    house.look()


def behind(house: House) -> None:
    assert house.plan() == 0
    house.at(NOW - timedelta(hours=3))
    house.look()


def right_again(house: House) -> None:
    house.at(NOW + timedelta(minutes=1))
    house.look()


def out_of_time(house: House) -> None:
    house.patch.setattr("controls.planning.habit.solve", partial(solve, time_limit_s=1e-4))
    assert house.plan() == 1


def in_time(house: House) -> None:
    house.patch.setattr("controls.planning.habit.solve", solve)
    house.at(NOW + timedelta(minutes=1))
    assert house.plan() == 0


def locked(house: House) -> None:
    assert house.plan() == 0
    house.project.close()
    path, usual = house.project.project.store_url.removeprefix("sqlite:///"), transactions._sqlite_pragmas
    held = sqlite3.connect(path, isolation_level=None)
    held.execute("PRAGMA locking_mode = EXCLUSIVE")
    held.execute("BEGIN EXCLUSIVE")
    # From here to `unlocked` nobody gets in: how long they wait decides nothing.
    with closing(sqlite3.connect(path, timeout=0)) as other, pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("SELECT * FROM sqlite_master")

    def impatient(connection: sqlite3.Connection, record: Any) -> None:
        """As the store opens a connection, but that it waits for nobody."""

        class Hurried:
            def execute(self, pragma: str) -> None:
                connection.execute(re.sub(r"(?<=busy_timeout=)\d+", "0", pragma))

        connection.isolation_level = None
        usual(Hurried(), record)

    def opens() -> None:
        held.close()
        house.patch.setattr(transactions, "_sqlite_pragmas", usual)
        # Connections that wait for nobody end with the lock.
        house.project.close()

    # The whole wait is for test_faults_of_the_world.
    house.patch.setattr(transactions, "_sqlite_pragmas", impatient)
    house.open = opens


def unlocked(house: House) -> None:
    house.open()
    house.open = None
    house.look()


class Cause(NamedTuple):
    """A cause: how it comes, how it goes, and what must be read everywhere: what is wrong, and the mend."""

    comes: Callable[[House], None]
    goes: Callable[[House], None]
    said: str
    mend: str


CAUSES = {
    "no price": Cause(without_price, priced, "prices 0 h", "meterloom ingest PRICES.csv --site home"),
    "stale forecast": Cause(stale, issued, "the load forecast is 30.1 h old", "meterloom forecast issue --site home"),
    "silent device": Cause(
        silent, answering, "the car's charge is not known", "meterloom devices test DEVICE --site home"
    ),
    "typo": Cause(misspelt, spelt, "forcast_targets", "did you mean 'forecast_targets'?"),
    "infeasible connection": Cause(too_weak, later, "import_limit", "let a limit or a wish that is named give way"),
    "no tariff in force": Cause(over, spelt, "tariff 0 h", "a tariff that holds on these days, in sites/home.yaml"),
    "empty lake": Cause(nothing_read, read, "there is no reading yet", "meterloom ingest FILE --site home"),
    "clock wrong": Cause(behind, right_again, "the clock says 2026-01-01 07:07Z", "set the clock of this machine"),
    "solver limit": Cause(out_of_time, in_time, "found no plan within", "plan_steps: moving in sites/home.yaml"),
    "store locked": Cause(locked, unlocked, "is locked by another process", "wait for it or stop it"),
}


@pytest.mark.parametrize("name", CAUSES)
def test_a_cause_shows_everywhere_with_its_mend_until_it_is_mended(house: House, name: str) -> None:
    cause = CAUSES[name]
    cause.comes(house)
    for place, told in house.known().items():
        assert cause.said in told, (place, told)
        assert cause.mend in told, (place, told)
    house.at(house.now + timedelta(minutes=1))
    cause.goes(house)
    for place, told in house.known().items():
        assert cause.said not in told, (place, told)


@pytest.mark.parametrize(
    ("day", "hours", "text"),
    [
        ("2026-03-29", 23, "Sun 2026-03-29 00:00 to Mon 2026-03-30 00:00"),
        ("2026-10-25", 25, "Sun 2026-10-25 00:00 to Mon 2026-10-26 00:00"),
    ],
)
def test_a_local_day_of_another_length_is_planned_whole(house: House, day: str, hours: int, text: str) -> None:
    eve = datetime.fromisoformat(f"{day}T00:00+00:00") - timedelta(days=1)
    house.issue(eve)
    house.at(eve + (NOW - DAY))
    code, out, error = run("plan", "--site", "home", "--for", day, "--project", house.project.root)
    assert code == 0, error
    assert text in out
    start = local_midnight_utc(date.fromisoformat(day), "Europe/Prague")
    end = start + timedelta(hours=hours)
    made = day_plan(
        house.project.planning_context(house.project.site("home"), FixedClock(house.now)), date.fromisoformat(day)
    )
    assert isinstance(made, DayPlan), made
    steps = made.plan.steps
    assert (steps[0].start_utc, steps[-1].end_utc, len(steps)) == (start, end, 4 * hours)
    assert all(before.end_utc == after.start_utc for before, after in pairwise(steps))
    assert made.findings == ()
    assert all(start <= block.start_utc < block.end_utc <= end for block in made.blocks)


def test_a_plan_that_is_dearer_than_no_control_says_so(house: House) -> None:
    desk = house.project.planning_context(house.project.site("home"), FixedClock(house.now))
    made = day_plan(desk, None)
    assert isinstance(made, DayPlan), made
    assert made.findings == ()
    dearer = made.plan.model_copy(update={"no_battery_cost": made.plan.paid - 0.02})
    (finding,) = plan_summary(dearer, desk).findings
    assert (finding.code, finding.is_blocking) == ("dearer_than_no_control", False)
    assert finding.message.startswith("the plan costs 0.02 CZK more than no control")


def test_whoever_is_paid_for_taking_energy_gets_a_plan_that_takes_it(house: House) -> None:
    night, at_day = TARIFF["periods"]
    tariff = TARIFF | {"periods": [night, at_day | {"price_per_kwh": -0.5}], "export_price_per_kwh": -1.0}
    write(house.folder, home(tariffs=[tariff]))
    code, out, error = run("plan", "--site", "home", "--json", "--project", house.project.root)
    assert code == 0, error
    answer = json.loads(out)
    assert answer["cost"] < answer["without_control"]
    assert any(block["device"] == "car" and block["kw"] > 0 for block in answer["blocks"])


def test_a_car_that_cannot_be_ready_is_named_and_leaves_no_home_without_a_plan(house: House) -> None:
    too_soon(house)
    code, out, _ = run("plan", "--site", "home", "--json", "--project", house.project.root)
    answer = json.loads(out)
    assert code == 0
    found = [(each["code"], each["facts"]) for each in answer["findings"]]
    assert found == [("wish_not_kept", {"limit": "car_ev_departure"})]
    plan = house.project.plans.latest("home")
    assert plan is not None
    assert {one.device_id for one in plan.request.devices} == {"battery", "pv", "car"}
    # What can be reached is charged: all of the two quarter hours that are left.
    charged = [step.devices["car"]["ev_kw"] for step in plan.steps]
    assert charged[:3] == [pytest.approx(7.36, rel=0.01), pytest.approx(7.36, rel=0.01), 0]
    assert "car cannot hold in time what is wanted of it" in house.board("/board/home")

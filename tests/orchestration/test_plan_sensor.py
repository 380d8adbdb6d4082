"""The plan sensor asks the battery itself: a charge that is not the planned one asks for a new plan."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

import assets.sites
from assets.stores.lake.lake import BatchInfo, Lake
from assets.stores.ledgers.job_outcomes import failed_jobs
from assets.stores.transactions import site_transaction
from controls.gateways.serve_modbus import ModbusServer
from controls.gateways.served_unit import ModbusUnit
from controls.ledger.device_holds import set_hold
from controls.ledger.modes import set_mode
from controls.planning.make import make_plan_now
from controls.templates.load_templates import load_template
from data_quality.contracts.control.command import Mode
from data_quality.contracts.control.plan import Plan
from data_quality.contracts.finding import Finding
from data_quality.contracts.time import FixedClock
from orchestration.partitions import PARTITION_TAG
from orchestration.resources import ProjectResource
from orchestration.sensors.plan_trigger import plan_changes
from tests.controls.ledger.rows_of import CARLA
from tests.controls.planning.examples import NOW, forecast

HOME_FILE = Path(assets.sites.__file__).parent / "demo" / "home.yaml"
# Dagster announces what is in beta.
pytestmark = [pytest.mark.real, pytest.mark.filterwarnings("ignore")]


class Bed:
    """A project with the demo home, a plan, and a real Modbus battery whose charge a test sets.

    instance: whose runs a look of the sensor knows; None: a fresh one.
    """

    instance: dg.DagsterInstance | None = None

    def __init__(self, folder: Path, mode: Mode = Mode.PARTIAL, pv_kwh: float = 0.5) -> None:
        self.measured = {"read_soc_percent": 50.0, "read_power_kw": 0.0}
        car = {"read_soc_percent": 70.0, "read_is_plugged_in": 1.0, "read_power_kw": 0.0}
        known = {
            "sim_battery_10kwh": self.measured,
            "sim_ev_charger": car,
            "sim_relay_bank_16": {"read_tank_degc": 60.0, "read_power_kw": 0.0},
        }
        units = [
            ModbusUnit(load_template(name), measure=lambda said=said: said, monotonic=time.monotonic)
            for name, said in known.items()
        ]
        self.server = ModbusServer(units).start()
        (folder / "sites").mkdir(parents=True)
        # At its flat price: no price file is needed.
        text = HOME_FILE.read_text().replace("price_stream: day_ahead_price", "")
        (folder / "sites" / "home.yaml").write_text(text)
        people = [CARLA.model_dump(mode="json")]
        (folder / "people.yaml").write_text(json.dumps({"people": people}))
        (folder / "meterloom.yaml").write_text(json.dumps({"server": {"modbus_port": self.server.port}}))
        self.project = ProjectResource(root=str(folder))
        clock, site = FixedClock(NOW), self.project.site("home")
        for target, kwh in (("house", 1.0), ("pv", pv_kwh)):
            self.project.forecasts.add(forecast(target, kwh), FixedClock(NOW - timedelta(minutes=1)))
        set_mode(self.project.store, "home", mode=mode, person=CARLA, reason="test", clock=clock)
        plan = make_plan_now(replace(self.project.planning_context(site, clock), explained_within_s=0.0))
        assert not isinstance(plan, Finding), plan

    def tick(self, at_utc: datetime) -> list[dg.RunRequest | dg.SkipReason]:
        """Answer of the sensor at that time."""
        resources = {"project": ProjectResource(root=self.project.root), "clock": FixedClock(at_utc)}
        with (
            dg.DagsterInstance.ephemeral() as instance,
            dg.build_sensor_context(self.instance or instance, resources=resources) as context,
        ):
            return list(plan_changes(context))

    def add_home(self, site_id: str, old: str = "", new: str = "") -> None:
        """Another home with a forecast and no plan yet; a text of its file may be another one."""
        sites = Path(self.project.root) / "sites"
        text = (sites / "home.yaml").read_text().replace("site_id: home", f"site_id: {site_id}")
        (sites / f"{site_id}.yaml").write_text(text.replace(old, new) if old else text)
        for target in ("house", "pv"):
            its = {"site_id": site_id, "forecast_id": f"fc-{site_id}-{target}"}
            made = forecast(target, 1.0).model_copy(update=its)
            self.project.forecasts.add(made, FixedClock(NOW - timedelta(minutes=1)))

    def close(self) -> None:
        """End the device's server and the store."""
        self.server.stop()
        self.project.close()


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    """A fresh one."""
    made = Bed(tmp_path / "p")
    yield made
    made.close()


def test_a_charge_off_the_plan_asks_for_a_new_one_and_no_sooner_than_allowed(bed: Bed) -> None:
    (held,) = bed.tick(NOW + timedelta(minutes=6))
    assert isinstance(held, dg.SkipReason)
    assert "still holds" in str(held.skip_message)
    bed.measured["read_soc_percent"] = 40.0
    (early,) = bed.tick(NOW + timedelta(minutes=4))
    assert isinstance(early, dg.SkipReason)
    (asked,) = bed.tick(NOW + timedelta(minutes=6))
    assert isinstance(asked, dg.RunRequest)
    assert asked.partition_key == "home"
    # The same cause in the same quarter hour is one run.
    (again,) = bed.tick(NOW + timedelta(minutes=7))
    assert isinstance(again, dg.RunRequest)
    assert again.run_key == asked.run_key


def test_below_partial_the_charge_goes_its_own_way(tmp_path: Path) -> None:
    bed = Bed(tmp_path / "p", Mode.ADVISORY)
    bed.measured["read_soc_percent"] = 20.0
    (held,) = bed.tick(NOW + timedelta(minutes=6))
    assert isinstance(held, dg.SkipReason)
    bed.close()


def test_a_battery_that_does_not_answer_is_said_and_asks_for_nothing(bed: Bed) -> None:
    bed.server.stop()
    (held,) = bed.tick(NOW + timedelta(minutes=6))
    assert isinstance(held, dg.SkipReason)
    assert "the state of charge" in str(held.skip_message)
    assert "is not known: Modbus device 127.0.0.1" in str(held.skip_message)


def test_a_home_to_plan_is_asked_for_beside_one_whose_plan_still_holds(bed: Bed) -> None:
    bed.add_home("cabin")
    # Alone: Dagster fails a tick that asks for a run and says why to skip.
    (asked,) = bed.tick(NOW + timedelta(minutes=6))
    assert isinstance(asked, dg.RunRequest)
    assert asked.partition_key == "cabin"


def test_a_home_of_a_template_that_is_not_there_keeps_no_other_waiting(bed: Bed) -> None:
    bed.add_home("cabin", "template: sim_battery_10kwh", "template: sim_battery_10kw")
    (held,) = bed.tick(NOW + timedelta(minutes=6))
    assert isinstance(held, dg.SkipReason)
    assert "cabin: unknown device template 'sim_battery_10kw'" in str(held.skip_message)
    assert "home: the last plan still holds" in str(held.skip_message)
    bed.measured["read_soc_percent"] = 40.0
    (asked,) = bed.tick(NOW + timedelta(minutes=6))
    assert isinstance(asked, dg.RunRequest)
    assert asked.partition_key == "home"


def read_pv(bed: Bed, kwh: float, *, first: datetime, quarters: int = 2) -> None:
    """Quarter hours of the sun's own meter."""
    rows = pl.DataFrame(
        {"interval_start_utc": [first + timedelta(minutes=15 * n) for n in range(quarters)]},
        schema_overrides={"interval_start_utc": pl.Datetime("us", "UTC")},
    ).select(
        pl.lit("home").alias("site_id"), pl.lit("pv").alias("meter_id"), pl.lit("value").alias("register"),
        "interval_start_utc", pl.lit(15, pl.Int32).alias("interval_minutes"),
        pl.lit(15, pl.Int32).alias("source_minutes"), pl.lit(kwh).alias("value"), pl.lit("kwh").alias("unit"),
        pl.lit(0, pl.Int32).alias("quality_code"), pl.lit(1).alias("source_line"), pl.lit(True).alias("is_synthetic"),
        pl.lit(False).alias("is_correction"),
    )  # fmt: skip
    info = BatchInfo(
        site_id="home", source_name="pv.csv", source_sha256=f"{kwh:064.6f}".replace(".", "0")[-64:], reader="csv",
        reader_version="1", accepted_rows=rows.height, rejected_rows=0, is_synthetic=True,
    )  # fmt: skip
    bed.project.lake.write_batch(info, rows, unchanged_rows=0, clock=FixedClock(NOW + timedelta(minutes=30)))


@pytest.fixture
def sunny(tmp_path: Path) -> Iterator[Bed]:
    """The home with 4 kW of sun forecast, in a mode without device control: what it stores goes its own way."""
    made = Bed(tmp_path / "p", Mode.ADVISORY, pv_kwh=4.0)
    yield made
    made.close()


TEN = NOW.replace(minute=0)


@pytest.mark.parametrize(("share", "asks"), [(0.75, True), (1.25, True), (0.85, False), (1.15, False)])
def test_a_sun_a_quarter_off_the_plan_asks_once_and_one_of_fifteen_percent_does_not(
    sunny: Bed, share: float, asks: bool
) -> None:
    read_pv(sunny, share, first=TEN)
    (early,) = sunny.tick(NOW + timedelta(minutes=29))
    assert isinstance(early, dg.SkipReason)
    (answer,) = sunny.tick(NOW + timedelta(minutes=31))
    assert isinstance(answer, dg.RunRequest) is asks
    if not isinstance(answer, dg.RunRequest):
        assert answer.skip_message == "home: the last plan still holds"
        return
    reason = f"pv gave {4 * share:.2f} kW lately where the plan counted on 4.00 kW"
    assert answer.run_config == {"ops": {"core_site__plan": {"config": {"because": reason}}}}
    # Planned since: the next half hour is quiet, whatever the sun does.
    later = NOW + timedelta(minutes=31)
    desk = replace(
        sunny.project.planning_context(sunny.project.site("home"), FixedClock(later)), explained_within_s=0.0
    )
    made = make_plan_now(desk, because=reason)
    assert isinstance(made, Plan), made
    stored = sunny.project.plans.latest("home")
    assert stored is not None
    assert (stored.version, stored.asked_because) == (2, reason)
    read_pv(sunny, share + 0.001, first=TEN + timedelta(minutes=30))
    (held,) = sunny.tick(later + timedelta(minutes=29))
    assert isinstance(held, dg.SkipReason)


def test_a_meter_of_the_sun_that_says_nothing_is_no_reason_and_said(sunny: Bed) -> None:
    read_pv(sunny, 0.1, first=TEN - timedelta(minutes=30))
    (held,) = sunny.tick(NOW + timedelta(minutes=31))
    assert isinstance(held, dg.SkipReason)
    assert held.skip_message == (
        "home: the last plan still holds; what pv gave is not known: no reading of the last 30 min"
    )


def test_a_look_at_a_young_plan_reads_no_meter_and_one_at_an_old_plan_the_suns_alone(
    sunny: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    current = Lake.current

    def noted(lake: Lake, *given: Any, **named: Any) -> Any:
        # Prices are asked of no stream where there is none.
        asked.extend([named["meters"]] if named["meters"] else [])
        return current(lake, *given, **named)

    monkeypatch.setattr(Lake, "current", noted)
    sunny.tick(NOW + timedelta(minutes=29))
    assert asked == []
    sunny.tick(NOW + timedelta(minutes=31))
    assert asked == [["pv"]]


def test_a_device_that_somebody_took_by_hand_asks_for_a_plan_once(bed: Bed) -> None:
    taken: dict[str, Any] = {"until_utc": NOW + timedelta(hours=2), "reason": "guests", "person": CARLA}
    with site_transaction(bed.project.store, "home") as connection:
        set_hold(connection, "home", "battery", "set_charge_power_kw", at_utc=NOW + timedelta(minutes=3), **taken)
    (early,) = bed.tick(NOW + timedelta(minutes=4))
    assert isinstance(early, dg.SkipReason)
    (asked,) = bed.tick(NOW + timedelta(minutes=6))
    assert isinstance(asked, dg.RunRequest)
    assert asked.run_config["ops"]["core_site__plan"]["config"]["because"] == "battery was taken by hand"
    later = FixedClock(NOW + timedelta(minutes=20))
    made = make_plan_now(replace(bed.project.planning_context(bed.project.site("home"), later), explained_within_s=0.0))
    assert isinstance(made, Plan), made
    (held,) = bed.tick(NOW + timedelta(minutes=26))
    assert isinstance(held, dg.SkipReason)


def test_while_a_plan_is_being_made_no_other_is_asked_for(bed: Bed) -> None:
    bed.measured["read_soc_percent"] = 40.0
    with dg.DagsterInstance.ephemeral() as bed.instance:
        run = bed.instance.create_run_for_job(
            job_def=dg.JobDefinition(graph_def=dg.GraphDefinition(name="plan"), name="plan"),
            tags={PARTITION_TAG: "home"},
            status=dg.DagsterRunStatus.STARTED,
        )
        (held,) = bed.tick(NOW + timedelta(minutes=6))
        assert isinstance(held, dg.SkipReason)
        assert "off the plan, and a plan is being made; the last one holds until then" in str(held.skip_message)
        bed.instance.report_run_failed(run)
        (asked,) = bed.tick(NOW + timedelta(minutes=6))
        assert isinstance(asked, dg.RunRequest)


def test_a_second_battery_without_a_template_asks_for_a_plan_that_leaves_it_out(bed: Bed) -> None:
    home = Path(bed.project.root) / "sites" / "home.yaml"
    text = home.read_text()
    start, end = text.index("  - asset_id: battery"), text.index("  - asset_id: pv")
    second = (
        text[start:end].replace("asset_id: battery", "asset_id: spare").replace("    template: sim_battery_10kwh\n", "")
    )
    home.write_text(text[:end] + second + text[end:])
    (asked,) = bed.tick(NOW + timedelta(minutes=6))
    assert isinstance(asked, dg.RunRequest)
    said = "spare does not report its state any more"
    assert asked.run_config["ops"]["core_site__plan"]["config"]["because"] == said


def test_a_site_that_cannot_be_planned_at_all_is_a_finding_though_no_run_is_asked_for(bed: Bed) -> None:
    bed.add_home("cabin", "sim_battery_10kwh", "sim_battery_9kwh")
    for minutes in (6, 7):
        list(bed.tick(NOW + timedelta(minutes=minutes)))
    [found] = failed_jobs(bed.project.store, ["home", "cabin"])
    assert found.message.startswith("job plan: ")
    assert "sim_battery_9kwh" in found.message
    assert (found.scope, found.facts["since_utc"]) == ("cabin", (NOW + timedelta(minutes=6)).isoformat())

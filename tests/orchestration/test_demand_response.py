"""`meterloom dr loads list` and `dr plan` over a project with readings."""

import json
import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from holidays import country_holidays

from assets.sites.load_sites import load_site, site_sha256
from assets.stores.ledgers.grid_signals import GridSignals
from assets.stores.ledgers.job_outcomes import failed_jobs
from assets.stores.transactions import connect_store
from controls.gateways.broker import start_broker
from controls.gateways.ports import free_port
from controls.simulator.vtn import LocalVtn
from data_quality.contracts.settings import load_project
from orchestration.supervised.children import Children
from orchestration.supervised.parts import start_signals
from tests.controls.conftest import need_mosquitto
from tests.orchestration.test_cli import run

SITE = """
site_id: plant
name: Plant
time_zone: UTC
currency: EUR
country: DE
weekly_rest: []
meters: [{meter_id: main}, {meter_id: fans, parent: main}]
"""
LOADS = """
sheddable_loads:
  - {load_id: fans, meter: fans, max_shed_kw: 30, max_minutes: 120, cost_per_kwh: 0.2, rebound_share: 0.5}
  - {load_id: light, meter: main, max_shed_kw: 5, max_minutes: 60, cost_per_kwh: 0.5, limit: Stairs stay lit}
"""
HOUR = timedelta(hours=1)
NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fans that draw 20 kW in every hour of the last seven weeks."""
    folder = tmp_path_factory.mktemp("dr")
    (folder / "plant.yaml").write_text(SITE + LOADS)
    assert run("init", str(folder / "p"), "--site", str(folder / "plant.yaml"))[0] == 0
    hours = [NOW - n * HOUR for n in range(49 * 24, 0, -1)]
    rows = [f"{name},{hour.isoformat()},{kw}" for hour in hours for name, kw in (("fans", 20), ("main", 100))]
    (folder / "energy.csv").write_text("\n".join(["meter,timestamp,kwh", *rows]) + "\n")
    code, _, error = run("ingest", str(folder / "energy.csv"), "--site", "plant", folder=folder / "p")
    assert code == 0, error
    return folder / "p"


def dr_plan(project: Path, target_kw: float, *, start: datetime = NOW + 24 * HOUR) -> tuple[int, str, str]:
    event = f"{start.isoformat()}/{(start + HOUR).isoformat()}"
    words = ("dr", "plan", "--site", "plant", "--event", event, "--target-kw", str(target_kw), "--json")
    return run(*words, folder=project)


def test_loads_are_listed_with_their_terms(project: Path) -> None:
    code, out, _ = run("dr", "loads", "list", "--json", folder=project)
    fans, _ = json.loads(out)["loads"]
    wanted = {"id": "fans", "asset": None, "max_shed_kw": 30.0, "max_minutes": 120, "rest_minutes": None}
    assert (code, wanted.items() <= fans.items()) == (0, True)
    assert (fans["rebound_share"], fans["evidence"]["basis"]) == (0.5, "nameplate")


def test_numbers_of_a_plan_for_an_event_are_made_again_by_their_ids(project: Path) -> None:
    code, out, error = dr_plan(project, 10)
    assert code == 0, error
    said = json.loads(out)
    assert {"/plan/expected_kwh", "/plan/interval_kwh/0", "/plan/steps/0/kw"} <= said["figure_ids"].keys()
    code, out, error = run("trace", said["figure_ids"]["/plan/interval_kwh/1"], "--json", folder=project)
    assert code == 0, error
    told = json.loads(out)
    assert told["figure"]["value"] == told["recomputed"] == said["plan"]["interval_kwh"][1]
    assert told["parameters"]["command"].startswith("meterloom dr plan --site plant --event ")


def test_a_load_gives_what_its_meter_usually_draws_and_the_next_one_the_rest(project: Path) -> None:
    code, out, error = dr_plan(project, 23)
    assert code == 0, error
    plan = json.loads(out)["plan"]
    assert {step["load"]: step["kw"] for step in plan["steps"]} == {"fans": 20.0, "light": 3.0}
    assert (plan["expected_kwh"], plan["cost"], plan["rebound_kwh"]) == (23.0, 5.5, 10.0)
    assert any("Stairs stay lit" in each for each in plan["limits"])
    assert any("fans usually draws less" in each for each in plan["limits"])


def test_more_than_the_loads_draw_is_a_finding_with_the_most(project: Path) -> None:
    code, out, _ = dr_plan(project, 40)
    result = json.loads(out)
    [finding] = result["findings"]
    assert (code, result["plan"], finding["code"], finding["facts"]["most_kw"]) == (
        1,
        None,
        "target_above_library",
        25.0,
    )


def test_an_event_of_the_past_is_one_sentence(project: Path) -> None:
    code, _, error = dr_plan(project, 5, start=NOW - 2 * HOUR)
    assert (code, "is past" in error) == (2, True)


def test_the_library_makes_no_other_site_of_a_file(tmp_path: Path) -> None:
    with_loads, without = tmp_path / "a.yaml", tmp_path / "b.yaml"
    with_loads.write_text(SITE + LOADS)
    without.write_text(SITE)
    assert site_sha256(load_site(with_loads)) == site_sha256(load_site(without))


def measured(project: Path, load: str, start: datetime, *, hours: int = 2) -> tuple[int, str, str]:
    event = f"{start.isoformat()}/{(start + hours * HOUR).isoformat()}"
    return run("dr", "loads", "test", "--site", "plant", "--load", load, "--event", event, "--json", folder=project)


@pytest.fixture(scope="module")
def tested(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, datetime]:
    """Fans of about 20 kW with noise, in five months; six were taken down in one test."""
    folder, draw = tmp_path_factory.mktemp("tested"), random.Random(43)
    (folder / "plant.yaml").write_text(SITE + LOADS)
    assert run("init", str(folder / "p"), "--site", str(folder / "plant.yaml"))[0] == 0
    # Of holidays there are no twenty to compare with.
    week, free = timedelta(days=7), country_holidays("DE")
    days = ((NOW - timedelta(days=back)).replace(hour=14) for back in range(2, 12))
    test = next(each for each in days if each.date() not in free and (each - week).date() not in free)
    hours = [NOW - n * HOUR for n in range(150 * 24, 0, -1)]
    rows, quiet = [], test - week
    for hour in hours:
        noise, is_shed = draw.gauss(0, 0.5), test <= hour < test + 2 * HOUR
        # One band in ten would not hold the six, or the nothing, of a noisy day, and by the day of the run that one may
        # be this.
        kwh = 20 + (0 if is_shed or quiet <= hour < quiet + 2 * HOUR else noise) - 6 * is_shed
        rows += [f"fans,{hour.isoformat()},{kwh:.3f}", f"main,{hour.isoformat()},{kwh + 80:.3f}"]
    (folder / "energy.csv").write_text("\n".join(["meter,timestamp,kwh", *rows]) + "\n")
    code, _, error = run("ingest", str(folder / "energy.csv"), "--site", "plant", folder=folder / "p")
    assert code == 0, error
    return folder / "p", test


def test_a_test_shed_is_measured_with_its_interval_and_the_site_file_stays(tested: tuple[Path, datetime]) -> None:
    project, test = tested
    before = (project / "sites" / "plant.yaml").read_text()
    code, out, error = measured(project, "fans", test)
    assert code == 0, (out, error)
    found = json.loads(out)["test"]
    low, high = found["interval_kw"]
    assert low <= 6 <= high
    assert (found["evidence"]["basis"], found["evidence"]["on"]) == ("tested", f"{test:%Y-%m-%d}")
    assert 0 < found["evidence"]["half_width_share"] < 0.5
    assert (project / "sites" / "plant.yaml").read_text() == before


def test_a_day_without_a_shed_proves_nothing(tested: tuple[Path, datetime]) -> None:
    project, test = tested
    code, out, _ = measured(project, "fans", test - timedelta(days=7))
    result = json.loads(out)
    assert (code, result["test"], result["findings"][0]["code"]) == (1, None, "load_not_proven")
    assert "holds zero" in result["findings"][0]["message"]


def test_a_test_of_an_unknown_load_or_to_come_is_one_sentence(tested: tuple[Path, datetime]) -> None:
    project, test = tested
    assert (measured(project, "fens", test)[0], "no sheddable load" in measured(project, "fens", test)[2]) == (2, True)
    assert "has not ended" in measured(project, "fans", NOW + HOUR)[2]


@pytest.fixture
def served(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalVtn]:
    """The project with a signal source, and its local VTN."""
    with LocalVtn("ven-1", "only for this test", ["shed"]) as vtn:
        source = {
            "source_id": "dso", "url": vtn.url, "client_id": "ven-1", "secret_env": "DSO_SECRET", "programme": "shed",
            "ven_name": "plant", "shed_kw": [10, 20, 40], "is_synthetic": True,
        }  # fmt: skip
        monkeypatch.setenv("DSO_SECRET", "only for this test")
        (project / "sites" / "plant.yaml").write_text(f"{SITE}{LOADS}\nsignal_sources: [{json.dumps(source)}]\n")
        yield vtn
        (project / "sites" / "plant.yaml").write_text(SITE + LOADS)


def simple(vtn: LocalVtn, level: int, kind: str = "SIMPLE", hours: int = 24) -> None:
    start = {"start": (NOW + hours * HOUR).isoformat(), "duration": "PT1H"}
    vtn.publish({"intervalPeriod": start, "intervals": [{"id": 0, "payloads": [{"type": kind, "values": [level]}]}]})


def listened(project: Path) -> tuple[int, Any, str]:
    code, out, error = run("dr", "listen", "--site", "plant", "--once", "--json", folder=project)
    return code, json.loads(out) if out else None, error


def test_a_level_becomes_a_proposed_plan_and_a_capacity_limit_none(project: Path, served: LocalVtn) -> None:
    simple(served, 2)
    simple(served, 5, "IMPORT_CAPACITY_LIMIT")
    code, told, error = listened(project)
    assert code == 0, error
    assert [(each["kind"], each["modification"]) for each in told["signals"]] == [
        ("SIMPLE", 1), ("IMPORT_CAPACITY_LIMIT", 1),
    ]  # fmt: skip
    (finding,) = told["findings"]
    assert (finding["code"], finding["facts"]["target_kw"]) == ("plan_proposed", 20.0)
    assert len(finding["facts"]["digest"]) == 64
    assert listened(project)[1]["signals"] == [], "nothing is stored twice"


def test_a_level_of_a_source_with_a_programme_is_an_event_that_waits_for_two_people(
    project: Path, served: LocalVtn
) -> None:
    by_programme(project)
    simple(served, 1)
    (finding,) = listened(project)[1]["findings"]
    code, out, _ = run("dr", "event", "show", finding["facts"]["event_id"], "--json", folder=project)
    event = json.loads(out)["event"]
    assert (code, event["state"], event["programme"], event["target_kw"]) == (0, "proposed", "own_peak", 10.0)
    assert event["source"].startswith("openadr:dso:")
    assert event["digest"] == finding["facts"]["digest"] != ""


def test_a_level_that_the_loads_do_not_give_proposes_nothing_and_says_why(project: Path, served: LocalVtn) -> None:
    by_programme(project)
    simple(served, 3, hours=48)
    (finding,) = listened(project)[1]["findings"]
    assert finding["code"] == "target_above_library"
    event = calls(project)[-1]
    assert (event["state"], event["plan"], event["unplanned"]["code"]) == ("created", None, "target_above_library")
    code, out, _ = run("dr", "event", "show", event["id"], folder=project)
    assert (code, "no plan: the loads of Plant give 25.0 kW" in out) == (0, True)
    assert standing(project) == ["event_not_planned"]


def test_a_call_without_a_plan_is_planned_again_at_each_look_until_it_has_one(project: Path, served: LocalVtn) -> None:
    by_programme(project)
    simple(served, 3, hours=72)
    listened(project)
    file = project / "sites" / "plant.yaml"
    before, known = file.read_text(), calls(project)[-1]
    listened(project)
    assert len(json.loads(run("dr", "event", "show", known["id"], "--json", folder=project)[1])["history"]) == 2
    file.write_text(before.replace("max_shed_kw: 5", "max_shed_kw: 25"))
    (finding,) = listened(project)[1]["findings"]
    after = calls(project)[-1]
    file.write_text(before)
    assert (finding["code"], after["id"], after["state"]) == ("plan_proposed", known["id"], "proposed")
    assert (after["unplanned"], standing(project)) == (None, [])
    listened(project)
    assert calls(project)[-1] == after, "a plan that stands is not made anew"


def by_programme(project: Path) -> None:
    file = project / "sites" / "plant.yaml"
    file.write_text(file.read_text().replace('"ven_name"', '"settles_by": "own_peak", "ven_name"'))


def calls(project: Path) -> list[dict[str, Any]]:
    found = json.loads(run("dr", "event", "list", "--json", folder=project)[1])["events"]
    return sorted(found, key=lambda each: each["told_utc"])


def standing(project: Path) -> list[str]:
    store = connect_store(load_project(project, {}).store_url)
    found = [each.code for each in failed_jobs(store, ["plant"])]
    store.close()
    return found


def test_a_set_point_is_stored_and_never_read_as_a_reduction(project: Path, served: LocalVtn) -> None:
    simple(served, 3, "DISPATCH_SETPOINT")
    (finding,) = listened(project)[1]["findings"]
    assert (finding["code"], "no loads are planned to a set-point" in finding["message"]) == (
        "signal_not_planned",
        True,
    )


def test_a_secret_that_is_not_set_and_a_vtn_that_is_down_are_one_sentence_each(
    project: Path, served: LocalVtn, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.__exit__()
    code, told, _ = listened(project)
    assert (code, "does not answer" in told["sources"][0]["error"]) == (3, True)
    monkeypatch.delenv("DSO_SECRET")
    code, _, error = listened(project)
    assert (code, "DSO_SECRET is not set" in error) == (2, True)


def test_a_source_is_in_no_hash_of_its_site(tmp_path: Path, project: Path, served: LocalVtn) -> None:
    (tmp_path / "plain.yaml").write_text(SITE + LOADS)
    plain, own = load_site(tmp_path / "plain.yaml"), load_site(project / "sites" / "plant.yaml")
    assert site_sha256(plain) == site_sha256(own)


def test_up_starts_a_synthetic_vtn_and_the_listener_that_hears_it(project: Path, tmp_path: Path) -> None:
    source = {
        "source_id": "dso", "url": f"http://127.0.0.1:{free_port()}", "client_id": "ven-1", "secret_env": "DSO_SECRET",
        "programme": "shed", "ven_name": "plant", "is_synthetic": True, "poll_s": 1, "broker": "mqtt://127.0.0.1:1",
    }  # fmt: skip
    file = project / "sites" / "plant.yaml"
    file.write_text(f"{SITE}signal_sources: [{json.dumps(source)}]\n")
    settings = load_project(project, {})
    need_mosquitto()
    with start_broker(tmp_path / "broker") as broker, Children(tmp_path) as children:
        own = {f"METERLOOM_MQTT__{name.upper()}": str(value) for name, value in broker.address
               if name in ("host", "port", "username", "password")}  # fmt: skip
        start_signals(settings, [load_site(file)], children, own, can_notify=True)
        store, end_s = connect_store(settings.store_url), time.monotonic() + 60
        before = GridSignals(store).heartbeats("plant")
        while GridSignals(store).heartbeats("plant") == before and time.monotonic() < end_s:
            time.sleep(0.2)
        assert GridSignals(store).heartbeats("plant") != before, "\n".join(
            log.read_text() for log in sorted(tmp_path.glob("*.log"))
        )
        log = tmp_path / "signals-plant.log"
        while "notifications are heard" not in log.read_text() and time.monotonic() < end_s:
            time.sleep(0.2)
        assert "notifications are heard" in log.read_text(), log.read_text()
        store.close()
    file.write_text(SITE + LOADS)

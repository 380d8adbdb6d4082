"""Alert rules of a project: listed with versions, tried on the past, judged now, and kept when they change."""

import json
import os
from datetime import datetime, timedelta
from typing import Any, get_args

import polars as pl
from typer.testing import CliRunner

from assets.stores.ledgers.alert_rules import AlertRules
from assets.stores.ledgers.anomaly_ledger import AnomalyLedger
from assets.stores.ledgers.job_outcomes import JobOutcome, record_outcomes
from assets.stores.warehouse.marts import read_mart, write_mart
from controls.ledger.device_faults import latch_fault
from data_quality.contracts.reporting.anomaly_event import AnomalyEvent, event_id_of
from data_quality.contracts.site_file.alert_rule import MEASURES, ThresholdRule
from data_quality.contracts.time import FixedClock, local_midnight_utc, zone
from orchestration.cli.main import build_app
from orchestration.notices.rounds import look
from orchestration.open_project import OpenProject
from orchestration.views.finding_sources import over_limits, stale_reports
from orchestration.warehouse.dbt import kpi_catalogue
from reports.make_report import ReportRequest, make_report
from tests.reports import plant
from tests.web.asking import PAGE
from tests.web.marts_world import Asking
from tests.web.test_findings_pages import act, listed
from tests.web.why_world import posted

HOUR = timedelta(hours=1)
RULES: tuple[dict[str, Any], ...] = (
    {"rule_id": "whole", "name": "Whole plant", "kind": "threshold", "measure": "consumption_kwh", "grain": "day",
     "limit": 1, "unit": "kwh"},
    {"rule_id": "never", "kind": "threshold", "measure": "peak_15min_kw", "limit": 1e6, "unit": "kw", "enabled": False},
    {"rule_id": "peak", "kind": "peak", "limit": 1},
    {"rule_id": "dear", "kind": "anomaly", "limit": 50, "unit": "EUR", "severity": 1},
    {"rule_id": "late", "kind": "freshness", "limit": 2, "unit": "h"},
    {"rule_id": "odd", "kind": "quality", "scope": "meter:hvac", "limit": 0, "unit": "cases"},
    {"rule_id": "old", "kind": "stale_report"},
)  # fmt: skip


def with_rules(asking: Asking, *rules: dict[str, Any]) -> str:
    """The text of the plant's file with these rules."""
    text = (asking.project.project.sites_dir / "plant.yaml").read_text()
    return json.dumps(json.loads(text) | {"alert_rules": rules})


def ruled(asking: Asking, *rules: dict[str, Any]) -> Asking:
    """The same project with rules in its site file."""
    (asking.project.project.sites_dir / "plant.yaml").write_text(with_rules(asking, *(rules or RULES)))
    return asking


def run(asking: Asking, *words: str) -> tuple[int, Any, str]:
    at = ["--project", str(asking.project.project.root), "--json"]
    result = CliRunner().invoke(build_app(("alerts",)), ["alerts", *words, *at])
    return result.exit_code, json.loads(result.stdout) if result.stdout else None, result.stderr


def tried(asking: Asking, rule: str, **more: str) -> dict[str, Any]:
    found: dict[str, Any] = asking.json(f"/alerts/{rule}/preview", site="plant", **more)
    return found


def event(asking: Asking, cost: float | None, days: int = 4) -> str:
    start = plant.NOON - timedelta(days=days)
    facts = {
        "event_id": event_id_of("plant", "hvac", "import", "night_waste", start), "site_id": "plant",
        "meter_id": "hvac", "register_id": "import", "kind": "night_waste", "cause": "waste", "severity": 3,
        "start_utc": start, "end_utc": start + timedelta(hours=8), "kwh": 412.2, "cost": cost, "currency": "EUR",
        "cost_finding": None if cost else "no_price", "params_version": "1", "evidence": (),
    }  # fmt: skip
    made = AnomalyEvent.model_validate(facts)
    AnomalyLedger(asking.project.store).publish(
        "plant", [made], start_utc=start, end_utc=start + timedelta(days=1), seen_until_utc=plant.NOON,
        judged=[("hvac", "import")], clock=asking.clock,
    )  # fmt: skip
    return made.event_id


def test_command_and_api_list_the_rules_of_the_file_in_its_order_and_without_rules_nothing(acted: Asking) -> None:
    assert acted.json("/alerts", site="plant")["rules"] == []
    assert run(acted, "list")[:2] == (0, {"site": None, "rules": []})
    rules = ruled(acted).json("/alerts", site="plant")["rules"]
    assert [each["id"] for each in rules] == ["whole", "never", "peak", "dear", "late", "odd", "old"]
    assert {(each["version"], each["enabled"]) for each in rules} == {(1, True), (1, False)}
    code, said, error = run(acted, "list", "--site", "plant")
    assert (code, error, said["rules"]) == (0, "", rules)


def test_command_and_api_say_when_a_rule_would_have_fired(acted: Asking) -> None:
    found = tried(ruled(acted), "whole")
    assert found["would_have_fired"]
    for each in found["would_have_fired"]:
        assert each["value"] > each["limit"] == 1
        assert each["unit"] == "kwh"
    # The plant's readings are of a few months.
    assert [each["code"] for each in found["findings"]] == ["short_history"]
    assert tried(acted, "never")["would_have_fired"] == []
    [first, *_] = tried(acted, "peak")["would_have_fired"]
    assert (first["unit"], first["limit"]) == ("kw", 1)
    assert first["value"] > 1


def test_a_source_without_history_says_so_and_one_with_it_is_judged_by_its_amounts(acted: Asking) -> None:
    assert [each["code"] for each in tried(ruled(acted), "dear")["findings"]] == ["no_history"]
    assert [each["code"] for each in tried(acted, "old")["findings"]] == ["no_history"]
    event(acted, 20.0, days=9)
    event(acted, 60.0)
    [one] = tried(acted, "dear")["would_have_fired"]
    assert (one["value"], one["limit"], one["unit"], one["scope"]) == (60.0, 50.0, "EUR", "meter:hvac")
    assert tried(acted, "late")["findings"] == []
    assert all(each["scope"] == "meter:hvac" for each in tried(acted, "odd")["would_have_fired"])


def test_faults_of_devices_and_failed_plans_are_tried_on_what_the_store_kept(acted: Asking) -> None:
    store, at_utc = acted.project.store, acted.clock.now_utc()
    with store.begin() as connection:
        latch_fault(connection, "plant", "battery", reason="no answer", command_id=None, at_utc=at_utc)
    failed = JobOutcome(
        site_id="plant", job="plan", outcome="failed", sentence="no plan", run_id="1", ended_utc=at_utc - HOUR
    )
    mended = failed.model_copy(update={"outcome": "succeeded", "sentence": "", "ended_utc": at_utc})
    for each in (failed, mended):
        record_outcomes(store, [each], acted.clock)
    ruled(
        acted, {"rule_id": "fault", "kind": "device"}, {"rule_id": "plans", "kind": "plan_infeasible", "enabled": False}
    )
    [fault], [plan] = (tried(acted, rule)["would_have_fired"] for rule in ("fault", "plans"))
    assert (fault["scope"], fault["end_utc"], fault["value"], fault["limit"]) == ("asset:battery", None, None, None)
    assert [datetime.fromisoformat(plan[name]) for name in ("start_utc", "end_utc")] == [at_utc - HOUR, at_utc]


def test_a_stale_report_is_tried_on_the_days_on_which_its_inputs_changed(acted: Asking) -> None:
    project, clock = ruled(acted).project, FixedClock(acted.clock.now_utc())

    def made() -> None:
        make_report(
            "enpi_quarter",
            project.site("plant"),
            plant.quarter(),
            ReportRequest(
                sources=project.sources(),
                reports=project.reports,
                clock=clock,
                out_dir=project.project.root / "made",
                formats=("json",),
            ),
        )

    def shown() -> dict[str, Any]:
        return tried(Asking(project, clock, acted.person), "old")

    made()
    assert (shown()["would_have_fired"], shown()["findings"]) == ([], [])
    clock.advance(timedelta(days=3))
    rows = project.lake.current("plant", meters=["moulding"]).head(1).drop("batch_id", "recorded_at_utc")
    late = rows.with_columns(value=pl.lit(500.0), is_correction=pl.lit(value=True))
    plant.write(project.lake, late, clock, "late.csv")
    at_utc = clock.now_utc()
    clock.advance(timedelta(days=4))
    [one] = shown()["would_have_fired"]
    midnight = local_midnight_utc(at_utc.astimezone(zone(plant.ZONE)).date(), plant.ZONE)
    assert (datetime.fromisoformat(one["start_utc"]), one["end_utc"]) == (midnight, None)
    assert one["scope"] == "report:enpi_quarter/plant/2025-Q1"
    [open_now] = stale_reports(project, project.site("plant"))
    assert open_now.cause == "stale enpi_quarter/plant/2025-Q1"
    made()
    [one] = shown()["would_have_fired"]
    assert datetime.fromisoformat(one["end_utc"]) == project.reports.revisions("plant")[-1].recorded_at_utc
    assert stale_reports(project, project.site("plant")) == []
    # Of a site's file no time is kept.
    path = project.project.sites_dir / "plant.yaml"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"name": "Another"}))
    again = OpenProject(str(project.project.root))
    found = tried(Asking(again, clock, acted.person), "old")
    assert ([each["code"] for each in found["findings"]], len(found["would_have_fired"])) == (["short_history"], 1)
    again.close()


def test_hours_without_readings_are_as_long_as_the_gap(acted: Asking) -> None:
    marts = acted.project.project.marts_dir
    hours = read_mart(marts, "mart_meter__hour_energy", site_id="plant")
    first = hours.filter(pl.col("meter_id") == "hvac")["hour_start_utc"].min()
    assert isinstance(first, datetime)
    gap = pl.col("hour_start_utc").is_between(first + 5 * HOUR, first + 7 * HOUR) & (pl.col("meter_id") == "hvac")
    write_mart(hours.filter(~gap), marts, "mart_meter__hour_energy", years=None)
    ruled(acted, {"rule_id": "late", "kind": "freshness", "scope": "meter:hvac", "limit": 2, "unit": "h"})
    [one] = [each for each in tried(acted, "late", months="36")["would_have_fired"] if each["value"] == 3]
    assert datetime.fromisoformat(one["start_utc"]) == first + 5 * HOUR
    assert datetime.fromisoformat(one["end_utc"]) == first + 8 * HOUR


def test_a_measure_of_a_rule_has_the_unit_and_grains_of_the_catalogue() -> None:
    catalogue = kpi_catalogue()
    assert set(get_args(ThresholdRule.model_fields["measure"].annotation)) == set(MEASURES)
    for name, measure in MEASURES.items():
        assert measure.unit == catalogue[name]["unit"], name
        assert set(measure.grains) <= set(catalogue[name]["grains"].split()), name


def test_a_rule_that_there_is_not_is_one_sentence(acted: Asking) -> None:
    code, _, error = run(ruled(acted), "test", "whol")
    assert (code, error.count("\n")) == (2, 1)
    assert "no site has an alert rule 'whol'" in error
    assert "did you mean 'whole'?" in error


def test_a_value_over_the_limit_is_one_finding_that_people_act_on(acted: Asking) -> None:
    before = {each["finding_id"] for each in listed(acted)}
    new = [each for each in listed(ruled(acted)) if each["source"] == "alert rules" and each["cause"] == "whole"]
    [one] = new
    assert one["finding_id"] not in before
    assert "is above the limit of 1 kWh, since" in str(one["what"])
    assert act(acted, one["finding_id"], "acknowledge", reason="known") == 303
    now = next(each for each in listed(acted) if each["finding_id"] == one["finding_id"])
    assert now["state"] == "acknowledged"
    assert "Whole plant" in acted.get("/findings", headers=[PAGE], site="plant").text
    german = acted.get("/findings", headers=[PAGE], site="plant", locale="de").text
    assert "über dem Grenzwert von 1" in german


def test_rows_of_months_are_read_again_only_when_marts_or_rules_change(acted: Asking) -> None:
    listed(ruled(acted))
    project = acted.project
    place = project.cache.place("excursions")

    def made() -> int:
        before = place.made
        opened = OpenProject(str(project.project.root))
        assert over_limits(opened, opened.site("plant"), acted.clock.now_utc(), "en")
        return place.made - before

    made()
    assert made() == 0
    mart = next(project.project.marts_dir.rglob("site=plant/*"))
    times = mart.stat()
    os.utime(mart, ns=(times.st_atime_ns, times.st_mtime_ns + 1))
    assert (made(), made()) == (1, 0)
    ruled(acted, *({**each, "name": "Another"} for each in RULES))
    assert made() == 1


def test_a_rule_judges_what_its_source_finds_and_adds_no_second_finding(acted: Asking) -> None:
    cheap, dear, unpriced = event(acted, 20.0), event(acted, 60.0, days=9), event(acted, None, days=14)
    before = {str(each["finding_id"]): each["severity"] for each in listed(acted)}
    assert {before[each] for each in (cheap, dear, unpriced)} == {3}
    after = {str(each["finding_id"]): each["severity"] for each in listed(ruled(acted))}
    assert cheap not in after
    assert (after[dear], after[unpriced]) == (1, 1)
    ruled(acted, {"rule_id": "hush", "kind": "anomaly", "scope": "meter:hvac", "mute": True})
    assert not {cheap, dear, unpriced} & {str(each["finding_id"]) for each in listed(acted)}


def test_a_changed_rule_is_a_new_version_and_none_is_overwritten(acted: Asking) -> None:
    store, ledger = acted.project.store, AlertRules(acted.project.store)
    look(ruled(acted).project, acted.clock)
    look(acted.project, acted.clock)
    assert [each.version for each in ledger.history("plant")] == [1] * 7
    between = acted.clock.now_utc() + timedelta(minutes=1)
    text = with_rules(acted, RULES[0] | {"limit": 2}, *RULES[1:-1])
    later = Asking(acted.project, FixedClock(between + timedelta(minutes=1)), acted.person)
    page = later.get("/settings/sites/plant", headers=[PAGE])
    assert "Would have fired in 12 months" in page.text
    german = later.get("/settings/sites/plant", headers=[PAGE], locale="de").text
    assert all(word in german for word in ("Alarmregeln", "nicht bekannt", "0 Fälle", "Hätte in 12 Monaten ausgelöst"))
    seen = page.text.partition('name="seen" value="')[2].partition('"')[0]
    saved = posted(later, "/settings/sites/plant", form={"seen": seen, "text": text})
    assert saved.status == 303
    last = ledger.history("plant")[7:]
    assert [(each.rule_id, each.version, each.person_id, each.rule is None) for each in last] == [
        ("whole", 2, "anne", False), ("old", 2, "anne", True),
    ]  # fmt: skip
    then = later.json("/alerts", site="plant", as_of=between.isoformat().replace("+00:00", "Z"))["rules"]
    assert (len(then), then[0]["limit"], then[0]["version"]) == (7, 1.0, 1)
    now = later.json("/alerts", site="plant")["rules"]
    assert (len(now), now[0]["limit"], now[0]["version"], now[0]["person_id"]) == (6, 2.0, 2, "anne")
    assert AlertRules(store).record(acted.project.site("plant"), acted.clock) == 0

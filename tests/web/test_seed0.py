"""The EnPI guide's six endpoints: field for field, by the same functions as the command line."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from assets.stores.published.report_ledger import RevisionDraft
from data_quality.contracts.reporting.figure import Figure, Trace
from data_quality.contracts.yaml_file import load_yaml, yaml_text
from tests.e2e.conftest import call_here
from tests.web.asking import Answer
from tests.web.marts_world import Asking
from tests.web.why_world import posted

LINE = {"id", "name", "energy_source", "machine_count", "baseline_year", "has_baseline", "last_report"}
SOURCE = {
    "id", "name", "unit", "cost_per_unit", "carbon_factor", "valid_from", "valid_to", "currency", "is_secondary",
}  # fmt: skip
REPORT = {"seu_id": "plant/hvac", "report_year": 2025, "baseline_year": 2024, "period": "Q1"}
NEW = {"name": "Compressor Group", "energy_source": "electricity", "machine_ids": ["compressor_1"], "site": "plant"}


def get(asking: Asking, path: str, **query: str) -> dict[str, Any]:
    answer = asking.get(f"/api/v1{path}", **query)
    assert answer.status == 200, answer.text
    assert answer.said["success"] is True
    return answer.said


def refused(answer: Answer, status: int, code: str) -> None:
    assert (answer.status, answer.said["code"], answer.said["success"]) == (status, code, False), answer.text


def written_by_hand(acted: Asking) -> Path:
    """The site's file in block form, with a comment."""
    path = acted.project.project.sites_dir / "plant.yaml"
    site = acted.project.site("plant").model_dump(mode="json", exclude_defaults=True)
    path.write_text(f"# The plant, as its people know it\n{yaml_text(site)}")
    return path


def test_uses_have_the_guides_fields(seen: Asking) -> None:
    data = get(seen, "/seus", energy_source="electricity", is_active="true")["data"]
    assert len(data) == 3
    assert all(set(each) >= LINE for each in data)
    [hvac] = [each for each in data if each["id"] == "plant/hvac"]
    assert (hvac["baseline_year"], hvac["has_baseline"], hvac["machine_count"]) == (2024, True, 1)
    assert get(seen, "/seus", energy_source="water")["data"] == []
    for wrong in ({"energy_source": "coal"}, {"is_active": "1"}, {"unknown": "1"}):
        refused(seen.get("/api/v1/seus", **wrong), 400, "bad_address")


def test_uses_are_asked_for_by_being_active_or_not(acted: Asking) -> None:
    path = written_by_hand(acted)
    assert get(acted, "/seus", is_active="false")["data"] == []
    plant = acted.project.site("plant")
    uses = tuple(each.model_copy(update={"is_active": each.seu_id != "hvac"}) for each in plant.seus)
    idle = plant.model_copy(update={"seus": uses})
    path.write_text(yaml_text(idle.model_dump(mode="json", exclude_defaults=True)))
    off, on = ({each["id"] for each in get(acted, "/seus", is_active=word)["data"]} for word in ("false", "true"))
    assert off == {"plant/hvac"}
    assert off | on == {each["id"] for each in get(acted, "/seus")["data"]}
    assert not off & on


def test_the_last_report_of_a_use_is_one_that_tells_of_it(acted: Asking) -> None:
    def last() -> dict[str, str | None]:
        return {each["id"]: each["last_report"] for each in get(acted, "/seus")["data"]}

    before, now = last(), acted.clock.now_utc()
    trace = Trace(computation="none", code_sha256="0" * 64, as_of_utc=now, inputs=())
    figure = Figure(
        figure_id="f" * 16, path="p", label="HVAC", kpi="actual_kwh", scope="seu:hvac", start=date(2099, 1, 1),
        end=date(2099, 4, 1), value=None, unit="kwh", trace=trace,
    )  # fmt: skip
    named = {"report_id": "enpi_quarter/plant/2099-Q1", "name": "enpi_quarter", "site_id": "plant", "period": "2099-Q1"}
    draft = RevisionDraft(**named, status="final", content_sha256="1" * 64, as_of_utc=now)
    acted.project.reports.add_revision(draft, lambda _: ({}, [figure]), acted.clock)
    assert last() == before | {"plant/hvac": "2099-Q1"}


def test_sources_have_a_value_only_where_one_holds(seen: Asking) -> None:
    data = {each["id"]: each for each in get(seen, "/energy-sources")["data"]}
    assert all(set(each) == SOURCE for each in data.values())
    power = data["electricity"]
    # Peak and night have two prices: there is none of a kWh.
    assert (power["carbon_factor"], power["valid_from"], power["cost_per_unit"]) == (0.363, "2024-01-01", None)
    assert (data["water"]["unit"], data["water"]["carbon_factor"]) == ("m3", None)


def test_a_report_is_what_the_command_says(seen: Asking) -> None:
    answer = posted(seen, "/api/v1/reports/seu-performance", REPORT)
    assert answer.status == 200, answer.text
    report = answer.said["report"]
    code, said, _ = call_here(
        "enpi", "--site", "plant", "--seu", "hvac", "--period", "2025-Q1", "--project", str(seen.project.root)
    )
    assert code == 0
    names = {
        "actual_consumption": "actual_kwh", "expected_consumption": "expected_kwh", "deviation_kwh": "delta_kwh",
        "deviation_percent": "deviation_percent", "compliance_status": "status",
    }  # fmt: skip
    assert {mine: report[mine] for mine in names} == {mine: said[name] for mine, name in names.items()}
    assert list(report["breakdown"]) == ["jan", "feb", "mar"]
    for month, row in zip(report["breakdown"].values(), said["months"], strict=True):
        is_known = row["status"] != "not_assessable"
        assert month["actual"] == (row["actual_kwh"] if is_known else None)
        assert month["deviation"] == (row["deviation_percent"] if is_known else None)
    why = seen.get(report["why"].replace("/why", "/api/v1/ems/why", 1)).said
    assert (why["figure"]["value"], why["is_equal"]) == (report["deviation_percent"], True)


def test_what_cannot_be_assessed_has_no_numbers(seen: Asking) -> None:
    for wanted in ({"report_year": 2026}, {"period": "Q3"}):
        report = posted(seen, "/api/v1/reports/seu-performance", REPORT | wanted).said["report"]
        assert report["compliance_status"] == "not_assessable"
        assert [report[name] for name in ("actual_consumption", "expected_consumption", "deviation_kwh")] == [None] * 3
    refused(posted(seen, "/api/v1/reports/seu-performance", REPORT | {"baseline_year": 2020}), 404, "no_baseline")
    refused(posted(seen, "/api/v1/reports/seu-performance", REPORT | {"seu_id": "hvac"}), 404, "unknown_seu")
    refused(posted(seen, "/api/v1/reports/seu-performance", REPORT | {"seu_id": "nowhere/hvac"}), 404, "unknown_site")
    refused(posted(seen, "/api/v1/reports/seu-performance", REPORT | {"period": "Q5"}), 422, "wrong_shape")
    refused(posted(seen, "/api/v1/reports/seu-performance", REPORT | {"report_year": "x"}), 422, "wrong_shape")


def test_the_index_is_a_hundred_times_actual_by_expected(seen: Asking) -> None:
    asked = {"seu_id": "plant/hvac", "start_year": "2023", "end_year": "2025"}
    [row] = get(seen, "/analytics/enpi", **asked)["data"]
    report = posted(seen, "/api/v1/reports/seu-performance", REPORT).said["report"]
    wanted = 100 * report["actual_consumption"] / report["expected_consumption"]
    assert (row["year"], row["quarter"], row["baseline_version"]) == (2025, "Q1", 1)
    assert row["enpi"] == pytest.approx(wanted, rel=1e-14)
    assert row["enpi"] - 100 == pytest.approx(row["deviation_percent"], abs=1e-10)
    for wrong in ({"start_year": "2026"}, {"start_year": "1"}, {"end_year": "٢٠٢٥"}):
        refused(seen.get("/api/v1/analytics/enpi", **asked | wrong), 400, "bad_period")


def test_one_use_more_keeps_every_comment(acted: Asking) -> None:
    path = written_by_hand(acted)
    tag = acted.get("/api/v1/seus", site="plant").headers["etag"]
    refused(posted(acted, "/api/v1/seus", NEW), 428, "no_if_match")
    refused(posted(acted, "/api/v1/seus", NEW, if_match='"else"'), 412, "changed_since")
    for wrong, status, code in (
        ({"machine_ids": ["nothing"]}, 404, "unknown_meter"),
        ({"machine_ids": ["water"]}, 422, "wrong_carrier"),
        ({"machine_ids": []}, 422, "wrong_shape"),
        ({"energy_source": "coal"}, 422, "wrong_shape"),
        ({"name": "±"}, 422, "bad_name"),
        ({"name": "a\u202eb\n"}, 422, "bad_name"),
        ({"site": "nowhere"}, 404, "unknown_site"),
        ({"more": 1}, 422, "wrong_shape"),
        ({"name": "hvac"}, 409, "exists"),
    ):
        refused(posted(acted, "/api/v1/seus", NEW | wrong, if_match=tag), status, code)
    before = path.read_text()
    said = {"description": "two # machines\nof the hall"}
    made = posted(acted, "/api/v1/seus", NEW | said, if_match=tag)
    assert made.status == 201, made.text
    data = made.said["data"]
    assert (data["id"], data["has_baseline"], data["machine_count"]) == ("plant/compressor_group", False, 1)
    assert made.headers["etag"] != tag
    assert path.read_text().startswith("# The plant, as its people know it\n")
    assert set(before.splitlines()) <= set(path.read_text().splitlines())
    assert [seu["seu_id"] for seu in load_yaml(path)["seus"]][-1] == "compressor_group"
    refused(posted(acted, "/api/v1/seus", NEW, if_match=tag), 412, "changed_since")
    refused(posted(acted, "/api/v1/seus", NEW, if_match=made.headers["etag"]), 409, "exists")


TRAIN = {
    "seu_id": "plant/hvac", "baseline_year": 2025, "start_date": "2025-01-01", "end_date": "2025-03-31",
    "features": ["avg_temp_c"],
}  # fmt: skip


def test_training_refuses_what_it_cannot_mean(acted: Asking) -> None:
    for wrong, code in (
        ({"features": ["machine_temp_c"]}, "endogenous_driver"),
        ({"features": ["moon"]}, "unknown_driver"),
        ({"features": ["pieces"]}, "unknown_driver"),
    ):
        refused(posted(acted, "/api/v1/baseline/seu/train", TRAIN | wrong), 422, code)
    for wrong in ({"end_date": "2024-01-01"}, {"baseline_year": 2024}):
        refused(posted(acted, "/api/v1/baseline/seu/train", TRAIN | wrong), 400, "bad_period")
    refused(posted(acted, "/api/v1/baseline/seu/train", TRAIN | {"start_date": "1.1.2025"}), 422, "wrong_shape")


@pytest.mark.slow
def test_training_registers_what_the_command_would(acted: Asking) -> None:
    written_by_hand(acted)
    answer = posted(acted, "/api/v1/baseline/seu/train", TRAIN, idempotency_key="once")
    # Under the same key it is begun once, done or not; under it nothing else is.
    for _ in range(20):
        if answer.status != 202:
            break
        job = acted.get(answer.headers["location"]).said
        assert job["state"] in ("queued", "running", "done")
        answer = posted(acted, "/api/v1/baseline/seu/train", TRAIN, idempotency_key="once")
    other = TRAIN | {"end_date": "2025-02-27"}
    refused(posted(acted, "/api/v1/baseline/seu/train", other, idempotency_key="once"), 422, "other_body")
    assert posted(acted, "/api/v1/baseline/seu/train", TRAIN, idempotency_key="once").said == answer.said
    assert len(acted.project.baselines.versions("plant", "hvac")) == 2
    assert answer.status == 200, answer.text
    said = answer.said
    assert (said["success"], said["status"], said["seu_id"]) == (True, "provisional", "plant/hvac")
    assert said["formula"].startswith("Energy [kWh/day] = ")
    assert set(said["coefficients"]) >= {"intercept"}
    version = acted.project.baselines.get("plant/hvac/enb", said["baseline_version"])
    assert (version.fitted_by, version.baseline.statistics.r2) == ("anne", said["r_squared"])

"""`meterloom anomalies learn`: labels become a version that scoring reads, with a run and a card in the registry."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.stores.ledgers.anomaly_ledger import AnomalyLedger
from assets.stores.ledgers.cause_models import CauseModels
from data_quality.contracts.errors import OurFault
from data_quality.contracts.people import Person, Role
from data_quality.contracts.reporting.anomaly_event import AnomalyEvent, Cause, event_id_of
from data_quality.contracts.time import FixedClock
from ml.anomaly_causes.cause_model import shipped_causes
from ml.anomaly_scoring.learn_project import PICTURE, learn_project
from ml.anomaly_scoring.score_site import leading_causes, opened
from ml.tracking import CHAMPION, MlflowTracker
from orchestration.partitions import SITES
from orchestration.previews import confusion_png
from orchestration.resources import ProjectResource
from tests.ml.anomaly_scoring.scored import MARCH, NOW, START, scored, works
from tests.ml.anomaly_scoring.test_events_command import run

OTTO = Person(person_id="otto", name="Otto", roles=(Role.OPERATOR,))
CLOCK = FixedClock(NOW)
SHIPPED = str(shipped_causes().version)
KEYS = {"version", "digest", "labels", "macro_f1", "shipped_macro_f1", "ece", "taken", "reason"}


def labelled(project: ProjectResource, count: int) -> None:
    """Nights and mornings of the press as stored events, labelled by which of both they are."""
    events = [_event(START + timedelta(days=45 + 2 * (n // 2), hours=9 if n % 2 else 21)) for n in range(count)]
    causes: list[Cause] = ["weather" if n % 2 else "scheduled_change" for n in range(count)]
    ledger = AnomalyLedger(project.store)
    ledger.note("works", events, clock=CLOCK)
    for event, cause in zip(events, causes, strict=True):
        ledger.label(event, cause, person=OTTO, reason="seen", clock=CLOCK)


def _event(start_utc: datetime) -> AnomalyEvent:
    return AnomalyEvent(
        event_id=event_id_of("works", "press", "consumption", "high", start_utc), site_id="works", meter_id="press",
        register_id="consumption", kind="high" if start_utc.hour < 12 else "night_waste", severity=4,
        start_utc=start_utc, end_utc=start_utc + timedelta(hours=8), currency="EUR", params_version="1",
    )  # fmt: skip


def tracker(project: ProjectResource) -> MlflowTracker:
    return MlflowTracker(project.project.mlflow_uri, project.project.mlflow_artifacts_dir)


def test_with_few_labels_the_shipped_model_leads_and_has_a_run_with_a_card(project: ProjectResource) -> None:
    labelled(project, 6)
    code, message = run(project, "learn", "--as", "otto")
    assert (code, message["model"].keys() >= KEYS) == (0, True)
    model = message["model"]
    assert (model["version"], model["labels"], model["taken"], model["reason"]) == (SHIPPED, 6, False, "few_labels")
    assert message["findings"][0]["code"] == "few_labels"
    assert leading_causes(project.store) == shipped_causes()
    [version] = tracker(project).versions("anomaly_causes")
    assert tracker(project).get_alias("anomaly_causes", CHAMPION) == version.version
    [stored] = CauseModels(project.store).history()
    assert (stored.reason, stored.run_id, stored.figures["macro_f1"]) == ("shipped", version.run_id, 0.879)
    # Decisions on forecasts stand in the same table, and are told apart.
    assert project.forecasts.promotions() == []
    assert "analyst" in run(project, "learn", "--as", "vera")[1]


def accept(project: ProjectResource, version: str, who: str = "anna") -> tuple[int, Any]:
    return run(project, "accept", version, "--as", who, "--reason", "looked at the picture")


def test_labels_make_a_version_that_batch_and_minutes_read_once_another_person_accepts_it(
    project: ProjectResource,
) -> None:
    labelled(project, 24)
    model = run(project, "learn", "--as", "otto")[1]["model"]
    assert (model["version"], model["labels"], model["taken"]) == (f"{SHIPPED}.1", 24, False)
    assert (model["proposed"], model["reason"]) == (True, "better")
    assert leading_causes(project.store) == shipped_causes()
    assert tracker(project).get_alias("anomaly_causes", CHAMPION) == 1
    code, message = accept(project, f"{SHIPPED}.1")
    assert (code, message["model"]["accepted_by"], message["model"]["taught_by"]) == (0, "anna", ["otto"])
    assert model["macro_f1"] > model["shipped_macro_f1"]
    assert 0 <= model["ece"] <= 1
    assert run(project, "learn", "--as", "otto")[1]["new"] is False
    assert [each.accepted_by for each in CauseModels(project.store).history()] == ["", "", "anna"]
    learned = leading_causes(project.store)
    assert (learned.name, learned.digest) == (f"{SHIPPED}.1", model["digest"])
    # The files in the registry are what leads here.
    registry = tracker(project)
    newest = registry.versions("anomaly_causes")[-1]
    assert json.loads(registry.load_files("anomaly_causes", newest.version)["causes.json"]) == json.loads(
        learned.model_dump_json()
    )
    assert registry.get_alias("anomaly_causes", CHAMPION) == newest.version == 2
    assert registry.metrics(newest.run_id)["shipped_macro_f1"] == model["shipped_macro_f1"]
    files = {path.name for path in Path(project.project.mlflow_artifacts_dir).rglob("*") if path.is_file()}
    assert {"card.md", PICTURE} <= files
    found = scored(project.lake, works(), MARCH)
    assert {each.params_version.partition("-")[2] for each in found.events} == {f"{SHIPPED}.1"}
    assert found.limits is not None
    assert found.limits.params_version == found.events[0].params_version


def test_a_model_that_is_not_better_is_kept_and_does_not_lead(
    project: ProjectResource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml.anomaly_causes.learn_causes.PULL", 1e12)
    labelled(project, 20)
    model = run(project, "learn", "--as", "otto")[1]["model"]
    assert (model["taken"], model["reason"], model["version"]) == (False, "not_better", f"{SHIPPED}.1")
    assert "is not better" in accept(project, f"{SHIPPED}.1")[1]
    assert leading_causes(project.store) == shipped_causes()
    assert tracker(project).get_alias("anomaly_causes", CHAMPION) == 1


def test_who_taught_a_version_cannot_accept_it_and_the_shipped_one_can_be_brought_back(
    project: ProjectResource,
) -> None:
    labelled(project, 24)
    people = project.project.root / "people.yaml"
    people.write_text(people.read_text().replace("roles: [operator]", "roles: [operator, approver]"))
    # Learned by the schedule: the labels are still Otto's alone.
    learn_project([works()], project.lake, tracker=tracker(project), clock=CLOCK, draw=confusion_png)
    assert "another person accepts it" in accept(project, f"{SHIPPED}.1", "otto")[1]
    assert "has not the role 'approver'" in accept(project, f"{SHIPPED}.1", "vera")[1]
    assert "no version '9.9'" in accept(project, "9.9")[1]
    assert leading_causes(project.store) == shipped_causes()
    assert accept(project, f"{SHIPPED}.1")[0] == 0
    assert "leads already" in accept(project, f"{SHIPPED}.1")[1]
    assert accept(project, SHIPPED)[0] == 0
    assert leading_causes(project.store) == shipped_causes()
    assert tracker(project).get_alias("anomaly_causes", CHAMPION) == 1


def test_parameters_that_are_not_those_of_their_digest_are_refused(project: ProjectResource) -> None:
    run(project, "learn", "--as", "otto")
    [version] = CauseModels(project.store).history()
    changed: Any = version.parameters | {"temperature": 3.0}
    with pytest.raises(OurFault, match="not those of its digest"):
        opened(version.model_copy(update={"parameters": changed}))


@pytest.mark.filterwarnings("ignore")
def test_the_job_of_the_night_learns_after_it_scored(project: ProjectResource) -> None:
    from ml.defs import core_project__cause_model, core_site__anomaly_events
    from orchestration.jobs import anomalies

    labelled(project, 24)
    found = dg.Definitions(
        assets=[core_site__anomaly_events, core_project__cause_model], jobs=[anomalies],
        resources={"project": project, "clock": CLOCK},
    )  # fmt: skip
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(SITES.name or "", ["works"])
        job = found.resolve_job_def("anomalies")
        result = job.execute_in_process(instance=instance, partition_key="2025-03-01|works")
    (made,) = result.asset_materializations_for_node("core_project__cause_model")
    assert (made.metadata["version"].value, made.metadata["leads"].value) == (f"{SHIPPED}.1", False)
    assert made.metadata["waits_for_a_person"].value is True
    assert str(made.metadata["confusion"].value).startswith("![")

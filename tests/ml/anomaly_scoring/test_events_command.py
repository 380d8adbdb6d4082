"""`meterloom anomalies` in a project: scored once, listed, acted on, labelled; and the same events in Dagster."""

import json
from typing import Any

import dagster as dg
import pytest
from typer.testing import CliRunner

from data_quality.contracts.time import FixedClock
from orchestration.cli.main import build_app
from orchestration.partitions import SITES
from orchestration.resources import ProjectResource
from tests.ml.anomaly_scoring.scored import NOW

KEYS = {
    "id", "start_utc", "end_utc", "meter", "kind", "cause", "confidence", "severity", "kwh", "cost", "currency",
    "state", "figure_ids",
}  # fmt: skip


def run(project: ProjectResource, *words: str) -> tuple[int, Any]:
    arguments = ["anomalies", *words, "--project", str(project.project.root), "--json"]
    result = CliRunner().invoke(build_app(("anomalies",)), arguments)
    return result.exit_code, json.loads(result.stdout) if result.exit_code == 0 else result.stderr


def test_a_month_is_scored_once_listed_and_acted_on(project: ProjectResource) -> None:
    code, first = run(project, "--site", "works", "--period", "2025-03")
    assert (code, first["new"], first["judged"]) == (0, 2, 2)
    assert all(each.keys() >= KEYS for each in first["events"])
    assert run(project, "--site", "works", "--period", "2025-03")[1]["new"] == 0
    event = first["events"][1]["id"]
    who = ("--as", "otto", "--reason", "the press is seen to")
    assert run(project, "ack", event[:6], *who)[1]["event"]["state"] == "acknowledged"
    assert run(project, "mute", event, "--until", "2099-01-01", *who)[1]["event"]["state"] == "muted"
    assert event not in str(run(project, "list")[1])
    assert event in str(run(project, "list", "--site", "works", "--all")[1])
    assert run(project, "explain", event, *who)[1]["event"]["state"] == "explained"
    # The list of findings has the same event under the same id, with the same acts.
    words = ["findings", "list", "--site", "works", "--all", "--json", "--project", str(project.project.root)]
    listed = json.loads(CliRunner().invoke(build_app(("findings",)), words).stdout)["findings"]
    [mine] = [each for each in listed if each["finding_id"] == event]
    assert (mine["source"], mine["state"], mine["person_id"]) == ("anomalies", "explained", "otto")
    assert "use at night unusually high" in mine["what"]


def test_a_label_is_kept_and_what_is_wrong_is_one_sentence(project: ProjectResource) -> None:
    events = run(project, "--site", "works", "--period", "2025-03")[1]["events"]
    event, who = events[0]["id"], ("--as", "otto", "--reason", "fans ran")
    assert run(project, "label", event, "--cause", "waste", *who)[1]["events"][0]["label"] == "waste"
    wrong = {
        "otto labelled": ("label", event, "--cause", "weather", *who),
        "no event with an id that starts with 'ffff'": ("label", "ffff", "--cause", "waste", *who),
        "analyst": ("label", event, "--cause", "waste", "--as", "vera", "--reason", "x"),
        "a mute ends later than now": ("mute", event, "--until", "2001-01-01", *who),
        "scored for a period": ("--site", "works"),
        "is of the future": ("--site", "works", "--period", "2199-03"),
        "has no readings": ("--site", "works", "--period", "2019-03"),
    }
    for reported, words in wrong.items():
        code, message = run(project, *words)
        assert (code, reported in message) == (2, True), message
    assert run(project, "label", event, "--cause", "weather", "--replace", *who)[1]["events"][0]["label"] == "weather"


@pytest.mark.filterwarnings("ignore")
def test_the_asset_shows_events_with_pictures_and_warns_of_costly_ones(project: ProjectResource) -> None:
    from ml.defs import core_site__anomaly_events, no_costly_anomaly_is_open

    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(SITES.name or "", ["works"])
        result = dg.materialize(
            [core_site__anomaly_events, no_costly_anomaly_is_open],
            instance=instance,
            partition_key="2025-03-01|works",
            resources={"project": project, "clock": FixedClock(NOW)},
        )
    (made,) = result.asset_materializations_for_node("core_site__anomaly_events")
    assert (made.metadata["dagster/row_count"].value, made.metadata["written"].value) == (2, 2)
    assert "| press | night waste | waste | 0." in str(made.metadata["events"].value)
    pictures = [name for name, each in made.metadata.items() if str(each.value).startswith("![")]
    assert pictures == ["main night waste 2025-03-11", "press night waste 2025-03-11"]
    # Without marts no event has a cost.
    (check,) = result.get_asset_check_evaluations()
    assert (check.passed, check.metadata["events"].value) == (True, 0)

"""An endpoint of an operation answers the JSON of its command, for who may see all of the site."""

import inspect
import json

import pytest
from typer.testing import CliRunner

from orchestration.cli.main import build_app
from orchestration.operations.commands import command
from orchestration.web.api.operations_api import ENDPOINTS, offered
from tests.web.marts_world import Asking
from tests.web.why_world import ANNE, tenant

# What is asked of each beside the site, as query and as options.
ASKED: dict[str, dict[str, str]] = {
    "meters balance": {"period": "2025-03"},
    "enpi": {"seu": "hvac", "period": "2025-03"},
    "carbon footprint": {"period": "2025-03"},
    "factors list": {"on": "2025-03-01"},
    "tariff carriers": {"on": "2025-03-01"},
    "carbon restate": {"period": "2025-03", "from": "2025-05-01T00:00:00Z", "to": "2025-06-01T00:00:00Z"},
    "devices catalogue": {"kind": "battery"},
}
# What stands in the path of its address: an argument of its command.
IN_PATH = {
    "alerts test": {"rule": "nights"},
    "orders show": {"order": "none"},
    "dr event show": {"event": "none"},
    "workflows show": {"name": "anomaly_response"},
    "nilm show": {"disaggregation": "none"},
    "advise show": {"recommendation": "none"},
    "bill show": {"bill": "none"},
    "forecast show": {"forecast": "none"},
    "plans show": {"plan": "none"},
    "baseline show": {"baseline_id": "plant/hvac/enb"},
    "reports show": {"revision": "enpi_quarter/plant/2025-Q1@1"},
}
NAMES = [name for _, name, _ in ENDPOINTS]
PATHS = {name: path.replace(":path}", "}").format(**IN_PATH.get(name, {})) for path, name, _ in ENDPOINTS}
OPERATIONS = {name: command(name) for name in NAMES}


@pytest.fixture
def anne(seen: Asking) -> Asking:
    """As an engineer asks, who may see devices too."""
    return Asking(seen.project, seen.clock, ANNE)


def words_of(name: str) -> set[str]:
    return {each.word for each in offered(OPERATIONS[name])}


def query_of(name: str) -> dict[str, str]:
    return ASKED.get(name, {}) | ({"site": "plant"} if "site" in words_of(name) else {})


@pytest.mark.parametrize("name", NAMES)
def test_an_endpoint_answers_the_json_of_its_command(anne: Asking, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestration.operations.operation.SystemClock", lambda: anne.clock)
    given = query_of(name)
    options = [word for key, value in given.items() for word in (f"--{key.replace('_', '-')}", value)]
    project = [] if not OPERATIONS[name].takes else ["--project", str(anne.project.project.root)]
    words = [*name.split(), *IN_PATH.get(name, {}).values(), *options, *project, "--json"]
    command = CliRunner().invoke(build_app((words[0],)), words)
    # Of the plant some are refused, by both doors in the same sentence.
    answer = anne.get(f"/api/v1/ems{PATHS[name]}", **given)
    if answer.status == 200:
        # A command that reads no project has none to keep its numbers in; of all others the ids are the same too.
        ids = ("figure_ids", "figure_ids_until_utc") if not OPERATIONS[name].takes else ()
        assert json.loads(command.stdout) == {key: each for key, each in answer.said.items() if key not in ids}
    else:
        assert (answer.status in (404, 422), command.exit_code) == (True, 2), (answer.text, command.output)
        assert answer.said["detail"] in command.stderr


def test_most_endpoints_have_something_to_answer_here(anne: Asking) -> None:
    statuses = {name: anne.get(f"/api/v1/ems{PATHS[name]}", **query_of(name)).status for name in NAMES}
    assert sum(status == 200 for status in statuses.values()) >= len(NAMES) - len(IN_PATH), statuses


@pytest.mark.parametrize("name", [name for name in NAMES if "site" in words_of(name)])
def test_who_sees_a_part_of_a_site_is_told_of_none(seen: Asking, name: str) -> None:
    answer = tenant(seen).get(f"/api/v1/ems{PATHS[name]}", **query_of(name))
    assert answer.status in (403, 404), answer.text


@pytest.mark.parametrize("name", NAMES)
def test_no_endpoint_takes_a_file_or_every_site_at_once(name: str) -> None:
    kinds = {each.word: str(each.kind) for each in offered(OPERATIONS[name])}
    assert not [word for word, kind in kinds.items() if "Path" in kind]
    assert "portfolio" not in kinds


def test_a_value_of_another_kind_is_refused_by_name(seen: Asking) -> None:
    faults = {
        ("/enpi", "years", "many"): "years: expected",
        ("/enpi", "years", "11"): "years: expected",
        ("/enpi", "trend", "perhaps"): "trend: expected",
        ("/quarantine", "all", "2"): "all: expected",
    }
    for (path, word, value), sentence in faults.items():
        answer = seen.get(
            f"/api/v1/ems{path}",
            site="plant",
            **({"seu": "hvac", "period": "2025-03"} if path == "/enpi" else {}),
            **{word: value},
        )
        assert (answer.status, answer.said["code"]) == (400, "bad_address"), answer.text
        assert sentence in answer.said["detail"]


def test_what_is_needed_and_missing_is_named(seen: Asking) -> None:
    answer = seen.get("/api/v1/ems/meters/balance", site="plant")
    assert answer.status == 400
    assert answer.said["detail"] == "period is missing (2025-03 or START/END)"


def test_an_instant_that_is_yet_to_come_is_refused(seen: Asking) -> None:
    answer = seen.get("/api/v1/ems/bills", site="plant", as_of="2099-01-01T00:00:00Z")
    assert (answer.status, answer.said["code"]) == (400, "bad_as_of")


def test_a_shell_and_an_address_ask_the_same_parameters() -> None:
    for operation in OPERATIONS.values():
        own = list(inspect.signature(operation.function).parameters)[1:]
        assert own == [each.name for each in operation.parameters], operation.name

"""`meterloom dispatch set` as people use it: what is sent, what is refused and why, and how it ends."""

import pytest

from assets.stores.schema.tables_reports import signatures
from assets.stores.transactions import Store
from controls.ledger.device_lease import acquire_lease
from data_quality.contracts.time import SystemClock
from tests.orchestration.test_dispatch_commands import Run, folder, run, store

__all__ = ["folder", "run", "store"]
SET = ("set", "--device", "battery", "--for", "2h")


@pytest.fixture
def agent(store: Store) -> Store:
    """The store of a site whose agent is at work."""
    assert acquire_lease(store, "home", "agent-1", now_utc=SystemClock().now_utc()) is not None
    return store


def test_below_partial_it_says_what_would_be_sent_and_from_which_mode_on(run: Run) -> None:
    code, answer, _ = run(*SET, who="olaf", why="guests")
    assert (code, answer["mode"], answer["holds"]) == (0, "SIMULATION", [])
    [command] = answer["commands"]
    # Of 5 kW, the share that PARTIAL allows.
    assert (command["value"], command["state"], command["evidence"]) == (1.5, "ADVISED", [])
    said = run(*SET, who="olaf", why="guests", text=True)[1]
    assert "battery at 1.5 kW until 20" in said
    assert "not sent in mode SIMULATION. Commands are sent from PARTIAL on: meterloom dispatch mode PARTIAL" in said


def test_it_is_released_held_signed_and_given_back(run: Run, agent: Store) -> None:
    assert run("mode", "PARTIAL", who="carla", why="commissioned")[0] == 0
    code, answer, _ = run(*SET, "--value", "1.2", who="olaf", why="guests")
    [command], [hold] = answer["commands"], answer["holds"]
    assert (code, command["state"], command["id"]) == (0, "RELEASED", hold["command_id"])
    assert (hold["value"], hold["person_id"], hold["until_utc"]) == (1.2, "olaf", command["valid_until"])
    assert any('"kind":"dispatch set"' in row["action"] for row in agent.rows(signatures.select()))
    assert run("verify")[1]["verified"]
    code, answer, _ = run("override", "--device", "battery", "--give-back", who="olaf", why="they left")
    assert (code, answer["holds"]) == (0, [])
    assert [each["state"] for each in run("ledger")[1]["commands"]] == ["SUPERSEDED"]


def test_an_energy_is_as_long_as_it_takes_at_that_power(run: Run, agent: Store) -> None:
    assert run("mode", "PARTIAL", who="carla", why="commissioned")[0] == 0
    [command] = run("set", "--device", "battery", "--value", "1.2", "--kwh", "0.6", who="olaf", why="x")[1]["commands"]
    assert command["valid_from"][14:16] != command["valid_until"][14:16]
    for words in (("--kwh", "0"), ("--kwh", "-1"), ("--kwh", "nan"), ("--kwh", "1", "--value", "-1")):
        code, _, error = run("set", "--device", "battery", *words, who="olaf", why="x")
        assert (code, "energy" in error) == (2, True), error
    assert "8 h at most" in run("set", "--device", "battery", "--value", "1", "--kwh", "9", who="olaf", why="x")[2]


def test_what_cannot_be_is_refused_in_a_sentence(run: Run, agent: Store) -> None:
    assert run("mode", "PARTIAL", who="carla", why="commissioned")[0] == 0
    for words, said in (
        (("--device", "batery"), "no device 'batery'"),
        (("--device", "battery", "--value", "9"), "takes -5 to 5 kW, not 9"),
        (("--device", "battery", "--value", "nan"), "takes -5 to 5 kW, not nan"),
        (("--device", "battery", "--for", "soon"), "expected 45m"),
        (("--device", "battery", "--for", "9h"), "8 h at most"),
        (("--device", "battery", "--for", ""), "got nothing"),
    ):
        code, _, error = run("set", *words, who="olaf", why="x")
        assert (code, said in error) == (2, True), error
    assert "role" in run(*SET, who="anna", why="x")[2]
    # More than PARTIAL allows is no slip of the pen: it stands in the ledger with the guard's word.
    code, answer, _ = run(*SET, "--value", "4", who="olaf", why="x")
    assert (code, answer["commands"][0]["state"], answer["holds"]) == (1, "BLOCKED", [])
    assert (
        "refused: I01: 4 differs from the safe default" in run(*SET, "--value", "4", who="olaf", why="x", text=True)[1]
    )
    assert run("override", "--device", "battery", who="olaf", why="service")[0] == 0
    assert acquire_lease(agent, "home", "agent-1", now_utc=SystemClock().now_utc()) is not None
    assert "is held until" in run(*SET, who="olaf", why="x")[2]


def test_without_an_agent_nothing_is_recorded_and_the_way_on_is_named(run: Run) -> None:
    assert run("mode", "PARTIAL", who="carla", why="commissioned")[0] == 0
    code, _, error = run(*SET, who="olaf", why="guests")
    assert (code, "no control agent runs at home" in error, "meterloom up" in error) == (2, True, True)
    assert run("ledger")[1]["commands"] == []

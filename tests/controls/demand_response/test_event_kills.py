"""Events on a real PostgreSQL, their writer killed at any moment: what it confirmed stands, none began unapproved."""

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from assets.stores.audit import bad_rows
from assets.stores.ledgers.dr_events import DrEvents
from assets.stores.schema.tables_demand_response import dr_events
from assets.stores.transactions import Store, open_store
from controls.demand_response.event_life import fault_of
from data_quality.contracts.control.dr_event import DrEvent
from tests.controls.demand_response.test_event_life import COMMANDS, KEYS, NOW, PLAN, START, created

ROOT = Path(__file__).resolve().parents[3]
KILLS = 20
LIFE = ("created", "proposed", "approved", "armed", "active", "restore", "settled")
# Takes events through their life, each act once; of every third nobody approves the plan. Says each act that is stored.
WRITER = """
import json, sys
from datetime import datetime
from assets.stores.ledgers.dr_events import DrEvents
from assets.stores.transactions import connect_store
from controls.demand_response import event_life as life
from data_quality.contracts.control.curtailment import CurtailmentPlan
from data_quality.contracts.control.dr_event import DrEvent, EventCommand
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import SystemClock

given = json.load(open(sys.argv[2]))
plan, keys = CurtailmentPlan.model_validate(given["plan"]), given["keys"]
commands = [EventCommand.model_validate(each) for each in given["commands"]]
called = DrEvent.model_validate(given["event"])
now, start, end = datetime.fromisoformat(given["now"]), called.start_utc, called.end_utc
events, clock = DrEvents(connect_store(sys.argv[1])), SystemClock()


def act(event):
    is_approved = int(event.event_id[1:]) % 3 != 0
    if event.state == "created":
        return life.proposed(event, plan, commands, person_id="ann", reason="called", now_utc=now)
    if event.state == "proposed" and is_approved:
        return life.approved(event, digest=event.digest, person_id="bob", public_key="b", reason="seen", now_utc=now)
    if event.state in ("proposed", "approved"):
        try:
            return life.armed(event, keys, person_id="cyd", reason="go", now_utc=now)
        except BadInput:
            return life.by_clock(event, keys, start)
    if event.state == "restore":
        return life.moved(event, "settled")
    return life.by_clock(event, keys, start if event.state == "armed" else end)


known = events.current("plant")
number = len(known)
event = next((each for each in known if each.state not in ("settled", "lapsed")), None)
print("ready", flush=True)
while True:
    if event is None:
        number += 1
        event, _ = events.create(called.model_copy(update={"event_id": f"e{number}"}), clock)
    else:
        event = events.move(event, act, clock)
    print(event.event_id, event.state, flush=True)
    event = None if event.state in ("settled", "lapsed") else event
"""


@pytest.fixture
def store(postgres_url: str) -> Iterator[Store]:
    opened = open_store(postgres_url)
    yield opened
    opened.close()


def reported_by_writers(postgres_url: str, given: Path) -> list[tuple[str, ...]]:
    """The acts that writers said were stored, each killed at a moment of its own."""
    chance, outputs = random.Random(43), list[tuple[str, ...]]()
    for _ in range(KILLS):
        command = [sys.executable, "-c", WRITER, postgres_url, str(given)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            outputs += [tuple(process.stdout.readline().split()) for _ in range(chance.randint(0, 9))]
            # Somewhere within the next one.
            time.sleep(chance.uniform(0, 0.05))
            process.kill()
            outputs += [
                tuple(line.split()) for line in process.stdout.read().splitlines() if line.endswith(tuple(ENDS))
            ]
    return outputs


ENDS = (*LIFE, "lapsed")


def test_a_writer_killed_at_twenty_moments_loses_no_act_and_no_event_begins_unapproved(
    postgres_url: str, store: Store, tmp_path: Path
) -> None:
    given = tmp_path / "given.json"
    content = {
        "plan": PLAN.model_dump(mode="json"), "commands": [each.model_dump(mode="json") for each in COMMANDS],
        "event": created().model_dump(mode="json"), "now": NOW.isoformat(), "keys": KEYS,
    }  # fmt: skip
    given.write_text(json.dumps(content))
    outputs = reported_by_writers(postgres_url, given)
    rows = store.rows(dr_events.select().order_by(dr_events.c.id))
    stored = [(row["event_id"], row["state"]) for row in rows]
    assert len(outputs) > 3 * KILLS, "it came to write"
    assert set(outputs) <= set(stored)
    assert len(set(stored)) == len(stored), "no act twice"
    for each in DrEvents(store).current("plant"):
        states = [state for name, state in stored if name == each.event_id]
        life = LIFE if int(each.event_id[1:]) % 3 else ("created", "proposed", "lapsed")
        assert tuple(states) == life[: len(states)], each.event_id
    begun = [DrEvent.model_validate(row["event"]) for row in rows if row["state"] in ("active", "restore", "settled")]
    assert begun
    assert [each.event_id for each in begun if fault_of(each, KEYS, START)] == []
    assert bad_rows(store) == []

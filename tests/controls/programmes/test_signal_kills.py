"""Grid signals on a real PostgreSQL whose writer is killed at any moment: what it confirmed stands, sealed."""

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from assets.stores.audit import bad_rows
from assets.stores.ledgers.grid_signals import GridSignals
from assets.stores.schema.tables_signals import grid_signals
from assets.stores.transactions import Store, open_store

ROOT = Path(__file__).resolve().parents[3]
KILLS = 20
# Says a number once its signal is stored; each is the next modification of one of three events.
WRITER = """
import sys
from datetime import timedelta
from assets.stores.ledgers.grid_signals import GridSignals
from assets.stores.transactions import connect_store
from data_quality.contracts.control.grid_signal import IMPORT_LIMIT, GridSignal, SignalInterval
from data_quality.contracts.time import SystemClock

store, clock, number = connect_store(sys.argv[1]), SystemClock(), int(sys.argv[2])
signals = GridSignals(store)
print("ready", flush=True)
while True:
    number += 1
    span = SignalInterval(start_utc=clock.now_utc(), end_utc=None, value=float(number))
    signals.record(
        GridSignal(
            site_id="home", source_id="dso", programme="capacity", event_id=f"e{number % 3}", kind=IMPORT_LIMIT,
            modification=1, unit="kw", intervals=(span,),
        ),
        clock,
    )
    signals.renew_heartbeat("home", "dso", clock.now_utc())
    print(number, flush=True)
"""


@pytest.fixture
def store(postgres_url: str) -> Iterator[Store]:
    opened = open_store(postgres_url)
    yield opened
    opened.close()


def reported_by_writers(postgres_url: str) -> list[int]:
    """The numbers that writers said were stored, each killed at a moment of its own."""
    chance, outputs = random.Random(7), [0]
    for _ in range(KILLS):
        command = [sys.executable, "-c", WRITER, postgres_url, str(max(outputs))]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            outputs += [int(process.stdout.readline()) for _ in range(chance.randint(0, 4))]
            # Somewhere within the next one.
            time.sleep(chance.uniform(0, 0.05))
            process.kill()
            outputs += [int(line) for line in process.stdout.read().splitlines() if line.strip()]
    return outputs[1:]


def test_a_writer_killed_at_twenty_moments_loses_no_signal_that_it_said_was_stored(
    postgres_url: str, store: Store
) -> None:
    outputs = reported_by_writers(postgres_url)
    rows = store.rows(grid_signals.select().order_by(grid_signals.c.id))
    stored = {int(row["intervals"][0]["value"]) for row in rows}
    assert len(outputs) > KILLS, "it came to write"
    assert set(outputs) <= stored
    for event_id in ("e0", "e1", "e2"):
        numbers = [row["modification"] for row in rows if row["event_id"] == event_id]
        assert numbers == list(range(1, len(numbers) + 1)), "none twice, none left out"
    assert bad_rows(store) == []
    assert len(GridSignals(store).current("home")) == 3

"""Each shipped workflow from its trigger to a notice at real servers, in simulated time; and killed at any moment."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest

from assets.stores.ledgers.dr_events import DrEvents
from assets.stores.ledgers.work_orders import WorkflowInstances, WorkOrders
from controls.gateways.broker import start_broker
from controls.gateways.mqtt_line import MqttLine
from data_quality.contracts.control.forecast import Forecast, ForecastRow
from data_quality.contracts.time import FixedClock
from orchestration.notices.channels import mqtt
from orchestration.notices.rounds import drain_of
from orchestration.open_project import OpenProject
from orchestration.views.work_orders import create
from orchestration.workflows.run import advance, due
from tests.controls.conftest import need_mosquitto
from tests.orchestration.notices.servers import hook_server, mail_server
from tests.web.bills_world import add_bills
from tests.web.marts_world import Asking, make_project, plant_of_the_web
from tests.web.test_alert_rules import event
from tests.web.test_notices import run as notices
from tests.web.why_world import ANNE, LATER

MINUTE, TICK = timedelta(minutes=1), timedelta(seconds=1)
PEOPLE = "people: [{person_id: anne, name: Anne, roles: [analyst, engineer, operator, reviewer, approver]}]\n"
RULES = [
    {"rule_id": "dear", "kind": "anomaly", "limit": 50, "unit": "EUR", "severity": 1},
    {"rule_id": "top", "kind": "peak", "limit": 60, "unit": "kw", "severity": 2},
]
LOAD = {"load_id": "fans", "meter": "hvac", "max_shed_kw": 5, "max_minutes": 240, "cost_per_kwh": 0.2}


@dataclass
class ServedPlant:
    """A project, and the servers that its notices go to."""

    asking: Asking
    mailbox: Any
    hook: Any
    topics: list[bytes]

    def letters(self, title: str) -> list[tuple[str, str]]:
        """Channel and id of each notice that arrived with that title, a letter that came again counted once."""
        found = {
            ("mail", each["Message-ID"])
            for each in self.mails()
            if title in str(each.get_payload(decode=True), "utf-8")
        }
        for channel, bodies in (("webhook", [body for _, body in self.hook.posts]), ("mqtt", self.topics)):
            for each in (one for body in bodies for one in json.loads(body)["notices"]):
                found |= {(channel, each["id"])} if title in each["text"] else set()
        return sorted(found)

    def mails(self) -> list[Any]:
        return [message_from_bytes(each) for each in self.mailbox.mails]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedPlant]:
    """The plant with a peak target, a load that may go down, and somebody who chose mail, webhook and MQTT."""
    need_mosquitto()
    folder, topics = tmp_path_factory.mktemp("told"), list[bytes]()
    mails, hooks = mail_server(), hook_server()
    mailbox, hook = next(mails), next(hooks)
    make_project(folder / "p", plant_of_the_web()).close()
    with start_broker(folder / "broker") as broker:
        ear = MqttLine(
            broker.address, client_id="ear", subscriptions=(f"{mqtt.TOPIC}/#",),
            on_message=lambda _t, body, _p: topics.append(body),
        )  # fmt: skip
        settings = {
            "delivery": {
                "smtp_host": "127.0.0.1", "smtp_port": mailbox.server_address[1], "smtp_tls": False,
                "mail_from": "m@example.com",
            },
            "notices": {"webhook_hosts": ["127.0.0.1"]},
            "mqtt": {
                "port": broker.address.port, "username": broker.address.username, "password": broker.address.password
            },
        }  # fmt: skip
        (folder / "p" / "meterloom.yaml").write_text(json.dumps(settings))
        (folder / "p" / "meterloom.yaml").chmod(0o600)
        (folder / "p" / "people.yaml").write_text(PEOPLE)
        file = folder / "p" / "sites" / "plant.yaml"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"alert_rules": RULES, "sheddable_loads": [LOAD]}))
        asking = Asking(OpenProject(str(folder / "p")), FixedClock(LATER), ANNE)
        url = f"http://127.0.0.1:{hook.server_address[1]}/in"
        ways = ("--mail", "anne@example.com", "--webhook", url, "--mqtt", "anne", "--source", "workflows")
        assert notices(asking, "choose", *ways, "--per-hour", "1000", "--as", "anne")[0] == 0
        yield ServedPlant(asking, mailbox, hook, topics)
        asking.project.close()
        ear.close()
    for each in (mails, hooks):
        next(each, None)


def peak(served: ServedPlant, at_utc: datetime) -> None:
    """A forecast of 40 kWh an hour, with two hours of tomorrow whose P90 is 63 kW."""
    rows = [
        ForecastRow(time_utc=start, p10=30.0, p50=40.0, p90=63.0 if n in (20, 21) else 45.0)
        for n, start in ((n, at_utc.replace(minute=0) + timedelta(hours=n)) for n in range(1, 40))
    ]
    forecast = Forecast(
        forecast_id="peak", site_id="plant", target="meter:main", issued_at_utc=at_utc, available_at_utc=at_utc,
        model_name="m", model_version="1", input_digest="d", is_synthetic=True, rows=tuple(rows),
    )  # fmt: skip
    served.asking.project.forecasts.add(forecast, FixedClock(at_utc))


def accepted(served: ServedPlant, at_utc: datetime) -> None:
    create(
        served.asking.project, served.asking.project.site("plant"), FixedClock(at_utc), person=ANNE, priority="P3",
        title="Lower the night setpoint", reason="accepted", recommendation="hvac/setback",
    )  # fmt: skip


def anomaly(served: ServedPlant, _at_utc: datetime) -> None:
    event(served.asking, 60.0)


def bill(served: ServedPlant, _at_utc: datetime) -> None:
    add_bills(served.asking.project)


def nothing(_told: ServedPlant, _at_utc: datetime) -> None:
    """A time of day, or a month that is over."""


CASES: dict[str, tuple[Callable[[ServedPlant, datetime], None], datetime, timedelta, str]] = {
    "bill_reconciliation": (bill, LATER, timedelta(), "Bill reconciliation"),
    "anomaly_response": (anomaly, LATER, 30 * MINUTE, "Anomaly response"),
    "peak_prediction": (peak, LATER + timedelta(hours=1), timedelta(), "Peak prediction"),
    "recommendation_accepted": (accepted, LATER + timedelta(hours=2), timedelta(), "Recommendation accepted"),
    "daily_digest": (nothing, datetime(2025, 4, 3, 5, tzinfo=UTC), timedelta(), "2 April 2025"),
    "monthly_esg": (nothing, datetime(2025, 4, 5, 4, tzinfo=UTC), timedelta(), "Monthly ESG roll-up"),
}


@pytest.mark.parametrize("name", list(CASES))
def test_a_workflow_is_at_mail_webhook_and_broker_two_minutes_after_its_trigger(served: ServedPlant, name: str) -> None:
    happens, at_utc, waits, title = CASES[name]
    steps(served, at_utc - TICK)
    before = served.letters(title)
    happens(served, at_utc)
    clock = FixedClock(at_utc)
    # The sensor looks just before the trigger, then each half minute; notices go out each minute, just before a look.
    for after_s in range(0, 121, 30):
        if after_s in (30, 90):
            drain_of(served.asking.project, clock).run()
        clock = FixedClock(at_utc + waits + timedelta(seconds=after_s))
        if waits and not after_s:
            steps(served, at_utc + TICK)
        steps(served, clock.now_utc())
    drain_of(served.asking.project, clock).run()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and not any(each[0] == "mqtt" for each in new(served, title, before)):
        time.sleep(0.02)
    assert [channel for channel, _ in new(served, title, before)] == ["mail", "mqtt", "webhook"]
    [instance] = WorkflowInstances(served.asking.project.store).current(workflow=name)[-1:]
    if name == "recommendation_accepted":
        assert [each.state for each in instance.steps] == ["done", "done", "waiting"]
        [draft] = (served.asking.project.project.root / "workflows" / "drafts").iterdir()
        assert '"seu":"hvac"' in draft.read_text()
    else:
        assert instance.state == "done", instance
    if name == "peak_prediction":
        assert "curtailment plan c20250403T1000-" in instance.steps[0].told, instance
        [made] = DrEvents(served.asking.project.store).current("plant")
        assert (made.state, made.approvals, made.source) == ("proposed", (), f"workflow:{name}:{instance.subject}")
        assert f"event {made.event_id} waits for the approval of two people" in instance.steps[0].told
        [order] = [each for each in WorkOrders(served.asking.project.store).current() if each.priority == "P2"]
        assert (order.source_kind, order.source_id) == ("workflow", instance.instance_id)
    if name == "monthly_esg":
        made = served.asking.project.reports.revisions("plant", with_content=False)
        drafted = [each for each in made if each.period == "2025-03"]
        assert {each.name for each in drafted} == {"ghg_inventory", "executive_summary", "data_quality"}


def new(served: ServedPlant, title: str, before: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Letters that arrived since."""
    return [each for each in served.letters(title) if each not in before]


def steps(served: ServedPlant, at_utc: datetime) -> None:
    """A look of the sensor, and the run that it asks for."""
    for at, instance in list(due(served.asking.project, FixedClock(at_utc))):
        advance(at, instance)


DAEMON = """
import sys
from datetime import datetime
from data_quality.contracts.time import FixedClock
from orchestration.notices.rounds import drain_of
from orchestration.open_project import OpenProject
from orchestration.workflows.run import advance, due
project, clock = OpenProject(sys.argv[1]), FixedClock(datetime.fromisoformat(sys.argv[2]))
project.store
print("ready", flush=True)
while True:
    for at, instance in due(project, clock):
        advance(at, instance)
        drain_of(project, clock).run()
"""


def test_a_daemon_killed_at_twenty_moments_loses_no_notice_and_each_is_seen_once(served: ServedPlant) -> None:
    asking, at_utc, draw = served.asking, LATER + timedelta(days=3), random.Random(43)
    folder = asking.project.project.root / "workflows"
    folder.mkdir(exist_ok=True)
    text = "name: watched\ntitle: Watched\ntrigger: {kind: order_open, sources: [recommendation]}\n"
    step = "steps: [{step: notify, name: tell, roles: [analyst]}, {step: notify, name: more, roles: [engineer]}]\n"
    (folder / "watched.yaml").write_text(text + step)
    command = [sys.executable, "-c", DAEMON, str(asking.project.project.root), at_utc.isoformat()]
    for turn in range(20):
        site, clock = asking.project.site("plant"), FixedClock(at_utc)
        create(asking.project, site, clock, person=ANNE, priority="P3", title=f"{turn}", reason="x", recommendation="a")
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(Path.cwd())}
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(draw.uniform(0.0, 0.8))
            process.send_signal(signal.SIGKILL)
            process.wait(60)
    steps(served, at_utc)
    drain_of(asking.project, FixedClock(at_utc + timedelta(hours=2))).run()
    instances = WorkflowInstances(asking.project.store).current(workflow="watched")
    orders = [each for each in WorkOrders(asking.project.store).current() if each.source_kind == "recommendation"]
    assert (len(instances), {each.state for each in instances}) == (len(orders), {"done"})
    letters = {headers["Idempotency-Key"]: json.loads(body) for headers, body in served.hook.posts}
    seen = Counter(each["id"] for body in letters.values() for each in body["notices"] if "Watched" in each["text"])
    assert (len(seen), set(seen.values())) == (2 * len(orders), {1})

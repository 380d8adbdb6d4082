"""The outbox is drained to real servers: once each, retried later, kept through a kill, and one line stops no other."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from assets.stores.ledgers.notices import Outbox
from assets.stores.transactions import Store, open_store
from data_quality.contracts.reporting.notice import Channel, Notice, id_of
from data_quality.contracts.settings import DeliverySettings
from data_quality.contracts.time import FixedClock
from orchestration.notices.channels import folder, mail, mqtt, push, webhook
from orchestration.notices.channels.http_post import public_address
from orchestration.notices.drain import Drain, Opened
from orchestration.notices.letter import Refused
from tests.orchestration.notices.servers import hook_server, mail_server

NOW = datetime(2025, 6, 3, 12, tzinfo=UTC)


@pytest.fixture
def mailbox() -> Iterator[Any]:
    yield from mail_server()


@pytest.fixture
def hook() -> Iterator[Any]:
    yield from hook_server()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    yield opened
    opened.close()


def notice(number: int, channel: Channel = "mail", address: str = "otto@example.com", **more: Any) -> Notice:
    given: dict[str, Any] = {
        "notice_id": id_of(channel, str(number)), "person_id": f"p{number % 7}", "site_id": "plant", "finding_id": "f",
        "channel": channel, "address": address, "severity": 3, "cause": f"c{number}", "text": f"Notice {number}",
        "per_hour": 1000, "next_utc": NOW,
    }  # fmt: skip
    return Notice.model_validate(given | more)


def mail_settings(port: int, **more: Any) -> DeliverySettings:
    given = {"smtp_host": "127.0.0.1", "smtp_port": port, "smtp_tls": False, "mail_from": "m@example.com"}
    return DeliverySettings.model_validate(given | {"timeout_s": 5} | more)


def drain(store: Store, clock: FixedClock, **ways: Opened) -> Drain:
    return Drain(Outbox(store), ways, clock)


def states(store: Store) -> Counter[str]:
    return Counter(each.state for each in Outbox(store).notices())


def test_the_receiver_keeps_no_half_a_post(hook: Any) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"
    for body, kept in ((b"half", []), (b"a whole on", [b"a whole on"])):
        with closing(socket.create_connection(hook.server_address)) as sender:
            sender.sendall(head + body)
            sender.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(partial(sender.recv, 4096), b""))
        assert [each for _, each in hook.posts] == kept
        assert bool(answer) is bool(kept)


def test_each_channel_gets_its_notices_once(store: Store, mailbox: Any, hook: Any, tmp_path: Path) -> None:
    clock, url = FixedClock(NOW), f"http://127.0.0.1:{hook.server_address[1]}/in"
    asked = [
        notice(1), notice(2, "webhook", url), notice(3, "push", "plant"), notice(4, "folder", "otto"),
        notice(5, text="Works <b>\r\nBcc: all@example.com"),
    ]  # fmt: skip
    outbox = Outbox(store)
    assert len(outbox.queue(asked, clock)) == 5
    assert outbox.queue(asked, clock) == []
    used = drain(
        store, clock,
        mail=partial(mail.opened, mail_settings(mailbox.server_address[1]), clock),
        webhook=partial(webhook.opened, "hush", 5.0, hosts=("127.0.0.1",)),
        push=partial(push.opened, url, "token", 5.0),
        folder=partial(folder.opened, tmp_path / "out"),
    )  # fmt: skip
    assert (used.run(), used.run()) == (5, 0)
    assert states(store) == {"sent": 5}
    mails = [message_from_bytes(each) for each in mailbox.mails]
    assert [each["Bcc"] for each in mails] == [None, None]
    assert mails[0]["Subject"] == "Medium: Notice 1"
    bodies = [json.loads(body) for _, body in hook.posts]
    assert (bodies[0]["topic"], bodies[0]["message"].strip()) == ("plant", "Medium: Notice 3")
    assert [each["id"] for each in bodies[1]["notices"]] == [asked[1].notice_id]
    [kept] = (tmp_path / "out" / "otto").iterdir()
    assert [each["id"] for each in json.loads(kept.read_text())["notices"]] == [asked[3].notice_id]


def test_what_the_server_puts_off_is_tried_later_and_what_it_refuses_is_listed(store: Store, mailbox: Any) -> None:
    clock = FixedClock(NOW)
    outbox = Outbox(store)
    outbox.queue([notice(1), notice(2), notice(3)], clock)
    mailbox.answers = [b"451 later", b"550 never"]
    used = drain(store, clock, mail=partial(mail.opened, mail_settings(mailbox.server_address[1]), clock))
    assert used.run() == 1
    assert states(store) == {"retrying": 1, "dead": 1, "sent": 1}
    assert used.run() == 0, "not before its time"
    clock.advance(timedelta(minutes=1))
    assert used.run() == 1
    [dead] = outbox.notices(states=("dead",))
    assert "550" in dead.reason
    outbox.retry(dead.notice_id[:6], clock)
    assert used.run() == 1
    assert states(store) == {"sent": 3}


def test_a_mail_server_that_stalls_stops_no_other_channel_and_loses_nothing(store: Store, hook: Any) -> None:
    clock, url = FixedClock(NOW), f"http://127.0.0.1:{hook.server_address[1]}/in"
    Outbox(store).queue([*(notice(n) for n in range(3)), *(notice(n, "webhook", url) for n in range(3))], clock)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        given = mail_settings(deaf.getsockname()[1], timeout_s=0.3)
        used = drain(
            store, clock, mail=partial(mail.opened, given, clock),
            webhook=partial(webhook.opened, "", 5.0, hosts=("127.0.0.1",)),
        )  # fmt: skip
        begun = time.monotonic()
        assert used.run() == 3
        assert time.monotonic() - begun < 5
    assert states(store) == {"sent": 3, "queued": 2, "retrying": 1}


def test_a_webhook_host_that_stalls_costs_its_first_letter_one_try_and_stops_no_other_host(
    store: Store, hook: Any
) -> None:
    clock, url = FixedClock(NOW), f"http://127.0.0.1:{hook.server_address[1]}/in"
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        dead_url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        silent = [notice(n, "webhook", f"{dead_url}/{n}") for n in range(4)]
        Outbox(store).queue([*silent[:2], *(notice(9 + n, "webhook", url) for n in range(3)), *silent[2:]], clock)
        used = drain(store, clock, webhook=partial(webhook.opened, "", 0.3, hosts=("127.0.0.1",)))
        assert used.run() == 3
    assert states(store) == {"sent": 3, "queued": 3, "retrying": 1}
    assert [each.attempts for each in Outbox(store).notices(states=("queued",))] == [0, 0, 0]


@pytest.mark.parametrize("host", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "192.168.0.9", "localhost"])
def test_a_webhook_to_a_private_address_is_refused(store: Store, host: str) -> None:
    with pytest.raises(Refused, match="private address"):
        public_address(host, 443)
    clock, shown = FixedClock(NOW), f"[{host}]" if ":" in host else host
    Outbox(store).queue([notice(1, "webhook", f"https://{shown}/")], clock)
    assert drain(store, clock, webhook=partial(webhook.opened, "", 1.0, hosts=())).run() == 0
    [dead] = Outbox(store).notices()
    assert (dead.state, "private address" in dead.reason) == ("dead", True)


def test_a_channel_that_is_not_set_is_a_reason_and_no_wait(store: Store) -> None:
    clock = FixedClock(NOW)
    Outbox(store).queue([notice(1, "push", "plant")], clock)
    assert drain(store, clock).run() == 0
    [dead] = Outbox(store).notices()
    assert dead.reason == "no channel 'push' is set in meterloom.yaml"


def test_mqtt_gets_notices_over_a_real_broker(store: Store, tmp_path: Path) -> None:
    from controls.gateways.broker import start_broker
    from controls.gateways.mqtt_line import MqttLine

    clock, got = FixedClock(NOW), list[bytes]()
    Outbox(store).queue([notice(1, "mqtt", "otto")], clock)
    with start_broker(tmp_path / "broker", allow_fallback=True) as broker:
        line = MqttLine(
            broker.address,
            client_id="ear",
            subscriptions=(f"{mqtt.TOPIC}/#",),
            on_message=lambda _t, body, _p: got.append(body),
        )
        assert drain(store, clock, mqtt=partial(mqtt.opened, broker.address, 5.0)).run() == 1
        for _ in range(100):
            if got:
                break
            time.sleep(0.02)
        line.close()
    assert json.loads(got[0])["notices"][0]["text"] == "Notice 1"


KILLED = """
import sys
from functools import partial
from assets.stores.ledgers.notices import Outbox
from assets.stores.transactions import connect_store
from data_quality.contracts.time import SystemClock
from orchestration.notices.channels import webhook
from orchestration.notices.drain import Drain
store = connect_store(sys.argv[1], {})
print("ready", flush=True)
Drain(Outbox(store), {"webhook": partial(webhook.opened, "", 5.0, hosts=("127.0.0.1",))}, SystemClock()).run()
"""


def test_a_kill_at_any_moment_loses_nothing_and_each_notice_is_seen_once_by_its_letter(
    store: Store, hook: Any, tmp_path: Path
) -> None:
    url, count = f"http://127.0.0.1:{hook.server_address[1]}/in", 300
    Outbox(store).queue([notice(n, "webhook", url) for n in range(count)], FixedClock(NOW))
    command = [sys.executable, "-c", KILLED, f"sqlite:///{tmp_path / 'store.db'}"]
    for wait_s in (0.05, 0.15, 0.3, None):
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(Path.cwd())}
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            if wait_s is not None:
                time.sleep(wait_s)
                process.send_signal(signal.SIGKILL)
            process.wait(60)
    assert states(store) == {"sent": count}
    by_letter = {headers["Idempotency-Key"]: json.loads(body) for headers, body in hook.posts}
    seen = Counter(each["id"] for body in by_letter.values() for each in body["notices"])
    assert len(seen) == count
    assert set(seen.values()) == {1}

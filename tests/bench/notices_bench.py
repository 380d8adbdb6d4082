"""Ten thousand notices to a thousand people over real servers, and kills: python -m tests.bench.notices_bench.

Half go by mail and half to webhooks, each to a server of its own process on the loopback, from a SQLite store; then the
same is drained by a process that is killed at random moments and begun again. Wanted: at most five minutes, none lost,
and each notice seen once by the names of its letters.
"""

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email import message_from_bytes
from functools import partial
from pathlib import Path
from typing import Any

from assets.stores.ledgers.notices import Outbox
from assets.stores.transactions import open_store
from data_quality.contracts.reporting.notice import Notice, id_of
from data_quality.contracts.settings import DeliverySettings
from data_quality.contracts.time import SystemClock
from orchestration.notices.channels import mail, webhook
from orchestration.notices.drain import Drain
from tests.orchestration.notices.servers import hook_server, mail_server

PEOPLE, WANTED_S, KILLS = 1000, 300.0, 20
NOW = datetime(2025, 6, 3, 12, tzinfo=UTC)


def notices(count: int, url: str) -> list[Notice]:
    """Notices of as many causes: none is joined with another, and no limit holds one back."""
    return [
        Notice(
            notice_id=id_of("bench", str(n)), person_id=f"p{n % PEOPLE}", site_id="plant", finding_id=f"f{n}",
            channel="webhook" if n % 2 else "mail", address=url if n % 2 else f"p{n % PEOPLE}@example.com", severity=3,
            cause=f"c{n}", text=f"Notice {id_of('bench', str(n))}", per_hour=1000, next_utc=NOW,
        )
        for n in range(count)
    ]  # fmt: skip


def drain(store_url: str, mail_port: int) -> int:
    """Send everything. Returns how many notices were sent."""
    store, clock = open_store(store_url), SystemClock()
    given = DeliverySettings(smtp_host="127.0.0.1", smtp_port=mail_port, smtp_tls=False, mail_from="m@example.com")
    ways: Mapping[Any, Callable[[], Any]] = {
        "mail": partial(mail.opened, given, clock),
        "webhook": partial(webhook.opened, "hush", 5.0, hosts=("127.0.0.1",)),
    }
    try:
        return Drain(Outbox(store), ways, clock).run()
    finally:
        store.close()


def seen(mails: list[bytes], posts: list[tuple[dict[str, str], bytes]]) -> Counter[str]:
    """Count of each notice seen; of letters of one name the last counts."""
    by_mail = {message_from_bytes(each)["Message-ID"]: each for each in mails}
    by_post = {headers["Idempotency-Key"]: body for headers, body in posts}
    found = Counter(message_from_bytes(each)["Subject"].split()[-1] for each in by_mail.values())
    return found + Counter(one["id"] for body in by_post.values() for one in json.loads(body)["notices"])


def run(count: int, kills: int, folder: Path) -> dict[str, Any]:
    """One drain in a process of its own, killed so often."""
    servers = mail_server(), hook_server()
    mailbox, hook = (next(each) for each in servers)
    store_url, url = f"sqlite:///{folder / 'store.db'}", f"http://127.0.0.1:{hook.server_address[1]}/in"
    store = open_store(store_url)
    begun = time.monotonic()
    Outbox(store).queue(notices(count, url), SystemClock())
    queued_s, begun = time.monotonic() - begun, time.monotonic()
    command = [sys.executable, "-m", "tests.bench.notices_bench", "--drain", store_url]
    command += ["--mail-port", str(mailbox.server_address[1])]
    dice = random.Random(0)
    for left in range(kills, -1, -1):
        with subprocess.Popen(command) as process:
            if left:
                time.sleep(1.0 + dice.random() * 2.0)
                process.send_signal(signal.SIGKILL)
            process.wait()
    drained_s = time.monotonic() - begun
    found = seen(mailbox.mails, hook.posts)
    states = Counter(each.state for each in Outbox(store).notices(most=count))
    store.close()
    for each in servers:
        next(each, None)
    return {
        "notices": count, "kills": kills, "queued_s": round(queued_s, 1), "drained_s": round(drained_s, 1),
        "letters": len(mailbox.mails) + len(hook.posts), "lost": count - len(found),
        "doubled": sum(each - 1 for each in found.values()), "states": dict(states),
    }  # fmt: skip


def main() -> int:
    """Print what was measured. Returns 1 where something wanted is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--notices", type=int, default=10_000)
    parser.add_argument("--drain", help=argparse.SUPPRESS)
    parser.add_argument("--mail-port", type=int, default=0, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.drain:
        drain(given.drain, given.mail_port)
        return 0
    results = []
    for kills in (0, KILLS):
        with tempfile.TemporaryDirectory() as folder:
            results.append(run(given.notices, kills, Path(folder)))
            print(json.dumps(results[-1]), flush=True)
    is_missed = results[0]["drained_s"] > WANTED_S or any(each["lost"] or each["doubled"] for each in results)
    return int(is_missed)


if __name__ == "__main__":
    sys.exit(main())

"""Delivery: an outbox that survives a crash, tries that end, secrets that stay, receivers that can check."""

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest

from assets.stores.published.deliveries import DeliveryStore
from assets.stores.transactions import open_store
from data_quality.contracts.errors import BadInput
from data_quality.contracts.settings import DeliverySettings
from data_quality.contracts.time import FixedClock
from orchestration.notices.channels.webhook import body_hmac
from orchestration.notices.courier import Channel, Courier, Parcel, targets
from tests.orchestration.notices.servers import hook_server, mail_server
from tests.reports import plant
from tests.reports.publish.conftest import REVISION, MakeDesk

MakeCourier = Callable[..., Courier]


@pytest.fixture
def courier(tmp_path: Path) -> Iterator[MakeCourier]:
    opened = []

    def make(**given: Any) -> Courier:
        store = open_store(f"sqlite:///{tmp_path / 'store.db'}")
        opened.append(store)
        return Courier(
            settings=DeliverySettings(timeout_s=5, **given),
            root=tmp_path,
            outbox=DeliveryStore(store),
            clock=FixedClock(plant.NOON),
            pause=lambda _seconds: None,
        )

    yield make
    for store in opened:
        store.close()


@pytest.fixture
def parcel(tmp_path: Path) -> Parcel:
    path = tmp_path / "made" / "report.pdf"
    path.parent.mkdir()
    path.write_bytes(b"%PDF figures")
    return Parcel("enpi_quarter/plant/2025-Q1", 1, "Report\r\nBcc: all@example.com", (path,))


@pytest.fixture
def mailbox() -> Iterator[Any]:
    yield from mail_server()


@pytest.fixture
def hook() -> Iterator[Any]:
    yield from hook_server()


def sent(used: Courier, parcel: Parcel, *channels: Channel) -> list[tuple[str, str, int]]:
    asked = used.ask(parcel, channels or ("folder", "mail", "webhook"))
    return [(each.channel, each.state, each.attempt) for each in (used.send(one, parcel) for one in asked)]


def test_a_folder_gets_the_files_once(courier: MakeCourier, parcel: Parcel, tmp_path: Path) -> None:
    used = courier(folder="out")
    assert sent(used, parcel) == [("folder", "sent", 1)]
    assert (tmp_path / "out" / "report.pdf").read_bytes() == b"%PDF figures"
    assert sent(used, parcel) == [("folder", "sent", 1)]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["report.pdf"]


def test_mail_carries_the_files_and_no_line_of_a_title_becomes_a_header(
    courier: MakeCourier, parcel: Parcel, mailbox: Any
) -> None:
    port = mailbox.server_address[1]
    used = courier(
        smtp_host="127.0.0.1", smtp_port=port, smtp_tls=False, mail_from="a@example.com", mail_to=("b@example.com",)
    )
    assert sent(used, parcel) == [("mail", "sent", 1)]
    (text,) = mailbox.mails
    mail = message_from_bytes(text)
    assert (mail["To"], mail["Bcc"]) == ("b@example.com", None)
    attached = [part for part in mail.walk() if part.get_filename()]
    assert [(part.get_filename(), part.get_payload(decode=True)) for part in attached] == [
        ("report.pdf", b"%PDF figures")
    ]


@pytest.mark.parametrize(("answer", "tries"), [(b"450 later", 3), (b"550 never", 1)])
def test_a_mail_server_that_says_no_is_asked_again_only_where_that_may_help(
    courier: MakeCourier, parcel: Parcel, mailbox: Any, answer: bytes, tries: int
) -> None:
    mailbox.answers = [answer] * 3
    port = mailbox.server_address[1]
    used = courier(
        smtp_host="127.0.0.1", smtp_port=port, smtp_tls=False, mail_from="a@example.com", mail_to=("b@example.com",)
    )
    assert sent(used, parcel) == [("mail", "failed", tries)]


def test_a_recipient_who_is_refused_alone_is_named_and_the_others_get_it_once(
    courier: MakeCourier, parcel: Parcel, mailbox: Any
) -> None:
    mailbox.answers = [b"250 ok", b"550 never"]
    to = ("b@example.com", "c@example.com")
    port = mailbox.server_address[1]
    used = courier(smtp_host="127.0.0.1", smtp_port=port, smtp_tls=False, mail_from="a@example.com", mail_to=to)
    assert sent(used, parcel) == [("mail", "failed", 1)]
    assert "not to c@example.com" in used.outbox.deliveries()[0].reason
    assert len(mailbox.mails) == 1


def test_a_webhook_gets_one_signed_body_with_a_key_that_tells_repeats(
    courier: MakeCourier, parcel: Parcel, hook: Any
) -> None:
    hook.answers = [503, 429, 200]
    used = courier(webhook_url=f"http://127.0.0.1:{hook.server_address[1]}/in?a=1", webhook_secret="hush")
    assert sent(used, parcel) == [("webhook", "sent", 3)]
    keys = {headers["Idempotency-Key"] for headers, _ in hook.posts}
    assert len(keys) == 1
    assert len({body for _, body in hook.posts}) == 1
    headers, body = hook.posts[-1]
    assert headers["X-Meterloom-Signature"] == f"sha256={body_hmac('hush', body)}"
    said = json.loads(body)
    assert said["revision"] == parcel.name
    (file,) = said["files"]
    raw = base64.b64decode(file["content_base64"])
    assert (raw, file["sha256"]) == (b"%PDF figures", hashlib.sha256(raw).hexdigest())


@pytest.mark.parametrize("status", [302, 400, 401, 404])
def test_a_redirect_or_a_refusal_ends_the_tries(courier: MakeCourier, parcel: Parcel, hook: Any, status: int) -> None:
    hook.answers = [status]
    used = courier(webhook_url=f"http://127.0.0.1:{hook.server_address[1]}/")
    assert sent(used, parcel) == [("webhook", "failed", 1)]
    assert len(hook.posts) == 1
    assert f"answered {status}" in used.outbox.deliveries()[0].reason


def test_what_was_asked_for_outlives_a_crash_and_is_sent_later(
    courier: MakeCourier, parcel: Parcel, hook: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"http://127.0.0.1:{hook.server_address[1]}/"
    used = courier(webhook_url=url)
    asked = used.ask(parcel)
    # The process ends here: nothing was sent, and the next one finds the row.
    (waiting,) = courier(webhook_url=url).outbox.waiting()
    assert (waiting, waiting.state) == (asked[0], "pending")
    assert courier(webhook_url=url).send(waiting, parcel).state == "sent"
    assert used.outbox.waiting() == []


def test_a_receiver_that_is_not_there_is_a_reason_and_no_secret_is_in_it(courier: MakeCourier, parcel: Parcel) -> None:
    used = courier(webhook_url="http://127.0.0.1:1/", webhook_secret="refused")
    assert sent(used, parcel) == [("webhook", "failed", 3)]
    (found,) = used.outbox.waiting()
    assert found.reason.startswith("ReceiverUnreachable: ConnectError")
    assert "refused" not in found.reason


@pytest.mark.parametrize(
    "url",
    ["http://example.com/", "ftp://example.com/", "https://user:pw@example.com/", "file:///etc/passwd", "https://"],
)
def test_fault_f103_reports_are_posted_nowhere_without_tls(url: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="must be https"):
        targets(DeliverySettings(webhook_url=url), tmp_path)


def test_mail_settings_that_do_not_suffice_are_refused(courier: MakeCourier, parcel: Parcel) -> None:
    with pytest.raises(BadInput, match="mail needs smtp_host, mail_from and mail_to"):
        courier(smtp_host="h").ask(parcel)
    with pytest.raises(BadInput, match="no delivery to folder"):
        courier().ask(parcel, ["folder"])
    with pytest.raises(BadInput, match="no delivery 'x' was asked for"):
        courier(folder="x").outbox.record("x", "sent", "", FixedClock(plant.NOON))


def test_a_published_revision_is_delivered_by_command(desk: MakeDesk) -> None:
    used = desk()
    (used.folder / "meterloom.yaml").write_text("delivery:\n  folder: out\n", encoding="utf-8")
    for words in (("review", REVISION, "--as", "anna"), ("publish", REVISION, "--as", "dirk")):
        assert used.run("reports", *words)[0] == 0
    code, said, error = used.run("reports", "deliver", REVISION)
    assert code == 0, error
    assert [(each["channel"], each["state"]) for each in said["deliveries"]] == [("folder", "sent")]
    assert sorted(path.suffix for path in (used.folder / "out").iterdir()) == [".pdf", ".xlsx"]
    assert used.run("reports", "deliver")[1] == {"deliveries": []}
    assert "unknown channel 'fax'" in used.run("reports", "deliver", REVISION, "--to", "fax")[2]

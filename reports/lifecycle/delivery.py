"""Delivers published files: to a folder, by mail, to a webhook. An outbox: asked for first, then tried.

What was asked for is a row before anything leaves, so a crash between loses nothing; every try is one more row. A
receiver that gets the same delivery twice can tell by its id.
"""

import hashlib
import hmac
import http.client
import json
import mimetypes
import shutil
import smtplib
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from assets.stores.published.deliveries import Delivery, DeliveryStore
from data_quality.contracts.errors import BadInput
from data_quality.contracts.settings import DeliverySettings
from data_quality.contracts.time import Clock

Channel = Literal["folder", "mail", "webhook"]
CHANNELS: tuple[Channel, ...] = ("folder", "mail", "webhook")
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
# All of it is in memory at once, and a third more as base64.
MAX_POST_BYTES = 64 << 20
_FAULTS = (OSError, smtplib.SMTPException, http.client.HTTPException)


class Refused(Exception):
    """The receiver answered, and will not take it: another try would change nothing."""


@dataclass(frozen=True)
class Parcel:
    """What is delivered: a revision's name, a title for people, its files."""

    report_id: str
    revision: int
    title: str
    files: tuple[Path, ...]

    @property
    def name(self) -> str:
        """How commands name the revision."""
        return f"{self.report_id}@{self.revision}"


def targets(settings: DeliverySettings, root: Path) -> dict[Channel, str]:
    """Channels that are set, with where they lead. Raises BadInput for settings that do not fit together."""
    found: dict[Channel, str] = {}
    if settings.folder:
        found["folder"] = str(root / settings.folder)
    if settings.smtp_host or settings.mail_to:
        if not (settings.smtp_host and settings.mail_from and settings.mail_to):
            raise BadInput("mail needs smtp_host, mail_from and mail_to in section delivery", reason="bad_delivery")
        found["mail"] = ", ".join(settings.mail_to)
    if settings.webhook_url:
        found["webhook"] = checked_url(settings.webhook_url)
    return found


def checked_url(url: str) -> str:
    """The URL, if reports may be posted there: https, or http to this machine. Raises BadInput."""
    parts = urlsplit(url)
    is_local = parts.scheme == "http" and parts.hostname in LOOPBACK
    # A URL is shown in lists and logs: no place for a name and a password.
    if not parts.hostname or not (parts.scheme == "https" or is_local) or parts.username or parts.password:
        raise BadInput(
            "delivery.webhook_url must be https (or http to this machine) without a user in it", reason="bad_url"
        )
    return url


@dataclass(frozen=True)
class Courier:
    """Tries deliveries. pause: waits between two tries, seconds."""

    settings: DeliverySettings
    root: Path
    outbox: DeliveryStore
    clock: Clock
    pause: Callable[[float], None] = time.sleep

    def ask(self, parcel: Parcel, channels: Sequence[Channel] = CHANNELS) -> list[Delivery]:
        """Put the parcel into the outbox for every channel that is set; one that is there already stays one.

        Raises BadInput where none of the channels is set.
        """
        found = {name: target for name, target in targets(self.settings, self.root).items() if name in channels}
        if not found:
            raise BadInput(
                f"no delivery to {', '.join(channels)} is set", reason="no_delivery", mend="see section delivery"
            )
        return [
            self.outbox.ask(
                Delivery(
                    delivery_id=delivery_id(parcel, name, target),
                    channel=name,
                    target=target,
                    report_id=parcel.report_id,
                    revision=parcel.revision,
                ),
                self.clock,
            )
            for name, target in found.items()
        ]

    def send(self, delivery: Delivery, parcel: Parcel) -> Delivery:
        """Try until it is sent, refused, or tried as often as the settings say. A sent one is not sent again."""
        ways: Mapping[str, Callable[[Delivery, Parcel], None]] = {
            "folder": self._to_folder,
            "mail": self._by_mail,
            "webhook": self._to_webhook,
        }
        state = delivery
        for number in range(self.settings.attempts):
            if state.state == "sent":
                break
            if number:
                # 1, 2, 4 s and on: whatever restarts is back within the first tries.
                self.pause(min(2.0 ** (number - 1), 30.0))
            try:
                ways[delivery.channel](delivery, parcel)
            except (*_FAULTS, Refused) as fault:
                why = f"{type(fault).__name__}: {fault}"
                state = self.outbox.record(delivery.delivery_id, "failed", self._masked(why), self.clock)
                if isinstance(fault, Refused):
                    break
            else:
                state = self.outbox.record(delivery.delivery_id, "sent", "", self.clock)
        return state

    def _to_folder(self, delivery: Delivery, parcel: Parcel) -> None:
        folder = Path(delivery.target)
        folder.mkdir(parents=True, exist_ok=True)
        for path in parcel.files:
            unfinished = folder / f".{path.name}.part"
            shutil.copyfile(path, unfinished)
            unfinished.replace(folder / path.name)

    def _by_mail(self, delivery: Delivery, parcel: Parcel) -> None:
        message = EmailMessage()
        message["From"], message["To"] = self.settings.mail_from, delivery.target
        # A line break in a site's name would begin a header of its own.
        message["Subject"] = " ".join(parcel.title.split())
        message["Date"] = format_datetime(self.clock.now_utc())
        # The same at every try, so that a mail system can drop the second copy.
        message["Message-ID"] = f"<{delivery.delivery_id}@meterloom>"
        message.set_content(f"{parcel.title}\n\nRevision {parcel.name}. Files are attached.\n")
        for path in parcel.files:
            kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
            main, _, sub = kind.partition("/")
            message.add_attachment(path.read_bytes(), maintype=main, subtype=sub, filename=path.name)
        given = self.settings
        try:
            with smtplib.SMTP(given.smtp_host, given.smtp_port, timeout=given.timeout_s) as server:
                if given.smtp_tls:
                    server.starttls(context=ssl.create_default_context())
                if given.smtp_username:
                    server.login(given.smtp_username, given.smtp_password)
                missed = server.send_message(message)
        except smtplib.SMTPRecipientsRefused as fault:
            codes = {code for code, _ in fault.recipients.values()}
            # SMTP: 5xx is for good, 4xx is for now (greylisting answers 450 to every first try).
            if all(500 <= code < 600 for code in codes):
                raise Refused(f"the mail server answered {min(codes)} to every recipient") from fault
            raise
        except smtplib.SMTPResponseException as fault:
            if 500 <= fault.smtp_code < 600:
                raise Refused(f"the mail server answered {fault.smtp_code}") from fault
            raise
        if missed:
            # The others have it: another try would send it to them again.
            raise Refused(f"sent, but not to {', '.join(sorted(missed))}")

    def _to_webhook(self, delivery: Delivery, parcel: Parcel) -> None:
        """One POST of JSON with the files' hashes; redirects are not followed."""
        parts = urlsplit(checked_url(delivery.target))
        body = webhook_body(delivery, parcel)
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": delivery.delivery_id,
            "User-Agent": "meterloom",
        }
        if self.settings.webhook_secret:
            headers["X-Meterloom-Signature"] = f"sha256={body_hmac(self.settings.webhook_secret, body)}"
        is_tls = parts.scheme == "https"
        connect = http.client.HTTPSConnection if is_tls else http.client.HTTPConnection
        connection = connect(parts.hostname or "", parts.port, timeout=self.settings.timeout_s)
        try:
            place = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("POST", place, body=body, headers=headers)
            status = connection.getresponse().status
        finally:
            connection.close()
        if 200 <= status < 300:
            return
        # A redirect would carry the report where nobody meant it; 408, 425 and 429 say "later", not "no".
        if 300 <= status < 500 and status not in {408, 425, 429}:
            raise Refused(f"the receiver answered {status}")
        raise http.client.HTTPException(f"the receiver answered {status}")

    def _masked(self, text: str) -> str:
        for secret in (self.settings.smtp_password, self.settings.webhook_secret):
            text = text.replace(secret, "***") if secret else text
        return text[:500]


def delivery_id(parcel: Parcel, channel: str, target: str) -> str:
    """The same parcel to the same place has the same id: it is delivered once however often it is asked for."""
    hashes = [f"{path.name}:{hashlib.sha256(path.read_bytes()).hexdigest()}" for path in parcel.files]
    text = "\x1f".join([parcel.name, channel, target, *hashes])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def webhook_body(delivery: Delivery, parcel: Parcel) -> bytes:
    """What is posted: the revision, and its files by name, size, hash and content (base64). Raises BadInput."""
    import base64

    if sum(path.stat().st_size for path in parcel.files) > MAX_POST_BYTES:
        raise Refused(f"the files are larger than {MAX_POST_BYTES >> 20} MiB")
    files = []
    for path in parcel.files:
        raw = path.read_bytes()
        files.append(
            {
                "name": path.name,
                "bytes": len(raw),
                "sha256": hashlib.sha256(raw).hexdigest(),
                "content_base64": base64.b64encode(raw).decode(),
            }
        )
    document = {"delivery_id": delivery.delivery_id, "revision": parcel.name, "title": parcel.title, "files": files}
    return json.dumps(document, sort_keys=True, ensure_ascii=False).encode()


def body_hmac(secret: str, body: bytes) -> str:
    """HMAC-SHA256 of a posted body, hex: what the receiver compares."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()

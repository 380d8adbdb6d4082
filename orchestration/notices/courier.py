"""Delivers published files: to a folder, by mail, to a webhook. An outbox: asked for first, then tried.

What was asked for is a row before anything leaves, so a crash between loses nothing; every try is one more row. A
receiver that gets the same delivery twice can tell by its id.
"""

import hashlib
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from assets.stores.published.deliveries import Delivery, DeliveryStore
from data_quality.contracts import log
from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.notice import id_of
from data_quality.contracts.settings import DeliverySettings
from data_quality.contracts.time import Clock
from orchestration.notices.channels import folder, mail, webhook
from orchestration.notices.channels.http_post import checked_url
from orchestration.notices.letter import FAULTS, Letter, Refused, Send

Channel = Literal["folder", "mail", "webhook"]
CHANNELS: tuple[Channel, ...] = ("folder", "mail", "webhook")


@dataclass(frozen=True)
class Parcel:
    """A published revision to deliver: name, title for people, files."""

    report_id: str
    revision: int
    title: str
    files: tuple[Path, ...]

    @property
    def name(self) -> str:
        """Name of the revision in commands."""
        return f"{self.report_id}@{self.revision}"

    def letter(self, delivery: Delivery) -> Letter:
        """The parcel on its way to the place of a delivery."""
        return Letter(
            letter_id=delivery.delivery_id,
            address=delivery.target,
            title=self.title,
            text=f"{self.title}\n\nRevision {self.name}. Files are attached.\n",
            document={"delivery_id": delivery.delivery_id, "revision": self.name},
            files=self.files,
        )


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
            self.outbox.request(
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
        state, letter = delivery, parcel.letter(delivery)
        for number in range(self.settings.attempts):
            if state.state == "sent":
                break
            if number:
                # 1, 2, 4 s and on: whatever restarts is back within the first tries.
                self.pause(min(2.0 ** (number - 1), 30.0))
            try:
                with self._opened(delivery.channel) as send:
                    send(letter)
            except (*FAULTS, Refused) as fault:
                why = masked(f"{type(fault).__name__}: {fault}", self.settings)
                state = self.outbox.record(delivery.delivery_id, "failed", why, self.clock)
                if isinstance(fault, Refused):
                    break
            else:
                state = self.outbox.record(delivery.delivery_id, "sent", "", self.clock)
        return state

    def _opened(self, channel: str) -> AbstractContextManager[Send]:
        settings = self.settings
        if channel == "mail":
            return mail.opened(settings, self.clock)
        return folder.opened() if channel == "folder" else webhook.opened(settings.webhook_secret, settings.timeout_s)


def masked(text: str, *settings: DeliverySettings, secrets: Sequence[str] = ()) -> str:
    """A reason without what is secret in it."""
    known = [secret for each in settings for secret in (each.smtp_password, each.webhook_secret)]
    return log.masked(text, (*known, *secrets))[0][:500]


def delivery_id(parcel: Parcel, channel: str, target: str) -> str:
    """The same parcel to the same place has the same id: it is delivered once however often it is asked for."""
    hashes = [f"{path.name}:{hashlib.sha256(path.read_bytes()).hexdigest()}" for path in parcel.files]
    return id_of(parcel.name, channel, target, *hashes)

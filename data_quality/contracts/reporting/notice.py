"""Notices of findings, work orders and workflows to people: channel, text, state, and a person's choices."""

from datetime import datetime, time
from hashlib import sha256
from typing import Literal, Self

from pydantic import Field, model_validator

from data_quality.contracts.model import Model
from data_quality.contracts.reporting.open_finding import Severity

Channel = Literal["mail", "push", "webhook", "mqtt", "folder"]
CHANNELS: tuple[Channel, ...] = ("mail", "push", "webhook", "mqtt", "folder")
# obsolete: withdrawn before it was sent, since nobody needs it any more.
NoticeKind = Literal["finding", "order", "workflow"]
NoticeState = Literal["queued", "retrying", "sent", "dead", "obsolete"]


class Contact(Model):
    """A channel to a person. address: of mail, a URL of a webhook, a topic of push and MQTT, a folder's name.
    from_severity: what is less severe is not sent; sources: of findings; none named: all.
    """

    channel: Channel
    address: str = Field(min_length=1, max_length=400, pattern=r"^[^\s\x00-\x1f]+$")
    from_severity: Severity = 3
    sources: tuple[str, ...] = ()


class QuietHours(Model):
    """From and until a time of the site's clock, over midnight where the end is the earlier; severity 1 passes."""

    start: time
    end: time

    @model_validator(mode="after")
    def _has_a_length(self) -> Self:
        if self.start == self.end:
            raise ValueError("quiet hours begin and end at the same time: give two times")
        return self


class NoticeChoices(Model):
    """A person's channels, quiet hours and limit. per_hour: letters; more go into one digest after the hour."""

    ways: tuple[Contact, ...] = ()
    quiet: QuietHours | None = None
    per_hour: int = Field(default=20, ge=1, le=1000)
    locale: str = "en"


class Notice(Model):
    """A notice as it stands.

    finding_id: of the finding, order or instance of a workflow that it is of, as `kind` says.
    cause: notices of the same go together; letter_id: the letter that it went with, which is the same at each try.
    next_utc: not before; of `sent`, `dead` and `obsolete` none. reason: why the last try failed, or it was withdrawn.
    """

    notice_id: str
    person_id: str
    site_id: str
    finding_id: str
    channel: Channel
    address: str
    severity: Severity
    cause: str
    text: str
    link: str = ""
    per_hour: int = 20
    letter_id: str = ""
    state: NoticeState = "queued"
    attempts: int = 0
    next_utc: datetime | None = None
    reason: str = ""
    kind: NoticeKind = "finding"


def id_of(*parts: str) -> str:
    """A name that is the same for the same parts: who gets a thing twice can tell."""
    return sha256("\x1f".join(parts).encode()).hexdigest()[:32]

"""A letter: what a channel carries, and how it says that nothing will come of it."""

import smtplib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from controls.gateways.capabilities import DeviceRefused, DeviceSilent


class Refused(Exception):
    """The receiver answered, and will not take it: another try would change nothing."""


class Busy(Exception):
    """The receiver answered, and may take it later; others may be taken now."""


class ReceiverUnreachable(Exception):
    """There is no line to the receiver: nothing else is taken by its host now either."""


@dataclass(frozen=True)
class Letter:
    """One message. letter_id: the same at every try; document: what machines are sent; files: attached."""

    letter_id: str
    address: str
    title: str
    text: str
    severity: int = 4
    document: Mapping[str, Any] = field(default_factory=dict)
    files: Sequence[Path] = ()


Send = Callable[[Letter], None]
# What ends a try; a fault of ours is none of these.
FAULTS = (OSError, smtplib.SMTPException, DeviceSilent, DeviceRefused, Busy, ReceiverUnreachable)

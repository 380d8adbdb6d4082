"""State of one live source, as `sources list` and /metrics report it."""

from datetime import datetime
from typing import Literal

from data_quality.contracts.model import Model

Condition = Literal["starting", "live", "silent", "refused", "disk_full", "behind", "stopped"]


class SourceState(Model):
    """The state of a source in a word and a sentence, and what it counted since its process started.

    silent: nothing comes, or nobody answers. refused: the other side said no (password, certificate, topic).
    disk_full, behind: samples come and are not acknowledged, because the spool cannot keep them, or not as fast.
    last_utc: when the last sample was received. rejected: what came and was no sample. missing: numbers that the
    device left out. doubled: numbers that came again.
    """

    source_id: str
    kind: str
    state: Condition
    sentence: str = ""
    last_utc: datetime | None = None
    accepted: int = 0
    rejected: int = 0
    missing: int = 0
    doubled: int = 0

"""Agents and devices that lack one guard each: what the checker must notice, or its silence would mean nothing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from assets.stores.transactions import Store
from controls.agent import command_steps, live_values, loop, transitions
from controls.ledger.device_lease import Lease
from controls.ledger.rows import LedgerRow, read_commands
from controls.safety.verdict import ALLOW
from tests.control_faults.storm import USUAL, Setting
from tests.control_faults.virtual_site import VirtualWriter
from tests.controls.ledger.rows_of import NOW


@dataclass(frozen=True)
class Naive:
    """finding: with which word the checker names what it does; setting: what its devices lack."""

    finding: str
    patch: Callable[[pytest.MonkeyPatch], None] = lambda _: None
    setting: Setting = USUAL

    @contextmanager
    def at_work(self) -> Iterator[Setting]:
        """While this is open every agent is naive."""
        with pytest.MonkeyPatch.context() as patch:
            self.patch(patch)
            yield self.setting


class RetryingWriter(VirtualWriter):
    """A connection that repeats by itself what was not answered, as libraries do unless they are told not to."""

    tries = 4


def _without_lease(patch: pytest.MonkeyPatch) -> None:
    def mine(_store: Store, site_id: str, holder: str, **_: Any) -> Lease:
        return Lease(site_id=site_id, holder=holder, epoch=1, expires_utc=NOW + timedelta(days=1))

    patch.setattr(loop, "acquire_lease", mine)
    patch.setattr(transitions, "_holds_lease", lambda *_: True)


def _without_interlocks(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(transitions, "check_all", lambda *_: ALLOW)


def _without_expiry(patch: pytest.MonkeyPatch) -> None:
    def stretched(row: LedgerRow) -> LedgerRow:
        later = row.command.valid_until_utc + timedelta(hours=1)
        return row.model_copy(update={"command": row.command.model_copy(update={"valid_until_utc": later})})

    def read(*args: Any, **kwargs: Any) -> list[LedgerRow]:
        return [stretched(row) for row in read_commands(*args, **kwargs)]

    patch.setattr(loop, "read_commands", read)


def _without_read_back(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(command_steps, "fits", lambda *_: True)


def _without_recovery(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(loop, "IN_HAND", ())


def _without_hands(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(loop, "manual_command_id", lambda *_: "")
    patch.setattr(live_values, "_hold", lambda *_: "")


NAIVE = {
    "naive retry": Naive("BLIND", setting=Setting(writer=RetryingWriter)),
    "no time to live": Naive("UNSAFE", setting=Setting(has_ttl=False)),
    "no lease": Naive("RIVALS", _without_lease),
    "no interlock": Naive("FORBIDDEN", _without_interlocks),
    "no expiry check": Naive("LATE", _without_expiry),
    "no read-back": Naive("CLAIMED", _without_read_back),
    "no regard for a hand": Naive("HANDS", _without_hands),
    "no recovery": Naive("OPEN", _without_recovery),
    "no order at the device": Naive("REPEATED", setting=Setting(has_order=False)),
}

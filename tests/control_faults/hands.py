"""A person who sets a device of a virtual site by hand, and gives it back."""

from contextlib import suppress
from datetime import timedelta
from typing import Any

from assets.stores.transactions import Store, site_transaction
from controls.ledger.by_hand import give_back, set_manually
from controls.ledger.device_holds import open_holds
from controls.ledger.rows import read_commands
from data_quality.contracts.errors import BadInput, Unreachable
from tests.control_faults.virtual_site import CAPABILITIES, VirtualSite, no_check
from tests.controls.agent.plant import Crash
from tests.controls.ledger.rows_of import CARLA


def set_device(site: VirtualSite, device: str, value: float, *, window_s: float, is_checked: bool = True) -> None:
    """A person sets a device from now on."""
    now_utc = site.time.true_utc
    fields: dict[str, Any] = {"until_utc": now_utc + timedelta(seconds=window_s), "person": CARLA, "reason": "test"}
    fields |= {"at_utc": now_utc, "check": site.check if is_checked else no_check}
    place = ("home", device, CAPABILITIES[device])
    with suppress(BadInput, Unreachable, Crash), site_transaction(site.store, "home") as connection:
        set_manually(site.store, connection, place, value, "kw", **fields)
    _look(site)


def give_device_back(site: VirtualSite, device: str) -> None:
    """A person gives a device back to the plan."""
    fields: dict[str, Any] = {"person": CARLA, "reason": "test", "at_utc": site.time.true_utc, "check": site.check}
    with suppress(BadInput, Unreachable, Crash), site_transaction(site.store, "home") as connection:
        give_back(site.store, connection, "home", device, CAPABILITIES[device], **fields)
    _look(site)


def _look(site: VirtualSite) -> None:
    """Note the result of a person's act from the database: an answer that was lost says nothing."""
    plain = Store(site.store.engine, site.store.public_keys)
    for row in read_commands(plain, "home"):
        order, name = row.command, row.command.command_id
        if name not in site.keys:
            site.keys[name] = f"{order.device_id}:{order.value}"
            until_s = site.time.seconds_of(order.valid_until_utc)
            site.record("asked", device=order.device_id, key=name, value=order.value, until_s=until_s)
    standing = {each.sends: each for each in open_holds(plain, "home", site.time.true_utc) if each.sends}
    for name in site.hands.keys() - standing:
        site.record("hand", device=site.hands.pop(name), key=name, value=0.0)
    for name, hold in standing.items():
        if name not in site.hands and hold.until_utc is not None:
            site.hands[name] = hold.device_id
            until_s = site.time.seconds_of(hold.until_utc)
            site.record("hand", device=hold.device_id, key=name, value=1.0, until_s=until_s)

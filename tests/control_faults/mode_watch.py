"""Over every test with an agent in it: what goes to a device's hand is held against the mode events in the database.

Read past the program and by rules of its own, so that neither the agent's view nor the guards can let it pass. What a
gateway then makes of it is told by its bytes (socket_audit.py).
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from assets.stores.schema.tables_control import mode_events
from controls.agent import command_steps, loop, watchdog, wire
from controls.agent.context import AgentContext, Device
from data_quality.contracts.control.command import Command, Mode


def below_partial(context: AgentContext, device_id: str, capability: str, *, is_home: bool) -> str:
    """Fault of a write, by the mode entries themselves; empty where there is none. is_home: of the safe default,
    which is written in every mode, but only where set-points were ever let out.
    """
    query = mode_events.select().where(mode_events.c.site_id == context.site_id).order_by(mode_events.c.id)
    try:
        with context.store.engine.connect().execution_options(meterloom_read=True) as connection:
            rows = [dict(row) for row in connection.execute(query).mappings()]
    # A test took the store away; what may be written without one is another test's matter.
    except sa.exc.SQLAlchemyError:
        return ""
    scopes = (("", ""), (device_id, ""), (device_id, capability))
    mine = [[row for row in rows if (row["device_id"], row["capability"] or "") == scope] for scope in scopes]
    if is_home:
        was_out = any(Mode[row["mode"]] >= Mode.PARTIAL for row in mine[0])
        return "" if was_out else f"{device_id}: a way home, and never a way out"
    if not mine[0]:
        return f"{device_id}: a set-point without any entry of a mode"
    low = [row for of_scope in mine for row in of_scope[-1:] if Mode[row["mode"]] < Mode.PARTIAL]
    return f"{device_id}: a set-point in {low[0]['mode']}" if low else ""


@contextmanager
def watched() -> Iterator[list[str]]:
    """While this is open, writes of this process's agents that no mode allows are listed."""
    found: list[str] = []
    send, revert = wire.send, wire.revert

    def sent(context: AgentContext, device: Device, slot: Any, command: Command) -> Generator[Any, Any, Any]:
        found.append(below_partial(context, device.device_id, slot.capability, is_home=False))
        return (yield from send(context, device, slot, command))

    def reverted(context: AgentContext, device: Device, slot: Any, **given: Any) -> Generator[Any, Any, Any]:
        before = context.counts["reverts", ""]
        done = yield from revert(context, device, slot, **given)
        if context.counts["reverts", ""] > before:
            found.append(below_partial(context, device.device_id, slot.capability, is_home=True))
        return done

    with pytest.MonkeyPatch.context() as patch:
        for module in (command_steps, loop, watchdog):
            for name, watching in (("send", sent), ("revert", reverted)):
                if hasattr(module, name):
                    patch.setattr(module, name, watching)
        yield found

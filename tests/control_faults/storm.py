"""Random fault schedules: the effect of a seed on a site, and the checker's findings afterwards."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from data_quality.contracts.control.command import Mode
from tests.control_faults.checker import check
from tests.control_faults.hands import give_device_back, set_device
from tests.control_faults.history import History
from tests.control_faults.virtual_site import BOUNDS, StoreMaker, VirtualSite, VirtualWriter

# Twice as long as the promise: whatever stands then stands against it.
QUIET_S = 120.0
HOOKS = ("picked", "issued", "written", "acked", "read_back", "verified", "refreshed")
DEVICE_FAULTS = ("silent", "deaf", "loses_ack", "refuses", "clamps")
VALUES = {"battery": (-1.5, -0.4, 0.0, 0.7, 1.5, 2.5, -5.0), "pv": (5.6, 6.5, 8.0, 3.0)}


@dataclass(frozen=True)
class Setting:
    """Settings of a site; those that are not the default are what a naive one lacks."""

    writer: type[VirtualWriter] = VirtualWriter
    has_ttl: bool = True
    has_order: bool = True


USUAL = Setting()


@dataclass(frozen=True)
class Outcome:
    """Result of one schedule."""

    index: int
    actions: tuple[str, ...]
    problems: tuple[str, ...]
    history: History
    took_s: float


def storm(seed: int, index: int, maker: StoreMaker, setting: Setting = USUAL) -> Outcome:
    """One schedule from its numbers, on which alone it depends, to the verdict."""
    began_s = time.perf_counter()
    chance = Random(f"{seed}/{index}")
    with maker.store() as store:
        site = VirtualSite(store, writer=setting.writer, has_reference=bool(index % 2))
        for device in site.devices.values():
            device.has_ttl, device.has_order = setting.has_ttl, setting.has_order
        site.start()
        site.plan("battery", 1.2, window_s=90.0)
        site.run(3.0)
        actions = []
        for _ in range(chance.randint(3, 8)):
            name = chance.choice(ACTIONS)
            actions.append(name)
            OF_NAME[name](site, chance)
            site.run(chance.choice((1.0, 2.0, 4.0, 12.0)), step_s=chance.choice((0.5, 1.0, 2.0, 4.0)))
        _end(site)
        problems = check(site.history, BOUNDS, site.end())
    return Outcome(index, tuple(actions), tuple(problems), site.history, time.perf_counter() - began_s)


def _end(site: VirtualSite) -> None:
    """All agents die and nobody comes for a while; then everything is mended and one agent puts the ledger right."""
    for agent in list(site.agents):
        site.kill(agent)
    site.time.true_s += QUIET_S
    _mend(site)
    site.time.offset_s = 0.0
    site.start()
    site.run(68.0, step_s=4.0)


def _mend(site: VirtualSite) -> None:
    if site.store.fault:
        site.record("mended", note=f"store {site.store.fault}")
    site.store.fault, site.crash_at = "", ""
    for device in site.devices.values():
        device.fault, device.forced, device.crash = "", None, ""


def _plan(site: VirtualSite, chance: Random) -> None:
    _plan_for(site, chance, chance.choice(("battery", "battery", "pv")))


def _plan_for(site: VirtualSite, chance: Random, device: str) -> None:
    copies, is_checked = chance.choice((1, 1, 2)), chance.random() < 0.6
    window_s = chance.choice((20.0, 61.5, 90.0))
    site.plan(device, chance.choice(VALUES[device]), window_s=window_s, copies=copies, is_checked=is_checked)


def _kill(site: VirtualSite, chance: Random) -> None:
    if site.agents:
        site.kill(chance.choice(site.agents))


def _start(site: VirtualSite, chance: Random) -> None:
    if len(site.agents) < 2:
        # A process that begins behind the time cannot know it where there is no other clock to ask.
        if not site.has_reference:
            site.time.offset_s = max(site.time.offset_s, 0.0)
        site.start()


def _crash(site: VirtualSite, chance: Random) -> None:
    """Killed at a point of its work, and another one is started early or late."""
    place = chance.choice((*HOOKS, "before", "after", "dies"))
    if place == "dies":
        site.store.fault = site.store.fault or "dies"
    elif place in ("before", "after"):
        chance.choice(list(site.devices.values())).crash = place
    else:
        site.crash_at = place
    _plan(site, chance)
    site.run(4.0)
    site.time.true_s += chance.choice((0.2, 3.0, 20.0))
    _start(site, chance)


def _store(site: VirtualSite, chance: Random) -> None:
    """The store goes for a while, or loses one answer."""
    name = chance.choice(("gone", "readonly", "unanswered"))
    if site.store.fault:
        return
    site.store.fault = name
    if name == "unanswered":
        return
    site.record("nemesis", note=f"store {name}")
    site.run(chance.choice((3.0, 16.0, 72.0)), step_s=4.0)
    _mend_store(site)


def _mend_store(site: VirtualSite) -> None:
    site.record("mended", note=f"store {site.store.fault}")
    site.store.fault = ""


def _device(site: VirtualSite, chance: Random) -> None:
    device = chance.choice(list(site.devices.values()))
    device.fault = "" if device.fault else chance.choice(DEVICE_FAULTS)
    _plan_for(site, chance, device.name)


def _hand(site: VirtualSite, chance: Random) -> None:
    """A person, or the device itself, sets something else; or the person lets go."""
    device = site.devices["battery"]
    device.forced = None if device.forced is not None else chance.choice((3.0, 0.0, -2.0))


def _set(site: VirtualSite, chance: Random) -> None:
    """A person sets the battery, or gives it back."""
    if site.hands and chance.random() < 0.5:
        give_device_back(site, "battery")
    else:
        value, is_checked = chance.choice(VALUES["battery"]), chance.random() < 0.6
        set_device(site, "battery", value, window_s=chance.choice((61.5, 90.0)), is_checked=is_checked)
        _plan_for(site, chance, "battery")


def _reboot(site: VirtualSite, chance: Random) -> None:
    chance.choice(list(site.devices.values())).reboot()


def _replay(site: VirtualSite, chance: Random) -> None:
    """Messages of earlier arrive once more, and out of order."""
    for _ in range(4):
        chance.choice(list(site.devices.values())).replay(chance.randint(0, 5))


def _clock(site: VirtualSite, chance: Random) -> None:
    site.time.offset_s += chance.choice((-7200.0, -600.0, -3.0, -1.5, -0.5, 0.5, 3.0, 600.0, 7200.0))
    site.record("clock", value=site.time.offset_s)


def _clock_right(site: VirtualSite, chance: Random) -> None:
    site.time.offset_s = 0.0
    site.record("clock", value=0.0)


def _mode(site: VirtualSite, chance: Random) -> None:
    site.set_mode(chance.choice((Mode.SIMULATION, Mode.ADVISORY, Mode.PARTIAL, Mode.PARTIAL)))


def _soc(site: VirtualSite, chance: Random) -> None:
    device = site.devices["battery"]
    device.soc_percent = chance.choice((5.0, 50.0, 96.0))
    device.record("soc", value=device.soc_percent)


def _sleep(site: VirtualSite, chance: Random) -> None:
    """The machine is stopped for a while and goes on."""
    site.time.true_s += chance.choice((3.0, 12.0, 30.0, 50.0))


def _acknowledge(site: VirtualSite, chance: Random) -> None:
    site.acknowledge()


Act = Callable[[VirtualSite, Random], None]
OF_NAME: dict[str, Act] = {
    "plan": _plan,
    "kill": _kill,
    "start": _start,
    "crash": _crash,
    "store": _store,
    "device": _device,
    "hand": _hand,
    "set": _set,
    "reboot": _reboot,
    "replay": _replay,
    "clock": _clock,
    "clock right": _clock_right,
    "mode": _mode,
    "soc": _soc,
    "sleep": _sleep,
    "acknowledge": _acknowledge,
}
# Plans and agents twice as often: without them nothing stands that a fault could break.
ACTIONS = (*OF_NAME, "plan", "plan", "start", "crash", "set")

"""The demo's live part: broker, simulated home and agent; the home is planned, released, and its proof awaited."""

import time
from collections.abc import Callable
from typing import Any

from assets.sites.load_sites import load_people
from assets.stores.live.live_store import LiveReader
from assets.stores.published.publications import sign_act
from assets.stores.sign import signer_of
from controls.ledger.modes import set_mode
from controls.planning.summary import device_sentences
from data_quality.contracts.control.command import Mode
from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import Clock
from orchestration.environment import environment
from orchestration.open_project import OpenProject
from orchestration.resources import ProjectResource
from orchestration.runner import Runner
from orchestration.supervised.supervisor import live_sites
from orchestration.views.ledger_view import commands_of_store

Say = Callable[[str], None]
# The slowest live source of the home reports every five seconds.
_LIVE_WITHIN_S = 12.0


def sign_demo(
    project: ProjectResource | OpenProject,
    person: Person,
    *,
    kind: str,
    subject: str,
    facts: dict[str, str],
    clock: Clock,
) -> None:
    """Keep the person's signature over what this transaction did, where the people file holds keys."""
    signer = signer_of(person, project.people, project.project.keys_dir)
    sign_act(project.store, signer, person, kind=kind, subject=subject, facts=facts, clock=clock)


def dispatch_live(project: ProjectResource, runner: Runner, clock: Clock, say: Say) -> list[dict[str, Any]]:
    """Carla raises the simulated home to PARTIAL; the plan's current slot goes to its devices and is read back.

    Returns the commands as they stand while everything is up: the agent's end takes them back to the safe default.
    """
    raise_mode(project, clock)
    with (
        live_sites(project.project, project.sites, say=say, allow_fallback=True) as live,
        environment(live.environment),
    ):
        runner.run("plan", partition="home")
        plan = project.plans.latest("home")
        if plan is not None:
            for sentence in device_sentences(plan, time_zone=project.site("home").time_zone):
                say(sentence)
        runner.run("dispatch", partition="home")
        _await_live_values(project, clock)
        return [each for each in commands_of_store(project.store, "home") if each["state"] != "PROPOSED"]


def _await_live_values(project: ProjectResource, clock: Clock) -> None:
    """Wait until each live point of the home is newer than the proof, so that the last powers kept add up."""
    reader, proven_utc = LiveReader(project.project.live_dir), clock.now_utc()
    deadline_s = time.monotonic() + _LIVE_WITHIN_S
    while time.monotonic() < deadline_s:
        values = reader.values("home")
        if values and all(each.at_utc > proven_utc for each in values):
            return
        time.sleep(0.25)


def raise_mode(project: ProjectResource, clock: Clock) -> None:
    """The recorded step that lets commands reach the simulated home, within the partial envelope."""
    carla = load_people(project.project.people_file).acting("carla", Role.ENGINEER)
    reason = "Demo: the devices are our own simulator"
    with project.store.together():
        set_mode(project.store, "home", mode=Mode.PARTIAL, person=carla, reason=reason, clock=clock)
        facts = {"mode": Mode.PARTIAL.name, "device": "", "reason": reason}
        sign_demo(project, carla, kind="dispatch mode", subject="home", facts=facts, clock=clock)

"""`meterloom advise ab` and `preferences`: two ways to advise side by side, and an order that learns from answers."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

from assets.stores.ledgers.advice_acts import AdviceActs
from assets.stores.ledgers.recommendations import Recommendations
from controls.ledger.device_holds import manual_settings
from controls.ledger.rows import read_commands
from controls.optimiser.devices.kinds import device_assets
from controls.optimiser.devices.room import Room, RoomParams
from controls.planning.suggestions import BoundSuggestion, overrides_of, suggested_bounds
from data_quality.contracts.access.permissions import Permission, expect
from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.advice_trial import AdviceTrial
from data_quality.contracts.site_file.site import Site
from orchestration.operations.answer import Answer, Table
from orchestration.operations.operation import ACTS, READS, READS_AND_ACTS, Call, Option, operation
from orchestration.operations.options import ReasonOption
from orchestration.views.advice_order import draw, preferences, trial_summary

if TYPE_CHECKING:
    from orchestration.open_project import OpenProject


ARMS = Table("arms", "arm: {name} | shown | accepted | realised (kWh): {realised_kwh:,.0f|-} | between: {band}",
             band=lambda each: "-" if each["interval_kwh"] is None
             else "{:,.0f} and {:,.0f}".format(*each["interval_kwh"]))  # fmt: skip
DRAWN = Table("drawn", "site | kind | arm", empty="no recommendation is known yet: arms are drawn when one is found")
LEARNT = Table(
    "preferences", "kind | accepted | dismissed | expected: {likes:.0%} | counts: {effect:.2f} times | until: {until}",
    until=lambda each: f"{each['until_utc']:%Y-%m-%d}", empty="no answer is kept: the order is that of value",
)  # fmt: skip


BOUNDS = Table(
    "bounds", "site | room: {device_id} | {part_of_day} | edge | suggested (°C): {degc:.1f} | now (°C): "
    "{present_degc:.1f} | by hand on: {on_days} of {of_days} days | until: {until}",
    until=lambda each: f"{each['until_utc']:%Y-%m-%d}",
)  # fmt: skip


@operation("advise ab start", takes=ACTS, example='--seed 7 --as ben --reason "is the learnt order better?"')
def ab_start(
    call: Call,
    reason: ReasonOption,
    seed: Annotated[int | None, Option("Of the draw; by the clock where it is left out.")] = None,
    compare: Annotated[
        str, Option("Beside the rules: learnt (order by preferences), wording (language model).")
    ] = "learnt",
    shown: Annotated[int, Option("Answers over both arms after which it ends.")] = 200,
) -> Answer:
    """Draw by site and kind who is advised which way, and store every arm before it is shown."""
    person = call.known_person()
    expect(person, Permission.AI_RUN)
    if compare not in ("learnt", "wording"):
        raise BadInput(f"--compare is learnt or wording, not {compare[:20]!r}", reason="bad_value")
    if not 40 <= shown <= 10_000:
        raise BadInput(
            "--shown is 40 to 10000: with fewer the arms would not differ significantly", reason="bad_number"
        )
    _expect_reason(reason)
    now_utc, store = call.clock.now_utc(), call.project.store
    number = int(now_utc.timestamp()) if seed is None else seed
    if number < 0:
        raise BadInput("--seed is 0 or more", reason="bad_number")
    trial = AdviceTrial(trial_id=f"ab{now_utc:%Y%m%d%H%M%S}", seed=number, compares=compare, most_shown=shown)
    with store.together():
        AdviceActs(store).start(trial, call.clock, person_id=person.person_id, reason=reason.strip())
        draw(store, Recommendations(store).current(), call.clock)
    return _trial_answer(call)


@operation("advise ab show", takes=READS, example="")
def ab_show(call: Call) -> Answer:
    """Show the newest trial: both arms with what was accepted and saved, and whether one is better."""
    return _trial_answer(call, call.as_of_utc)


@operation("advise ab stop", takes=ACTS, example='--as ben --reason "decided"')
def ab_stop(call: Call, reason: ReasonOption) -> Answer:
    """End the trial that runs: nothing more is drawn or counted, and everybody's order is learnt again."""
    person = call.known_person()
    expect(person, Permission.AI_RUN)
    _expect_reason(reason)
    acts = AdviceActs(call.project.store)
    trial = acts.running()
    if trial is None:
        raise BadInput("no trial of two ways to advise runs", reason="no_trial")
    acts.stop(trial, call.clock, person_id=person.person_id, reason=reason.strip())
    return _trial_answer(call)


@operation("advise preferences", takes=READS_AND_ACTS, example="--as ben")
def advise_preferences(
    call: Call,
    forget: Annotated[str | None, Option("Forget the answers to this kind so far, or comfort:ROOM.")] = None,
    reason: Annotated[str, Option("Why it is forgotten.")] = "",
) -> Answer:
    """Show what answers say of each kind, and hands of each room: count, expiry, effect. No figure or limit moves."""
    person, store = call.known_person(), call.project.store
    known = preferences(store, person.person_id, now_utc=call.clock.now_utc(), as_of_utc=call.as_of_utc)
    if forget is not None:
        _expect_reason(reason)
        if call.as_of_utc is not None:
            raise BadInput("--forget is done now, not as of then", reason="bad_value")
        wished = {COMFORT + each["device_id"] for each in _bounds(call, person.person_id)}
        if forget not in known and forget not in wished:
            raise BadInput(f"{person.person_id} has no preference for {forget[:40]!r}", reason="no_preference")
        AdviceActs(store).forget(forget, call.clock, person_id=person.person_id, reason=reason.strip())
        known = preferences(store, person.person_id, now_utc=call.clock.now_utc())
    from assets.advice.preferences import effect

    rows: list[dict[str, Any]] = [
        {**each.model_dump(), "effect": round(effect(known, each.kind), 3)} for each in known.values()
    ]
    bounds = _bounds(call, person.person_id)
    tables = (LEARNT, BOUNDS) if bounds else (LEARNT,)
    return Answer({"person": person.person_id, "preferences": rows, "bounds": bounds}, tables)


def _bounds(call: Call, person_id: str) -> list[dict[str, Any]]:
    """Suggested comfort bounds of all sites, by the site's id."""
    now_utc, as_of_utc = call.clock.now_utc(), call.as_of_utc
    return [
        {"site": site_id, **each.model_dump()}
        for site_id, site in call.project.sites.items()
        for each in comfort_wishes(call.project, site, person_id, now_utc=now_utc, as_of_utc=as_of_utc)
    ]


def _expect_reason(reason: str) -> None:
    if not reason.strip():
        raise BadInput("this is done with a reason", reason="no_reason")


def _trial_answer(call: Call, as_of_utc: datetime | None = None) -> Answer:
    document = trial_summary(call.project.store, as_of_utc=as_of_utc)
    trial, found = document["trial"], document["findings"]
    state = "runs" if trial["stopped_utc"] is None else f"stopped {trial['stopped_utc']:%Y-%m-%d}"
    headline = f"trial {trial['trial_id']}: rules against {trial['compares']}, seed {trial['seed']}, {state}"
    result = found[0].message if found else f"{document['verdict']}: {document['difference']:+.0%} accepted"
    if not found:
        result += " (between {:+.0%} and {:+.0%})".format(*document["interval"])
    return Answer(document, (ARMS, DRAWN), f"{headline}\n{result}")


# Of a preference that is no kind of recommendation: comfort:ROOM.
COMFORT = "comfort:"
# The temperature of a room at an override: its last reading in the hour before.
_HOUR = timedelta(hours=1)


def comfort_wishes(
    project: "OpenProject", site: Site, person_id: str, *, now_utc: datetime, as_of_utc: datetime | None = None
) -> tuple[BoundSuggestion, ...]:
    """Suggested bounds of a site's rooms, less what the person forgot; as of then where an instant is given."""
    rooms: dict[str, RoomParams] = {
        asset.asset_id: Room.figures(asset, site.site_id) for asset, kind in device_assets(site) if kind is Room
    }
    if not rooms:
        return ()
    forgotten = AdviceActs(project.store).forgotten(person_id, as_of_utc=as_of_utc)
    never = datetime.min.replace(tzinfo=UTC)
    commands, settings = read_commands(project.store, site.site_id), manual_settings(project.store, site.site_id)
    overrides = [
        each
        for each in overrides_of(commands, settings)
        if each.device_id in rooms and each.at_utc > forgotten.get(COMFORT + each.device_id, never)
    ]
    meters = {asset.asset_id: asset.state_meter for asset in site.assets}
    degc = dict[tuple[str, datetime], float]()
    for each in overrides:
        if (meter := meters[each.device_id]) is None:
            continue
        since_utc, until_utc = each.at_utc - _HOUR, each.at_utc
        rows = project.lake.current(site.site_id, start_utc=since_utc, end_utc=until_utc, meters=[meter])
        rows = rows.drop_nulls("value")
        if not rows.is_empty():
            degc[each.device_id, each.at_utc] = float(rows.sort("interval_start_utc")["value"][-1])
    return suggested_bounds(overrides, rooms, degc, time_zone=site.time_zone, now_utc=as_of_utc or now_utc)

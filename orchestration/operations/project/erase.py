"""`meterloom erase`: one person, or one meter with its readings, taken out of a project for good."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple
from uuid import uuid4

from assets.stores.backup.last_backup import last_backup
from assets.stores.backup.place import place_to_read, split_address
from assets.stores.erasure.erase import Erasing, ErasureClass, SubjectRecords
from assets.stores.erasure.record import (
    ErasureBody,
    ErasureRecord,
    keep_record,
    known_erasures,
    share_records,
    signed_record,
)
from assets.stores.erasure.subject import Subject, subject_of
from assets.stores.published.ground import ground_of
from assets.stores.seals import ledger_of
from assets.stores.trust import ERASE
from controls.ledger.device_lease import leases
from data_quality.contracts.errors import BadInput, Unreachable
from data_quality.contracts.people import Role
from orchestration.doctor.role_files import roles, roles_dir
from orchestration.instance.start_lock import taken
from orchestration.operations.answer import Answer, Table
from orchestration.operations.operation import ACTS, Argument, Call, Option, operation
from orchestration.operations.signing import Actor, actor, pack_signer

if TYPE_CHECKING:
    from orchestration.open_project import OpenProject

SHOWN = 3
CLASSES = Table(
    "classes", "class: {name} | rows | bytes: {bytes:,} | held by: {needs}",
    needs=lambda each: "; ".join(each["held_by"][:SHOWN]) + f" and {len(each['held_by']) - SHOWN} more"
    * (len(each["held_by"]) > SHOWN) or "-",
)  # fmt: skip


@operation("erase", takes=ACTS, example="person/ben --dry-run", writes=False)
def erase(
    call: Call,
    subject: Annotated[str, Argument("person/ID, or meter/SITE/ID with its readings.", metavar="SUBJECT")],
    dry_run: Annotated[bool, Option("Say what would go and what rests on it; erase nothing.")] = False,
    yes: Annotated[bool, Option("It cannot be undone, and published figures may lose their inputs.")] = False,
    reason: Annotated[str, Option("Why; without the data that is to go.")] = "asked for",
) -> Answer:
    """Erase one person or one meter from store, lake, marts, landing, reports and logs; a signed record stays.

    What people decided stays by their id, and hashes stay in the manifest: every chain can still be followed. An admin
    does it with --as, while no service runs. A restore of an older backup erases it again.
    """
    project, who = call.project, subject_of(subject)
    if dry_run:
        found, classes = _looked(call, _erasing(project, call.keys_dir, who))
        return _answer(who, found, classes, "", is_done=False)
    by = actor(call, Role.ADMIN)
    if who.text == f"person/{by.person.person_id}":
        raise BadInput(f"{by.person.name} cannot erase themselves", reason="own_erasure", mend="another admin does it")
    places = call.places
    with taken(places, "upkeep"), taken(places, "up"), taken(places, "daemon"), taken(places, "project"):
        if running := _running(call):
            raise BadInput(
                f"services run: {'; '.join(running)}; they hold what is to go",
                reason="services_run",
                mend="end each where it was started: Ctrl-C, or stop its unit or container",
            )
        erasing = _erasing(project, call.keys_dir, who)
        found, classes = _looked(call, erasing)
        needs = sorted({need for each in classes if each.name == "readings" for need in each.held_by})
        if found.subject.without(reason) != reason:
            raise BadInput(
                f"the reason says the name of {who.text}, and the record keeps the reason",
                reason="name_in_reason", mend="give a reason without it",
            )  # fmt: skip
        if not yes:
            raise BadInput(
                f"{who.text}: nothing brings it back" + (f"; {len(needs)} report(s) lose ground" if needs else ""),
                reason="not_confirmed", mend="look with --dry-run, then say it with --yes",
            )  # fmt: skip
        erasure_id = _carried_out(call, by, erasing, found, reason)
        shared = _share(call)
    return _answer(who, found, classes, erasure_id, is_done=True, shared=shared)


def _running(call: Call) -> list[str]:
    """Services by their role files, and agents on whatever machine by their leases, each with its place and start."""
    now_utc, held = call.clock.now_utc(), leases(call.project.store)
    agents = [each for each in held if each.holder and now_utc < each.expires_utc]
    pattern = "agent-{0.site_id} ({0.holder}, holds its lease until {0.expires_utc:%H:%M:%S}Z)"
    found = {f"agent-{each.site_id}": pattern.format(each) for each in agents} | {
        # Held: its parent was killed, and the service is still on its way out.
        each.name: each.description
        for each in roles(roles_dir(call.places))
        if each.is_alive or each.is_held
    }
    return [found[name] for name in sorted(found)]


def _erasing(project: "OpenProject", keys_dir: Path, who: Subject, *, is_again: bool = False) -> Erasing:
    """The subject with its name. Raises BadInput where the project knows nobody and nothing of that id, or another
    one's name has it in it.

    is_again: in a project of before, which may not know the subject yet; no name stops a restore.
    """
    known, others = _names(project, who)
    if known is None and not is_again:
        # It says which there are.
        project.site(who.site_id) if who.site_id else project.people.known(who.own_id)
    who = who.named(known or "")
    other = next((each for each in others if who.name and who.without(each) != each), "")
    if other and not is_again:
        raise BadInput(
            f"the name of {who.own_id!r} is part of another one's, {other!r}", reason="shared_name",
            mend=f"write the two apart in the {'site' if who.site_id else 'people'} file first",
        )  # fmt: skip
    last = last_backup(project.project)
    left_out = [Path(split_address(last.path)[0])] if last is not None else []
    return Erasing(project.project, project.store, project.lake, who, keys_dir, left_out)


def _names(project: "OpenProject", who: Subject) -> tuple[str | None, list[str]]:
    """Name of the subject, None where the project does not know it; and names in which it would be replaced too."""
    people = {each.person_id: each.name for each in project.people.people}
    if not who.site_id:
        return people.get(who.own_id), [name for person_id, name in people.items() if person_id != who.own_id]
    known, others = None, [*people.values()]
    for site in project.sites.values():
        meters = {each.meter_id: each.name for each in site.meters}
        if site.site_id == who.site_id:
            known = meters.pop(who.own_id, "")
        others += [site.name, *meters.values()]
    # A use that is called as its meter is about the same.
    return known, others + [seu.name for site in project.sites.values() for seu in site.seus if seu.name != known]


def _looked(call: Call, erasing: Erasing) -> tuple[SubjectRecords, list[ErasureClass]]:
    """Raises BadInput where there is nothing of a meter, and never was: its id is written wrong."""
    call.doing("looking for what there is of it")
    found, who = erasing.look(), erasing.subject
    if who.site_id and found.is_empty and not known_erasures(call.project.store, who.text):
        raise BadInput(f"nothing of {who.text} is here", reason="nothing_there", mend="look at the meter's id")
    return found, erasing.classes(found, ground_of(call.project.reports) if found.sources else {})


def _carried_out(call: Call, by: Actor, erasing: Erasing, found: SubjectRecords, reason: str) -> str:
    """Returns the id of the erasure: a new one, or that of one that was broken off."""
    store, clock, who = call.project.store, call.clock, erasing.subject
    begun = [key for key, step in known_erasures(store, who.text).items() if step != "finished"]
    erasure_id = begun[-1] if begun else uuid4().hex[:16]
    if not (found.is_recorded and begun):
        call.doing("changing the store")
        erasure_id = uuid4().hex[:16]
        counts: dict[str, int] = {}

        def sign(own_id: str, taken_away: Any) -> None:
            counts.update(taken_away)
            by.sign(ERASE, who.text, erasure_id=own_id, reason=reason, counts=dict(taken_away))

        erasing.record(found, erasure_id, sign, person_id=by.person.person_id, reason=reason, clock=clock)
    # Also of one that was broken off before its record stood.
    for each in dict.fromkeys([*begun, erasure_id]):
        keep_record(call.places, _record(call, by, each, who.text))
    call.doing("taking files, and rewriting the store")
    erasing.finish(person_id=by.person.person_id, clock=clock)
    return erasure_id


def _record(call: Call, by: Actor, erasure_id: str, subject: str) -> ErasureRecord:
    """The record as the store has it, signed by who erased or, where nobody signs, by the project."""
    from assets.stores.erasure.record import ERASURES
    from assets.stores.published.publications import PublicationStore

    store = call.project.store
    row = next(row for row in ERASURES.rows(store, erasure_id=erasure_id) if row["step"] == "recorded")
    acts = [each for each in PublicationStore(store).signatures(subject) if f'"{erasure_id}"' in each.action]
    body = ErasureBody(
        erasure_id=erasure_id,
        ledger=ledger_of(store),
        subject=subject,
        person_id=row["person_id"],
        reason=row["reason"],
        at_utc=row["recorded_at_utc"].isoformat(),
        counts=row["record"]["counts"],
        act=acts[-1].model_dump(mode="json") if acts else None,
    )
    person, call.person = call.person, None
    try:
        signer = by.signer or pack_signer(call)[0]
    finally:
        call.person = person
    return signed_record(body, signer)


class Shared(NamedTuple):
    """Place of the last backup, empty where there is none. backups: lists of before the erasure there; is_away: it did
    not take the record.
    """

    place: str = ""
    backups: int = 0
    is_away: bool = False


def _share(call: Call) -> Shared:
    """Tell the place of the last backup; every backup tells its own place too."""
    last = last_backup(call.places)
    if last is None:
        return Shared()
    address = split_address(last.path)[0]
    try:
        with place_to_read(address) as place:
            share_records(call.places, place)
            return Shared(address, len(place.lists()))
    except (BadInput, Unreachable, OSError):
        return Shared(address, is_away=True)


def _answer(
    who: Subject,
    found: SubjectRecords,
    classes: list[ErasureClass],
    erasure_id: str,
    *,
    is_done: bool,
    shared: Shared | None = None,
) -> Answer:
    shared = shared or Shared()
    lost = sorted({need for each in classes if each.name == "readings" for need in each.held_by})
    headline = (
        f"nothing of {who.text} is left" if found.is_empty else f"{who.text} {'is' if is_done else 'would be'} erased"
    )
    lines = [f"{headline}; {len(lost)} report(s) cannot be computed again from what is left" if lost else headline]
    if is_done:
        lines.append(f"record {erasure_id}: erasures/{erasure_id}.json; a restore of an older backup erases it again")
    if shared.is_away:
        lines.append(
            f"{shared.place} did not take the record: copy it into its 'erasures', or a restore brings all back"
        )
    if shared.backups:
        lines.append(
            f"{shared.place} keeps {shared.backups} backup(s) of before, with its bytes; one that takes their place: "
            f"meterloom backup --to {shared.place} --keep 1"
        )
    result = {"subject": who.text, "erasure_id": erasure_id, "classes": [each._asdict() for each in classes]}
    done = {"is_erased": is_done, "is_shared": is_done and not shared.is_away, "backups_of_before": shared.backups}
    return Answer(result | done, CLASSES, text="\n".join(lines))


def replay_erasures(opened: "OpenProject", keys_dir: Path, records: list[ErasureRecord], call: Call) -> None:
    """Carry out in a restored project what was erased after its backup. Raises Unreachable, OSError, BadInput."""
    known = known_erasures(opened.store)
    for record in (each for each in records if each.body.erasure_id not in known):
        body = record.body
        call.doing(f"erasing again: {body.subject}")
        erasing = _erasing(opened, keys_dir, subject_of(body.subject), is_again=True)
        stated = body.model_dump(mode="json")
        erasing.record(
            erasing.look(), body.erasure_id, lambda _id, _counts: None,
            person_id=body.person_id, reason=body.reason, clock=call.clock, replayed=stated,
        )  # fmt: skip
        keep_record(opened.project, record)
        erasing.finish(person_id=body.person_id, clock=call.clock)

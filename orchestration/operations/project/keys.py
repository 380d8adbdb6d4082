"""`meterloom keys`: the keys that people sign with, and those with which machines push readings."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from assets.stores.audit import bad_content
from assets.stores.trust import ADOPT
from data_quality.contracts.access.api_key import FOR_MACHINES
from data_quality.contracts.access.permissions import Permission, permissions_of
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Role
from data_quality.contracts.settings import SETTINGS_FILE
from orchestration.operations.answer import Answer, Table
from orchestration.operations.operation import ACTS, PROJECT, Argument, Call, Option, operation
from orchestration.operations.signing import actor, people_record

KEYS = Table("keys", "person: {person_id} | public key: {fingerprint:|none} | private_key")
OF_MACHINES = Table(
    "machine_keys",
    "key: {key_id} | for: {name} | owner: {person_id} | sites | scopes | expires: {expires_utc} | state | "
    "last used: {last_used_utc:|never}",
)
PUSH = Permission.READINGS_PUSH
# From when on a list says that a key is about to end.
SOON = timedelta(days=30)


@operation("keys new", takes=PROJECT, example="anna")
def keys_new(
    call: Call,
    person: Annotated[str, Argument("person_id of the people file.", metavar="PERSON")],
    out: Annotated[Path | None, Option("Folder; METERLOOM_KEYS or the project's.")] = None,
) -> Answer:
    """Make a key: the private half goes to a file of its owner alone, the public half into the people file."""
    from assets.stores.sign import fingerprint, key_path, new_key
    from reports.evidence.people_keys import give_key

    folder = out or call.keys_dir
    is_project = (call.folder / SETTINGS_FILE).exists()
    known = call.project.people.public_keys if is_project else {}
    # For a folder of its own a key may be made before anybody decides whose people file names it, and before it takes
    # the place of the present one.
    is_next = (
        out is not None and out.resolve() != call.keys_dir.resolve() if is_project and known.get(person) else False
    )
    if is_project and (out is None or person in known) and not is_next:
        people_file = call.project.project.people_file
        signer = give_key(people_file, person, folder, people_record(call, person))
        details = [f"public key, now in {people_file} for {person}: {signer.public_key}"]
    else:
        signer = new_key(folder, person)
        details = [f"public key, for {person} in the people file:", f"  public_key: {signer.public_key}"]
        details += [f"the people file does not name {person} yet"] if is_project and not is_next else []
        details += [f"it replaces the present key with: meterloom keys replace --new {folder} --as {person}"] * is_next
    lines = [f"private key: {key_path(folder, person)} (back it up; nobody can make it again)", *details]
    return Answer(
        {
            "person_id": person,
            "path": key_path(folder, person),
            "public_key": signer.public_key,
            "fingerprint": fingerprint(signer.public_key),
        },
        text="\n".join(lines),
    )


@operation("keys replace", takes=ACTS, example="--new new_keys --as anna")
def keys_replace(
    call: Call,
    new: Annotated[Path, Option("Folder of the new key, as 'keys new PERSON --out FOLDER' made it.")],
) -> Answer:
    """Replace one's own key: the old one signs for the new one, and what it signed before stays valid."""
    from assets.stores.sign import KEY_DOMAIN, key_path, key_statement, load_key

    person, signer = call.known_person(), load_key(new, call.known_person().person_id)
    before, after = person.public_key, signer.public_key
    vouched = signer.sign(KEY_DOMAIN, key_statement(person.person_id, before, after))
    answer = key_replaced(call, before=before, after=after, vouched=vouched)
    here, there = key_path(call.keys_dir, person.person_id), key_path(new, person.person_id)
    return Answer(
        answer.result, text=f"{answer.text}\nkeep the old key file, and put the new one there: {there} to {here}"
    )


def key_replaced(call: Call, *, before: str, after: str, vouched: str) -> Answer:
    """Replace the key of who calls. before, after: public keys; vouched: the new key's word (key_changes.py)."""
    from assets.stores.sign import REPLACE, fingerprint
    from reports.evidence.people_keys import replace_key

    who, project = actor(call), call.project
    person_id = who.person.person_id
    if who.signer is None:
        raise BadInput(
            f"{who.person.name} has no public key in the people file, so none can be replaced", reason="no_public_key",
            mend=f"make the first on your profile page, or in a shell: meterloom keys new {person_id}",
        )  # fmt: skip

    def sign(file_sha256: str) -> None:
        who.sign(REPLACE, person_id, public_key=after, vouched=vouched, file_sha256=file_sha256)

    people_file, record = project.project.people_file, people_record(call, person_id)
    replace_key(people_file, person_id, record, before=before, after=after, vouched=vouched, sign=sign)
    row = {"person_id": person_id, "fingerprint": fingerprint(after), "replaces": fingerprint(before)}
    return Answer(row, text=f"key of {who.person.name}: {row['fingerprint']}, in place of {row['replaces']}")


def key_registered(call: Call, *, after: str, vouched: str) -> Answer:
    """Write the first public key of who calls into the people file; its private half was made and stays elsewhere.

    after: the public key; vouched: the new key's signature (`register_key`). Raises BadInput.
    """
    from assets.stores.sign import fingerprint
    from reports.evidence.people_keys import register_key

    me, people_file = call.known_person(), call.project.project.people_file
    register_key(people_file, me.person_id, people_record(call, me.person_id), after=after, vouched=vouched)
    row = {"person_id": me.person_id, "fingerprint": fingerprint(after)}
    return Answer(row, text=f"key of {me.name}: {row['fingerprint']}")


@operation("keys adopt", takes=ACTS, example='--as anna --reason "the keys are new; the acts before them were read"')
def keys_adopt(call: Call, reason: Annotated[str, Option("Reason to accept what is unsigned.")]) -> Answer:
    """Sign what stands in the store: acts from before people had these keys count again."""
    store, who = call.project.store, actor(call, Role.APPROVER)
    if who.signer is None:
        raise BadInput(
            "nobody has a public key in the people file, so nothing has to be adopted", reason="no_public_key"
        )
    # Whoever adopts vouches for what the program wrote, not for what somebody changed in the file.
    bent = bad_content(store)
    if bent:
        raise BadInput(f"the store was changed behind the program's back: {bent[0]}", reason="row_not_proven")
    with store.together():
        who.sign(ADOPT, "store", reason=reason)
    return Answer({"adopted_by": who.person.person_id}, text=f"adopted unchanged by {who.person.name}")


@operation("keys list", takes=PROJECT)
def keys_list(call: Call) -> Answer:
    """Who has a public key, and whether the private one is here and fits."""
    from assets.stores.sign import fingerprint, load_key

    found = []
    for person in call.project.people.people:
        try:
            here = load_key(call.keys_dir, person.person_id).public_key
            state = "fits" if here == person.public_key else "another key"
        except BadInput as fault:
            state = {"no_key": "not here", "open_key": "can be read by others"}.get(fault.reason, "cannot be read")
        found.append(
            {"person_id": person.person_id, "fingerprint": fingerprint(person.public_key), "private_key": state}
        )
    machines = _machine_keys(call)
    soon = [each["key_id"] for each in machines if each["state"] == "good" and each["ends_soon"]]
    text = f"ends within {SOON.days} days: {', '.join(soon)}; 'meterloom keys issue' makes another" if soon else ""
    return Answer({"keys": found, "machine_keys": machines}, [KEYS, OF_MACHINES] if machines else KEYS, text=text)


def _machine_keys(call: Call) -> list[dict[str, Any]]:
    from assets.stores.api_keys import ApiKeyStore

    keys, now_utc = ApiKeyStore(call.project.store), call.clock.now_utc()
    used = keys.last_used()
    return [
        {
            **each.model_dump(exclude={"is_revoked"}),
            "state": each.state(now_utc),
            "ends_soon": each.expires_utc - now_utc <= SOON,
            "last_used_utc": used.get(each.key_id),
        }
        for each in keys.recorded()
    ]


@operation("keys issue", takes=ACTS, example='"gateway hall 3" --site factory --as anna')
def keys_issue(
    call: Call,
    name: Annotated[str, Argument("What will hold the key.", metavar="NAME")],
    site: Annotated[list[str], Option("Site that it is for; several are possible.")],
    days: Annotated[int, Option("How long it lasts, 366 at most.", min=1)] = 90,
    scope: Annotated[list[str] | None, Option("What it may; ems.readings.push, or permissions to read.")] = None,
) -> Answer:
    """Make a key with which a machine may push readings, or read what its owner may; it is shown once."""
    from assets.stores.api_keys import ApiKeyStore

    who, scopes = actor(call), [_scope(each) for each in scope or [PUSH]]
    lacking = sorted(set(scopes) - permissions_of(who.person.roles))
    if lacking:
        raise BadInput(
            f"{who.person.name} has not the role for a key that may {', '.join(lacking)} (roles: "
            f"{', '.join(who.person.roles) or 'none'})",
            reason="missing_role",
        )
    sites, store = [call.project.site(each).site_id for each in site], call.project.store
    with store.together():
        key, text = ApiKeyStore(store).issue(
            who.person.person_id, name=name, sites=sites, scopes=scopes, days=days, clock=call.clock,
            chance=call.chance(),
        )  # fmt: skip
        who.sign("keys issue", key.key_id, sites=sites, scopes=scopes, expires_utc=key.expires_utc.isoformat())
    lines = [
        f"key of {name}, until {key.expires_utc:%Y-%m-%d} for {', '.join(sites)}: {text}",
        "it is shown this once; send it as 'Authorization: Bearer KEY', never in an address",
    ]
    return Answer({**key.model_dump(), "key": text}, text="\n".join(lines))


def _scope(text: str) -> Permission:
    """A permission that a key may carry. Raises BadInput."""
    if text not in FOR_MACHINES:
        known = ", ".join(sorted(FOR_MACHINES))
        raise BadInput(f"a key may not carry {text!r}; it may {known}", reason="unknown_permission")
    return Permission(text)


@operation("keys revoke", takes=ACTS, example='1f2e3d4c5b6a --as anna --reason "gateway sold"')
def keys_revoke(
    call: Call,
    key: Annotated[str, Argument("Its id, from 'meterloom keys list'.", metavar="KEY")],
    reason: Annotated[str, Option("Why.")],
) -> Answer:
    """Let a machine's key open nothing any more, from now on."""
    from assets.stores.api_keys import ApiKeyStore

    owner = {each.key_id: each.person_id for each in ApiKeyStore(call.project.store).recorded()}.get(key)
    # Everybody may let go of their own; those of others are the engineer's.
    person = call.known_person()
    if owner != person.person_id:
        person = call.acting(Role.ENGINEER)
    revoked = ApiKeyStore(call.project.store).revoke(key, person_id=person.person_id, reason=reason, clock=call.clock)
    return Answer(revoked.model_dump(), text=f"key {revoked.key_id} of {revoked.name} opens nothing any more")

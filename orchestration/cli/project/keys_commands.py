"""`meterloom keys`: the keys that people sign with."""

from pathlib import Path
from typing import Annotated

import typer

from assets.stores.audit import bad_content
from assets.stores.trust import ADOPT
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Role
from data_quality.contracts.settings import SETTINGS_FILE
from orchestration.cli.answer import Answer, Table
from orchestration.cli.frame import ACTS, PROJECT, Call, command
from orchestration.cli.signing import actor, keys_dir

KEYS = Table("keys", "person: {person_id} | public key: {fingerprint:|none} | private_key")


@command("keys new", takes=PROJECT, example="anna")
def keys_new(
    call: Call,
    person: Annotated[str, typer.Argument(metavar="PERSON", help="person_id of the people file.")],
    out: Annotated[Path | None, typer.Option("--out", help="Folder; METERLOOM_KEYS or the project's.")] = None,
) -> Answer:
    """Make a key: the private half goes to a file of its owner alone, the public half into the people file."""
    from assets.stores.sign import fingerprint, key_path, new_key
    from reports.evidence.people_keys import give_key

    folder = out or keys_dir(call)
    is_project = (call.folder / SETTINGS_FILE).exists()
    # For a folder of its own a key may be made before anybody decides whose people file names it.
    if is_project and (out is None or person in call.project.people.public_keys):
        people_file = call.project.project.people_file
        signer = give_key(people_file, person, folder)
        said = [f"public key, now in {people_file} for {person}: {signer.public_key}"]
    else:
        signer = new_key(folder, person)
        said = [f"public key, for {person} in the people file:", f"  public_key: {signer.public_key}"]
        said += [f"the people file does not name {person} yet"] if is_project else []
    lines = [f"private key: {key_path(folder, person)} (back it up; nobody can make it again)", *said]
    return Answer(
        {
            "person_id": person,
            "path": key_path(folder, person),
            "public_key": signer.public_key,
            "fingerprint": fingerprint(signer.public_key),
        },
        text="\n".join(lines),
    )


@command("keys adopt", takes=ACTS, example='--as anna --reason "the keys are new; the acts before them were read"')
def keys_adopt(
    call: Call, reason: Annotated[str, typer.Option("--reason", help="Why what is unsigned may stand.")]
) -> Answer:
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
    return Answer({"adopted_by": who.person.person_id}, text=f"adopted as it stands by {who.person.name}")


@command("keys list", takes=PROJECT)
def keys_list(call: Call) -> Answer:
    """Who has a public key, and whether the private one is here and fits."""
    from assets.stores.sign import fingerprint, load_key

    found = []
    for person in call.project.people.people:
        try:
            here = load_key(keys_dir(call), person.person_id).public_key
            state = "fits" if here == person.public_key else "another key"
        except BadInput as fault:
            state = {"no_key": "not here", "open_key": "can be read by others"}.get(fault.reason, "cannot be read")
        found.append(
            {"person_id": person.person_id, "fingerprint": fingerprint(person.public_key), "private_key": state}
        )
    return Answer({"keys": found}, KEYS)

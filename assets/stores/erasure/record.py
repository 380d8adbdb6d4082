"""Record of an erasure, signed and without what it erased: how a restore of an older backup knows what to erase again.

It lies in the project's folder `erasures`, and in each place of backups.
"""

from typing import Any

from pydantic import ValidationError

from assets.stores.backup.place import BackupPlace
from assets.stores.journal import AppendOnly
from assets.stores.schema.tables_erasure import erasures
from assets.stores.sign import Signer, canonical, is_valid
from assets.stores.transactions import Store
from assets.stores.whole_file import write_whole
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.settings import Project

FOLDER, DOMAIN = "erasures", "meterloom/erasure/1"
ERASURES = AppendOnly(erasures, dict, order=("id",))


class ErasureBody(Model):
    """The signed part. ledger: the store's name; counts: class -> rows that went; act: the person's signed act, which
    names each row of the store by key and digest; None where nobody of the project signs.
    """

    form: int = 1
    erasure_id: str
    ledger: str
    subject: str
    person_id: str
    reason: str
    at_utc: str
    counts: dict[str, int]
    act: dict[str, Any] | None = None


class ErasureRecord(Model):
    """A record with the signature of the person's key, or of the project's own."""

    body: ErasureBody
    public_key: str
    signature: str

    @property
    def is_whole(self) -> bool:
        """It says what was signed."""
        return is_valid(self.public_key, DOMAIN, canonical(self.body.model_dump(mode="json")), self.signature)


def signed_record(body: ErasureBody, signer: Signer) -> ErasureRecord:
    """The record of a body."""
    signature = signer.sign(DOMAIN, canonical(body.model_dump(mode="json")))
    return ErasureRecord(body=body, public_key=signer.public_key, signature=signature)


def keep_record(project: Project, record: ErasureRecord) -> None:
    """Write a record into the project's folder, from where each backup takes it. Raises OSError."""
    folder = project.root / FOLDER
    folder.mkdir(exist_ok=True, mode=0o700)
    write_whole(folder / f"{record.body.erasure_id}.json", record.model_dump_json().encode())


def records_of(project: Project) -> list[tuple[str, bytes]]:
    """Name and content of each record in the project's folder."""
    return [(path.name, path.read_bytes()) for path in sorted((project.root / FOLDER).glob("*.json"))]


def share_records(project: Project, place: BackupPlace) -> None:
    """Let a place of backups hold every record of the project. Raises OSError, Unreachable."""
    for name, content in records_of(project):
        key = f"{FOLDER}/{name}"
        if place.files.noted(key) != content:
            place.files.note(key, content)


def records_in(place: BackupPlace, ledger: str) -> list[ErasureRecord]:
    """Records of that ledger in a place of backups, the oldest first. Raises BadInput for one that was altered."""
    found = []
    for each in place.files.list(f"{FOLDER}/"):
        if not each.key.endswith(".json") or each.key.rpartition("/")[2].startswith("."):
            continue
        try:
            record = place.read(each.key, ErasureRecord.model_validate_json)
        except ValidationError:
            record = None
        if record is None or not record.is_whole:
            raise BadInput(
                "the record of an erasure is not what was signed",
                file=f"{place.address}/{each.key}",
                reason="altered_record",
                mend="copy it again from the folder 'erasures' of the project",
            )
        if record.body.ledger == ledger:
            found.append(record)
    return sorted(found, key=lambda each: each.body.at_utc)


def known_erasures(store: Store, subject: str | None = None) -> dict[str, str]:
    """Id -> its last step, of a subject or of all."""
    return {row["erasure_id"]: row["step"] for row in ERASURES.rows(store, subject=subject)}


def unfinished(store: Store) -> list[str]:
    """Subjects whose erasure was recorded and broken off before its last file."""
    steps = known_erasures(store)
    rows = ERASURES.rows(store)
    return sorted({row["subject"] for row in rows if steps[row["erasure_id"]] != "finished"})


def meter_erasures(store: Store, site_ids: set[str]) -> list[dict[str, Any]]:
    """Erasures of meters of these sites: subject, person_id, recorded_at_utc, in order."""
    rows = (row for row in ERASURES.rows(store) if row["step"] in ("recorded", "replayed"))
    return [row for row in rows if row["subject"].startswith("meter/") and row["subject"].split("/")[1] in site_ids]

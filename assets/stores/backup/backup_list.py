"""The list of a backup: which file stands under which content, signed, and written last (ADR 0095)."""

import hashlib
from pathlib import PurePosixPath
from typing import Literal

from pydantic import Field, ValidationError

from assets.stores.sign import Signer, canonical, fingerprint, is_valid
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model

# Of places, lists and sealed keys; a changed form gets the next number.
FORM = 1
DOMAIN = "meterloom/backup/1"


class BackupFile(Model):
    """One file of a backup.

    area: the folder of the project that it belongs to (`backup_areas.py`), `store`, `mlflow` or `lake`. path: below it,
    with strokes. sha256: of what is kept. changed_ns: when the file last changed (Unix time, ns), by which deliveries
    are ordered; 0 where it does not matter. is_sealed: encrypted for the backup's recipient.
    """

    area: str
    path: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size_bytes: int = Field(ge=0)
    changed_ns: int = 0
    is_sealed: bool = False

    @property
    def name(self) -> str:
        """Area and path, for people; files of the project folder by their path alone."""
        return self.path if self.area == "project" else f"{self.area}/{self.path}"


class BackupBody(Model):
    """The signed part of a list.

    ledger, seal, seal_hash: the store's name, and how far its chain of seals had come. revision: of the store's tables.
    version: of Meterloom. root: the project's folder then. recipient: fingerprint of the key that private keys are
    encrypted for; empty: they are left out.
    """

    form: int
    ledger: str
    made_utc: str
    version: str
    root: str
    engine: Literal["sqlite", "postgresql"]
    revision: str
    seal: int
    seal_hash: str
    recipient: str
    files: tuple[BackupFile, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of its canonical JSON: two equal digests are one backup."""
        return hashlib.sha256(self.text).hexdigest()

    @property
    def text(self) -> bytes:
        """The bytes under the signature."""
        return canonical(self.model_dump(mode="json"))


class BackupList(Model):
    """A list with its signature. signer: who the key says it is."""

    body: BackupBody
    signer: str
    public_key: str
    signature: str

    @property
    def fingerprint(self) -> str:
        """Short name of the signer's key."""
        return fingerprint(self.public_key)


class _Form(Model):
    """The form alone of a list that may be newer."""

    model_config = {"extra": "ignore"}
    form: int
    version: str = "a newer version"


class _Outer(Model):
    model_config = {"extra": "ignore"}
    body: _Form


def signed(body: BackupBody, signer: Signer, name: str) -> BackupList:
    """The list of a body, signed."""
    signature = signer.sign(DOMAIN, body.text)
    return BackupList(body=body, signer=name, public_key=signer.public_key, signature=signature)


def read_list(content: bytes, file: str) -> BackupList:
    """A list as it was signed. Raises BadInput: no list, a newer version, altered, or a path out of its area."""
    try:
        form = _Outer.model_validate_json(content).body
        if form.form > FORM:
            raise BadInput(
                f"the backup was made by Meterloom {form.version}, which is newer than this one",
                file=file,
                reason="newer_backup",
                mend="restore it with that version",
            )
        found = BackupList.model_validate_json(content)
    except ValidationError as error:
        mend = "name another list of the folder 'backups' beside it"
        raise BadInput("expected the list of a backup", file=file, reason="bad_backup", mend=mend) from error
    is_whole = is_valid(found.public_key, DOMAIN, found.body.text, found.signature)
    if not is_whole or any(not _is_inside(each.path) for each in found.body.files):
        raise BadInput(
            "the list of the backup is not what was signed",
            file=file,
            reason="altered_backup",
            mend="name an earlier list of the folder 'backups' beside it",
        )
    return found


def _is_inside(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return bool(parts) and not path.startswith("/") and ".." not in parts

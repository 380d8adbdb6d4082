"""Signed manifest beside an exported file: what it was made of, as known when, and the digest of its bytes."""

from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from assets.stores.file_hashes import file_sha256
from assets.stores.sign import Signer, canonical, fingerprint, is_valid
from assets.stores.whole_file import write_whole
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.people import People
from reports.evidence.archive import PackProblem

DOMAIN, SUFFIX = "meterloom/export/1", ".manifest.json"


class ExportBody(Model):
    """The signed part. holds: facts of the format, such as its usage points; source_sha256: digest of the readings, or
    of the site file, that it was made of; as_of_utc: None where that is what is known now; synthetic_readings: None
    where nobody counted them.
    """

    format: str
    file: str
    bytes: int
    sha256: str
    site_id: str
    start_utc: datetime | None = None
    end_utc: datetime | None = None
    as_of_utc: datetime | None = None
    source_sha256: str
    synthetic_readings: int | None = 0
    signer: str
    holds: dict[str, Any]


class ExportManifest(Model):
    """A body with its signature."""

    body: ExportBody
    public_key: str
    signature: str


def keep_manifest(path: Path, body: ExportBody, signer: Signer) -> Path:
    """Sign a body and write it beside the file. Raises OSError."""
    signature = signer.sign(DOMAIN, canonical(body.model_dump(mode="json")))
    manifest = ExportManifest(body=body, public_key=signer.public_key, signature=signature)
    target = manifest_of(path)
    write_whole(target, manifest.model_dump_json(indent=1).encode() + b"\n")
    return target


def manifest_of(path: Path) -> Path:
    """Path of the manifest of an exported file."""
    return path.with_name(path.name + SUFFIX)


class CheckedExport(Model):
    """Result of a check. is_vouched: the key is the one that a people file has for the signer."""

    path: Path
    verified: bool
    format: str
    site: str
    signer: str
    fingerprint: str
    is_vouched: bool
    problems: tuple[PackProblem, ...]


def check_export(path: Path, people: People | None = None) -> CheckedExport:
    """A file against the manifest beside it. Raises BadInput where that is none, or either cannot be read."""
    manifest_file = manifest_of(path)
    try:
        manifest, sha256 = ExportManifest.model_validate_json(manifest_file.read_bytes()), file_sha256(path)
    except ValidationError as error:
        raise BadInput("no manifest of an export", file=str(manifest_file), reason="bad_manifest") from error
    except OSError as error:
        raise BadInput(f"cannot be read: {error.strerror}", file=str(error.filename), reason="not_read") from error
    body, key = manifest.body, manifest.public_key
    faults = {}
    if not is_valid(key, DOMAIN, canonical(body.model_dump(mode="json")), manifest.signature):
        faults[manifest_file.name] = "its content is not what was signed"
    if sha256 != body.sha256:
        faults[path.name] = "its bytes were changed"
    # The name says period and site to whoever opens it: one year's file must not pass for another's.
    elif path.name != body.file:
        faults[path.name] = f"it was signed as {body.file}"
    known = people.public_keys if people is not None else {}
    if people is not None and body.signer not in known:
        faults.setdefault(manifest_file.name, f"signed by {body.signer!r}, whom the people file does not name")
    elif people is not None and known[body.signer] != key:
        faults.setdefault(manifest_file.name, f"signed by a key that is not {body.signer}'s in the people file")
    return CheckedExport(
        path=path,
        verified=not faults,
        format=body.format,
        site=body.site_id,
        signer=body.signer,
        fingerprint=fingerprint(key),
        is_vouched=people is not None and not faults,
        problems=tuple(PackProblem(file=name, problem=fault) for name, fault in faults.items()),
    )

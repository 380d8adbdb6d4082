"""Checks a pack with nothing but the pack: every byte and hash, the signature, the chains, and figures recomputed."""

import functools
import hashlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from assets.kpi.from_readings import keep_definition
from assets.readings.readers.child import Limits, run_limited
from assets.stores.sign import PACK_DOMAIN, canonical, fingerprint, is_valid
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.people import People
from data_quality.contracts.reporting.figure import KpiDefinition
from reports.evidence.archive import STRUCTURE, Archive, PackProblem, read_archive
from reports.evidence.manifest import BILLS, MANIFEST, SIGNATURE, Manifest, PackSignature

# 65,534 members of the longest names take some 23 MB.
MAX_MANIFEST = 64 << 20
MAX_PROBLEMS = 1000
# Ten times what a year of 50 meters takes; hashes of 4 GiB, the largest pack, are some 40 s of it.
LIMITS = Limits(memory_mb=3072, cpu_s=900, wall_s=1800.0, written_mb=4096)
M = TypeVar("M", bound=Model)


class Verdict(Model):
    """Result of a check. files: members looked at. recomputed: figures recomputed, all equal where verified.

    signer: who the pack says signed it; is_vouched: a people file was given, and the key is the one that stands there.

    findings: what a reader should know and what is no alteration, e.g. that other code is installed here.
    """

    path: Path
    verified: bool
    files: int
    problems: tuple[PackProblem, ...]
    findings: tuple[str, ...] = ()
    report: str = ""
    status: str = ""
    inputs: str = ""
    signer: str = ""
    fingerprint: str = ""
    is_vouched: bool = False
    manifest_sha256: str = ""
    position: int = 0
    previous_sha256: str = ""
    figures: int = 0
    recomputed: int = 0
    days: int = 0


class Opened(Model):
    """A pack whose bytes, hashes and signature hold; `archive` is read from its path again."""

    path: Path
    manifest: Manifest
    signature: PackSignature
    manifest_sha256: str


def verify_pack(
    path: Path,
    *,
    definition: KpiDefinition,
    sample: int | None = 20,
    seed: int = 1,
    people: People | None = None,
    previous: Path | None = None,
) -> Verdict:
    """Check a pack offline, in a limited process. sample: figures to make again, None for all; chosen by `seed`.

    definition: of this version, for packs that were made before packs held their own.

    people: the signer's key must be the one that stands there. previous: the pack before it in its site's chain.
    Raises BadInput only where the file is not there; whatever it holds is a problem of the verdict, and so is a pack
    that takes more than LIMITS.
    """
    for each in (path, previous):
        if each is not None and not each.is_file():
            raise BadInput("no such pack", file=str(each), reason="no_file")
    # The folder is ours: where the process is stopped, nothing of a hostile pack stays on the disk.
    temporary = functools.partial(tempfile.TemporaryDirectory, prefix="meterloom-pack-")
    with temporary() as folder, temporary() as own:
        options = {
            # The limited process need not work in this folder.
            "path": str(path.resolve()),
            "folder": folder,
            "definition": str(keep_definition(Path(own), definition)),
            "sample": sample,
            "seed": seed,
            "people": None if people is None else people.model_dump(mode="json"),
            "previous": None if previous is None else str(previous.resolve()),
        }
        try:
            verdict = run_limited("reports.evidence.verify_pack:verify_here", options, LIMITS)
        except BadInput as fault:
            if fault.reason != "reader_stopped":
                raise
            stopped = PackProblem(file=STRUCTURE, problem=fault.message)
            return Verdict(path=path, verified=False, files=0, problems=(stopped,))
    return Verdict.model_validate(verdict).model_copy(update={"path": path})


def verify_here(
    path: str,
    folder: str,
    definition: str,
    sample: int | None,
    seed: int,
    people: dict[str, Any] | None,
    previous: str | None,
) -> dict[str, Any]:
    """The limited process's part of `verify_pack`, as JSON. folder: empty, for what the pack holds."""
    from reports.evidence.replay import replay

    archive = read_archive(Path(path))
    opened, problems = open_pack(archive)
    if opened is None or problems:
        return _verdict(archive, opened, problems).model_dump(mode="json")
    known = None if people is None else People.model_validate(people)
    problems += list(_signer_problems(opened, known))
    # Before the pack before it is asked: its faults are not this signer's.
    is_vouched = known is not None and not problems
    if previous is not None:
        problems += list(_chain_problems(opened, Path(previous)))
    today = KpiDefinition.parse(Path(definition).read_text(encoding="utf-8"), file=definition)
    played = replay(archive, opened.manifest, folder=Path(folder), today=today, sample=sample, seed=seed, people=known)
    found = _verdict(archive, opened, [*problems, *played.problems])
    update = {
        "findings": tuple(played.findings),
        "is_vouched": is_vouched,
        "figures": played.figures,
        "recomputed": played.recomputed,
        "days": played.days,
    }
    return found.model_copy(update=update).model_dump(mode="json")


def open_pack(archive: Archive) -> tuple[Opened | None, list[PackProblem]]:
    """The pack's own statements, and everything in it that is not as its manifest says."""
    problems = list(archive.problems)
    problems += [
        PackProblem(file=member.name, problem="its bytes were changed")
        for member in archive.members.values()
        if not member.is_sound
    ]
    if not archive.is_readable:
        return None, problems
    manifest, manifest_bytes = _read(archive, MANIFEST, Manifest, problems)
    signature, _ = _read(archive, SIGNATURE, PackSignature, problems)
    if manifest is None or signature is None:
        return None, problems
    sealed = is_valid(signature.public_key, PACK_DOMAIN, manifest_bytes, signature.signature)
    if not sealed and not {MANIFEST, SIGNATURE} & {each.file for each in problems}:
        problems.append(PackProblem(file=MANIFEST, problem="the signature is not over this manifest"))
    # Only a signed list is worth comparing the members with.
    if sealed:
        problems += list(_listing_problems(archive, manifest, {each.file for each in problems}))
    digest = hashlib.sha256(manifest_bytes).hexdigest()
    opened = Opened(path=archive.path, manifest=manifest, signature=signature, manifest_sha256=digest)
    return opened, problems


def _read(archive: Archive, name: str, model: type[M], problems: list[PackProblem]) -> tuple[M | None, bytes]:
    """A member that must be canonical JSON of a model; what is wrong with it goes to the problems."""
    if name not in archive.members:
        problems.append(PackProblem(file=name, problem="is missing"))
        return None, b""
    try:
        text = archive.bytes_of(name, limit=MAX_MANIFEST)
        document = json.loads(text)
        found = model.model_validate(document)
        # One text for one content: a signature holds for bytes, and two spellings would be two manifests.
        is_canonical = canonical(document) == text
    except (ValueError, RecursionError, BadInput, ValidationError):
        problems.append(PackProblem(file=name, problem="cannot be read"))
        return None, b""
    if not is_canonical:
        problems.append(PackProblem(file=name, problem="is not written as packs are"))
    return found, text


def _listing_problems(archive: Archive, manifest: Manifest, known: set[str]) -> Iterator[PackProblem]:
    """Members against the signed list: hashes, missing, added, out of order."""
    listed = {each.path: each for each in manifest.files}
    for name, member in archive.members.items():
        stated = listed.get(name)
        if stated is None and name not in {MANIFEST, SIGNATURE}:
            yield PackProblem(file=name, problem="is not in the manifest")
        elif stated is not None and (stated.sha256, stated.bytes) != (member.sha256, member.size) and name not in known:
            yield PackProblem(file=name, problem="is not the file that the manifest names")
        # A kept bill is called by the hash that the store has of it.
        if name.startswith(BILLS) and name.removeprefix(BILLS).partition(".")[0] != member.sha256 and name not in known:
            yield PackProblem(file=name, problem="is not the bill that was read")
    for name in listed:
        if name not in archive.members:
            yield PackProblem(file=name, problem="is missing")
    wanted = [*(each.path for each in manifest.files), MANIFEST, SIGNATURE]
    if list(archive.members) != wanted and set(archive.members) == set(wanted):
        yield PackProblem(file=STRUCTURE, problem="the members are in another order")


def _signer_problems(opened: Opened, people: People | None) -> Iterator[PackProblem]:
    if people is None:
        return
    signer = opened.signature.signer
    person = next((each for each in people.people if each.person_id == signer), None)
    if person is None:
        yield PackProblem(file=SIGNATURE, problem=f"signed by {signer!r}, whom the people file does not name")
    elif person.public_key != opened.signature.public_key:
        stated = fingerprint(person.public_key) or "no key"
        yield PackProblem(
            file=SIGNATURE,
            problem=f"signed with {fingerprint(opened.signature.public_key)}, the people file has {stated}",
        )


def _chain_problems(opened: Opened, previous: Path) -> Iterator[PackProblem]:
    """Is `previous` the pack before this one? Its own bytes and signature must hold too."""
    before, problems = open_pack(read_archive(previous))
    if before is None or problems:
        yield PackProblem(file=MANIFEST, problem=f"the pack before it, {previous.name}, is altered")
        return
    chain, site_id = opened.manifest.chain, opened.manifest.report.site_id
    follows = chain.position == before.manifest.chain.position + 1 and site_id == before.manifest.report.site_id
    if not follows or chain.previous_sha256 != before.manifest_sha256:
        yield PackProblem(file=MANIFEST, problem=f"{previous.name} is not the pack before it")


def _verdict(archive: Archive, opened: Opened | None, problems: list[PackProblem]) -> Verdict:
    verdict: dict[str, Any] = {}
    if opened is not None:
        report = opened.manifest.report
        verdict = {
            "report": f"{report.report_id}@{report.revision}",
            "status": report.status,
            "inputs": opened.manifest.inputs,
            "signer": opened.signature.signer,
            "fingerprint": fingerprint(opened.signature.public_key),
            "manifest_sha256": opened.manifest_sha256,
            "position": opened.manifest.chain.position,
            "previous_sha256": opened.manifest.chain.previous_sha256,
        }
    return Verdict(
        path=archive.path,
        verified=not problems,
        files=len(archive.members),
        # A hostile pack may have one for each of its members.
        problems=tuple(problems[:MAX_PROBLEMS]),
        **verdict,
    )

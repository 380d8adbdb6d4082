"""Manifest of a pack, which is signed, and the signature beside it."""

from datetime import datetime
from pathlib import Path
from typing import Literal

from data_quality.contracts.model import Model

FORMAT = "meterloom evidence pack 1"
MANIFEST, SIGNATURE = "manifest.json", "signature.json"
CONTENT, LIFE, FIGURES, OTHERS = (
    "report/content.json",
    "report/life.json",
    "traces/figures.jsonl",
    "traces/others.jsonl",
)
STORE, LAKE, BILLS = "inputs/store/", "inputs/lake/", "inputs/bills/"
# The SQL of the KPIs, a file for each digest that a trace names.
DEFINITIONS = "code/definitions/"
SITE, BASELINES, TARIFFS, FACTORS = (
    "inputs/site.json",
    "inputs/baselines.json",
    "inputs/tariffs.json",
    "inputs/factors.json",
)
# Of a group's report alone.
ORGANISATION = "inputs/organisation.json"
CHECKSUMS, INSTALLED, LOCK = "code/checksums.json", "code/installed.json", "code/requirements.lock"
Policy = Literal["full", "digests"]


class PackedFile(Model):
    """One member: its path in the archive, its size and its SHA-256."""

    path: str
    bytes: int
    sha256: str


class PackedReport(Model):
    """Revision that the pack is the evidence of."""

    report_id: str
    revision: int
    name: str
    site_id: str
    period: str
    status: str
    content_sha256: str
    as_of_utc: datetime
    recorded_at_utc: datetime


def rendered_stem(name: str, site_id: str, period: str, revision: int) -> str:
    """Member of the report's files without the format."""
    stem = f"report/{name}_{site_id}_{period}_r{revision}"
    # Members have plain ASCII names (archive.py); a site's id may hold more.
    return "".join(each if each.isascii() and (each.isalnum() or each in "/._-") else "_" for each in stem)


class FigureRun(Model):
    """The revision's part of its site's chain of figures: first and last place, the hash before it and its last."""

    first: int
    last: int
    prev_hash: str
    hash: str


class PackChain(Model):
    """The pack's place in its site's chain; `previous_sha256` is the hash of the manifest before it."""

    position: int
    previous_sha256: str


class Manifest(Model):
    """Every member with its hash, the report, and the pack's place in the chain. `files` stand in archive order."""

    format: Literal["meterloom evidence pack 1"]
    report: PackedReport
    inputs: Policy
    figures: FigureRun
    version: str
    files: tuple[PackedFile, ...]
    chain: PackChain
    created_at_utc: datetime


class PackSignature(Model):
    """Ed25519 over the manifest's bytes. signer: a person of the people file, or `project`."""

    algorithm: Literal["Ed25519"]
    signer: str
    public_key: str
    signature: str


def pack_file(reports_dir: Path, report_id: str, revision: int) -> Path:
    """Default path of the pack of a revision."""
    return reports_dir / "packs" / f"{report_id.replace('/', '_')}_r{revision}.zip"

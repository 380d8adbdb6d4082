"""An exported file and its signed manifest, written by every export alike."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from assets.stores.file_hashes import file_sha256
from assets.stores.sign import Signer
from assets.stores.whole_file import whole_file
from data_quality.contracts.errors import BadInput
from reports.exports.export_manifest import ExportBody, keep_manifest, manifest_of


def write_export(to: Path, pieces: Iterable[str], by: tuple[Signer, str], **facts: Any) -> dict[str, Any]:
    """Write file and manifest: path, sha256, bytes, manifest. by: of pack_signer; facts: of ExportBody.

    Raises BadInput.
    """
    signer, name = by
    if to.exists() and not (to.name and manifest_of(to).exists()):
        raise BadInput("is there already, and is no export", file=str(to), reason="file_exists")
    try:
        with whole_file(to) as part, part.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(pieces)
        sha256, size = file_sha256(to), to.stat().st_size
        body = ExportBody(file=to.name, bytes=size, sha256=sha256, signer=name, **facts)
        manifest = keep_manifest(to, body, signer)
    except OSError as error:
        raise BadInput(f"cannot be written: {error.strerror}", file=str(to), reason="not_written") from error
    return {"path": str(to), "sha256": sha256, "bytes": size, "manifest": str(manifest)}

"""Copies of files that came from outside, kept so that a person can look at them again."""

import shutil
import uuid
from pathlib import Path

from data_quality.contracts.text import file_name


def keep_copy(path: Path, *, root: Path, site_id: str, sha256: str) -> str:
    """Copy a file below `root` by atomic rename, once for its content. Returns the path below `root`."""
    relative = Path(site_id) / sha256[:16] / file_name(path)
    target = root / relative
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        # A name of its own: two processes may keep the same file at once.
        temporary = target.parent / f".tmp-{uuid.uuid4().hex}"
        try:
            shutil.copyfile(path, temporary)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    return str(relative)

"""Folders for what can be made anew and may not lie where it belongs: dbt's own files of an installed package, marts of
a project that cannot be written. They are in the user's cache.
"""

import hashlib
import os
import tempfile
from pathlib import Path


def state_folder(project_dir: Path) -> Path:
    """The folder for dbt's own files of this dbt project; nothing is made yet.

    An installed package is never written into, whoever may: its files are those of the wheel.
    """
    if (project_dir.parent / "pyproject.toml").is_file() and os.access(project_dir, os.W_OK):
        return project_dir / "target"
    # One for each installation: two releases would take each other's files away.
    return user_cache("dbt", project_dir)


def user_cache(kind: str, of: Path) -> Path:
    """A folder of this user for what is made of another folder; nothing is made yet."""
    caches = _caches()
    # Where none can be written, whoever writes says so, by the first one's name.
    home = next(filter(_is_ours, caches), caches[0])
    return home / f"{kind}-{hashlib.sha256(str(of.resolve()).encode()).hexdigest()[:12]}"


def _is_ours(folder: Path) -> bool:
    """It can be written or made, and is not one that somebody else laid out for us in a folder of everybody's."""
    nearest = next(each for each in (folder, *folder.parents) if each.exists())
    return os.access(nearest, os.W_OK) and (nearest != folder or nearest.stat().st_uid == os.getuid())


def _caches() -> list[Path]:
    """Folders for what can be made anew: of a service, of a user, and of a user without a home."""
    of_service, named = (os.environ.get(name, "") for name in ("CACHE_DIRECTORY", "XDG_CACHE_HOME"))
    home = Path(named or os.path.expanduser("~/.cache"))  # noqa: PTH111 - Path.home raises where there is none
    own = [Path(of_service)] if of_service else []
    return [*own, home / "meterloom", Path(tempfile.gettempdir(), f"meterloom-{os.getuid()}")]

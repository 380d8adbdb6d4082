"""What the doctor says of who else on this machine may read the project's readings, store and keys."""

from data_quality.contracts.settings import Project
from orchestration.doctor.reachable import item

NAME = "private"
# The bits of "others" alone: a group that may read was given that on purpose.
OTHERS = 0o007


def check(project: Project) -> dict[str, str]:
    """One line. Folders of older projects were made as the system makes folders: open to everybody."""
    looked_at = [each for each in (project.data_dir, project.keys_dir) if each.exists()]
    opened = [each for each in looked_at if each.stat().st_mode & OTHERS]
    if not opened:
        return item(NAME, "ok", "nobody else on this machine reads store, lake and keys")
    modes = ", ".join(f"{each} ({each.stat().st_mode & 0o777:04o})" for each in opened)
    return item(NAME, "warn", f"others may look into {modes}", f"chmod o-rwx {' '.join(map(str, opened))}")

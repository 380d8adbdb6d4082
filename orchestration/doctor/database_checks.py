"""Which database holds which part of a project, in which schema, for `meterloom doctor`."""

from assets.stores.postgres import describe
from data_quality.contracts.database import SCHEMAS, Part, address_of
from data_quality.contracts.errors import Unreachable
from data_quality.contracts.settings import Project
from orchestration.doctor.reachable import item

WAREHOUSE = ("lake", "staging", "intermediate", "marts")


def database_checks(project: Project) -> list[dict[str, str]]:
    """One line a PostgreSQL database with its parts; none where everything is in files."""
    parts: dict[str, list[Part]] = {}
    urls: dict[str, str] = {}
    for part in SCHEMAS:
        if url := project.settings.database.of(part):
            # By address, which has no password: parts may name one database by several URLs.
            parts.setdefault(address_of(url), []).append(part)
            urls[address_of(url)] = url
    return [_check(address, urls[address], held) for address, held in parts.items()]


def _check(address: str, url: str, held: list[Part]) -> dict[str, str]:
    try:
        version, present = describe(url)
    except Unreachable as fault:
        return item("database", "fail", str(fault), "start PostgreSQL, or mend database.url in meterloom.yaml")
    told = []
    for part in held:
        wanted = [SCHEMAS[part]] if SCHEMAS[part] else WAREHOUSE
        shown = ", ".join(name if name in present else f"{name} (not made yet)" for name in wanted)
        told.append(f"{part} in {shown}")
    return item("database", "ok", f"PostgreSQL {version} at {address}: {'; '.join(told)}")

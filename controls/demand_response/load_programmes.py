"""Programmes of demand response: ten that ship with the program, and a project's own, which take their place."""

from pathlib import Path

from data_quality.contracts.control.dr_programme import Programme
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model_faults import did_you_mean
from data_quality.contracts.yaml_file import load_model

SHIPPED = Path(__file__).parent / "programmes"
FOLDER = "programmes"


def programmes_of(root: Path) -> dict[str, Programme]:
    """Programmes of the project in that folder, by name. Raises BadInput: a file that cannot be read, or whose name
    is not its programme's.
    """
    found = {}
    for path in (*sorted(SHIPPED.glob("*.yaml")), *sorted((root / FOLDER).glob("*.yaml"))):
        programme = load_model(path, Programme)
        if programme.name != path.stem:
            raise BadInput(f"the programme is called {programme.name!r}, and its file is not", file=str(path))
        found[programme.name] = programme
    return found


def programme_named(root: Path, name: str) -> Programme:
    """One of them. Raises BadInput (no_programme)."""
    known = programmes_of(root)
    if name not in known:
        mend = did_you_mean(name, list(known)) or f"known: {', '.join(known)}"
        raise BadInput(f"there is no programme {name!r}", reason="no_programme", mend=mend)
    return known[name]

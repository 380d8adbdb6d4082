"""`meterloom init`: a project folder with one commented site file."""

from pathlib import Path
from typing import Annotated

import typer

from assets.sites.load_sites import load_site
from data_quality.contracts.errors import BadInput
from data_quality.contracts.settings import SETTINGS_FILE
from orchestration.cli.answer import Answer
from orchestration.cli.frame import STATELESS, Call, command

STARTER = Path(__file__).parents[2] / "starter"


def make_project(folder: Path, site_file: Path | None = None) -> Path:
    """Write settings, people, one site and a landing folder; existing files stay as they are. Returns the site file."""
    if folder.exists() and not folder.is_dir():
        raise BadInput("expected a folder, got a file", file=str(folder), reason="not_a_folder")
    # Read before anything is made: a wrong file must not leave half a project behind.
    site = load_site(site_file or STARTER / "site.yaml")
    (folder / "sites").mkdir(parents=True, exist_ok=True)
    (folder / "landing" / site.site_id).mkdir(parents=True, exist_ok=True)
    target = folder / "sites" / f"{site.site_id}.yaml"
    for source, destination in (
        (STARTER / SETTINGS_FILE, folder / SETTINGS_FILE),
        (STARTER / "people.yaml", folder / "people.yaml"),
        (site_file or STARTER / "site.yaml", target),
    ):
        if not destination.exists():
            destination.write_bytes(source.read_bytes())
    return target


@command("init", takes=STATELESS, example="my_project --site site.yaml")
def init(
    call: Call,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to make.")],
    site: Annotated[Path | None, typer.Option("--site", help="Start with this site file.")] = None,
) -> Answer:
    """Make a project folder with one commented site file."""
    target = make_project(folder, site)
    text = f"made {folder}; edit {target}, then: meterloom ingest FILE --site {target.stem} --project {folder}"
    return Answer({"path": folder, "site_file": target}, text=text)

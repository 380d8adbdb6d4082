"""One site file of a project, read without the analytical rooms: for processes that start fast."""

from data_quality.contracts.errors import BadInput
from data_quality.contracts.settings import Project
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.yaml_file import load_model


def find_site(project: Project, site_id: str) -> Site:
    """The site of that name in the project's folder, read without the analytical rooms. Raises BadInput."""
    path = project.sites_dir / f"{site_id}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(found.stem for found in project.sites_dir.glob("*.yaml"))) or "none"
        raise BadInput(f"unknown site {site_id!r}; the project has {known}", reason="unknown_site")
    return load_model(path, Site)

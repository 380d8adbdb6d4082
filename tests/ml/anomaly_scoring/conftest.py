"""A project of the works with its readings."""

import json
from pathlib import Path

import pytest

from orchestration.resources import ProjectResource
from tests.ml.anomaly_scoring.scored import filled, works

PEOPLE = """\
people:
  - {person_id: otto, name: Otto, roles: [operator]}
  - {person_id: anna, name: Anna, roles: [approver]}
  - {person_id: vera, name: Vera, roles: [viewer]}
"""


@pytest.fixture
def project(tmp_path: Path) -> ProjectResource:
    """A project of the works with its readings and no marts."""
    (tmp_path / "sites").mkdir()
    (tmp_path / "meterloom.yaml").write_text("{}\n")
    (tmp_path / "people.yaml").write_text(PEOPLE)
    site = works()
    (tmp_path / "sites" / "works.yaml").write_text(json.dumps(site.model_dump(mode="json", exclude_defaults=True)))
    found = ProjectResource(root=str(tmp_path))
    filled(found.lake, site)
    return found

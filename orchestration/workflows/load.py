"""Definitions of workflows: those of the program, and a project's own, which take their place."""

from pathlib import Path
from typing import TYPE_CHECKING

from data_quality.contracts.errors import BadInput
from data_quality.contracts.model_faults import did_you_mean
from data_quality.contracts.workflow import Workflow
from data_quality.contracts.yaml_file import load_model

if TYPE_CHECKING:
    from orchestration.open_project import OpenProject

SHIPPED = Path(__file__).parent
_FOLDER = "workflows"


def workflows_of(project: "OpenProject") -> dict[str, Workflow]:
    """By name. Raises BadInput: a file that cannot be read, whose name is not its workflow's, or that names a site or
    a person that there is not.
    """
    found = {}
    own = project.project.root / _FOLDER
    for path in (*sorted(SHIPPED.glob("*.yaml")), *sorted(own.glob("*.yaml"))):
        workflow = load_model(path, Workflow)
        if workflow.name != path.stem:
            raise BadInput(f"the workflow is called {workflow.name!r}, and its file is not", file=str(path))
        if path.parent == own:
            _expect_known(workflow, project, path)
        found[workflow.name] = workflow
    return found


def workflow_named(project: "OpenProject", name: str) -> Workflow:
    """One of them. Raises BadInput (no_workflow)."""
    known = workflows_of(project)
    if name not in known:
        mend = did_you_mean(name, list(known)) or "meterloom workflows list shows them"
        raise BadInput(f"there is no workflow {name!r}", reason="no_workflow", mend=mend)
    return known[name]


def _expect_known(workflow: Workflow, project: "OpenProject", path: Path) -> None:
    people = [name for step in workflow.steps if step.step == "notify" for name in step.people]
    for kind, names, known in (("site", workflow.sites, project.sites), ("person", people, project.people.names)):
        unknown = next((each for each in names if each not in known), None)
        if unknown is not None:
            mend = did_you_mean(unknown, list(known))
            said = f"workflow {workflow.name} names the {kind} {unknown!r}, which there is not"
            raise BadInput(said, file=str(path), mend=mend)

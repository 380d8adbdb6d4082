"""A call of an operation in a run: the project is open already, and the run's clock tells the time."""

from functools import cached_property

from data_quality.contracts.time import Clock
from orchestration.open_project import OpenProject
from orchestration.operations.operation import Call


class RunCall(Call):
    """A call in a run of the graph; nobody acts in it."""

    def __init__(self, project: OpenProject, clock: Clock) -> None:
        super().__init__(project.project.root)
        self._open, self.clock = project, clock

    @cached_property
    def project(self) -> OpenProject:
        """The project of the run."""
        return self._open

"""A call of an operation inside of another: the project is open already, and who calls tells the time."""

from functools import cached_property

from data_quality.contracts.time import Clock
from orchestration.open_project import OpenProject
from orchestration.operations.operation import Call


class RunCall(Call):
    """A call in a run of the graph, where nobody acts; or a question that is asked again, as it was asked."""

    def __init__(
        self,
        project: OpenProject,
        clock: Clock,
        *,
        as_of: str | None = None,
        person: str | None = None,
        sites: tuple[str, ...] = (),
    ) -> None:
        super().__init__(project.project.root, as_of=as_of, person=person)
        self._open, self.clock, self.sites = project, clock, sites

    @cached_property
    def project(self) -> OpenProject:
        """The project of who calls."""
        return self._open

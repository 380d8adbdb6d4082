"""`meterloom verify`: is an evidence pack as it was sealed? Needs nothing but the pack."""

from pathlib import Path
from typing import Annotated

import typer

from data_quality.contracts.errors import BadInput
from orchestration.cli.frame import CHECK_FAILED, DONE, Answer, Call, command


def register(app: typer.Typer) -> None:
    """Put the command on the application."""

    @command(app, "verify", example="meterloom verify enpi_quarter_factory_2025-Q1_r1.zip --people people.yaml")
    def verify(
        call: Call,
        pack: Annotated[Path, typer.Argument(metavar="PACK.zip")],
        sample: Annotated[str, typer.Option("--sample", help="Figures to make again: a number, or all.")] = "20",
        seed: Annotated[int, typer.Option("--seed", help="Chooses the figures.")] = 1,
        people: Annotated[Path | None, typer.Option("--people", help="People file whose keys must fit.")] = None,
        previous: Annotated[Path | None, typer.Option("--previous", help="The pack before it in its chain.")] = None,
    ) -> Answer:
        """Check every byte, hash and signature of a pack, and make figures again from its own inputs."""
        from assets.sites.load import load_people
        from reports.evidence.verify import verify_pack

        if sample != "all" and not sample.isdigit():
            raise BadInput(f"--sample {sample!r}; expected a number or all", reason="bad_sample")
        found = verify_pack(
            pack,
            sample=None if sample == "all" else int(sample),
            seed=seed,
            people=None if people is None else load_people(people),
            previous=previous,
        )
        lines = [f"{problem.file}: {problem.problem}" for problem in found.problems]
        if found.verified:
            lines = [f"{pack} is as it was sealed: {found.files} files, {found.report}, {found.status}"]
            lines += [f"signed by {found.signer}, {found.fingerprint}"]
            lines += [f"{found.recomputed} of {found.figures} figures made again, all equal"]
        return Answer(
            data=found.model_dump(),
            text="\n".join([*lines, *(f"note: {finding}" for finding in found.findings)]),
            exit_code=DONE if found.verified else CHECK_FAILED,
        )

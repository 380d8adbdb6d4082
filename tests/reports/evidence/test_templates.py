"""A report of any template leaves with everything that its figures are recomputed from."""

from pathlib import Path

import pytest

from data_quality.contracts.time import parse_period
from reports.make_report import ReportRequest, make_report
from tests.definitions import verify_pack
from tests.reports import plant
from tests.reports.conftest import MakeWorld
from tests.reports.evidence.conftest import Sealed, seal


@pytest.mark.parametrize(("name", "period"), [("ghg_inventory", "2025-Q1"), ("executive_summary", "2025-Q1")])
def test_every_figure_of_a_template_is_made_again_from_its_pack(
    world: MakeWorld, tmp_path: Path, name: str, period: str
) -> None:
    used: Sealed = seal(tmp_path, world())
    made = make_report(
        name,
        used.world.site,
        parse_period(period, plant.ZONE),
        ReportRequest(
            sources=used.world.sources(),
            reports=used.world.reports,
            clock=used.world.clock,
            out_dir=tmp_path / "files",
            formats=("json",),
        ),
    )
    used.revision = used.world.reports.get(made.content.report_id, made.content.revision)
    verdict = verify_pack(used.make(tmp_path / "template.zip").path, sample=None)
    assert (verdict.verified, verdict.problems) == (True, ())
    assert verdict.recomputed == verdict.figures == len(made.content.figures)

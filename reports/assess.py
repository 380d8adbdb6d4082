"""One SEU's EnPI straight from the readings, as known at an instant: what `meterloom enpi` prints."""

from collections.abc import Mapping
from datetime import datetime

from assets.kpi.enpi_of_use.enpi_result import EnpiResult, EnpiRule, enpi_for, rule_of
from assets.kpi.enpi_of_use.static_factors import unanswered_changes
from data_quality.contracts.baselines.baseline import BaselineVersion
from data_quality.contracts.site_file.site import Seu, Site
from data_quality.contracts.time import Period
from reports.again.figure_sources import Sources, seu_of


def assess_seu(
    site: Site,
    seu_id: str,
    period: Period,
    *,
    sources: Sources,
    versions: Mapping[str, BaselineVersion],
    as_of_utc: datetime,
    rule: EnpiRule | None = None,
    confidence: float = 0.9,
) -> EnpiResult:
    """The SEU's assessment over the period. versions: SEU -> baseline, as make.baselines_in_force gives them.

    Raises BadInput naming the SEUs that there are.
    """
    seu = seu_of(site, seu_id)
    version = versions.get(seu.seu_id)
    pinned = None if version is None else (version.baseline_id, version.version)
    return enpi_for(
        sources.pairs(site, seu.seu_id, pinned, period, as_of_utc),
        seu_id=seu.seu_id,
        version=version,
        period=period,
        rule=rule or rule_of(seu),
        confidence=confidence,
        is_static_factor_changed=version is not None and is_review_due(sources, seu, version, period, as_of_utc),
    )


def is_review_due(sources: Sources, seu: Seu, version: BaselineVersion, period: Period, as_of_utc: datetime) -> bool:
    """True where a static factor of the SEU changed since the baseline and no adjustment answers it."""
    given = sources.adjustments(version.baseline_id, version.version, as_of_utc)
    return bool(unanswered_changes(seu, version.baseline, given, start=period.start, end=period.end))

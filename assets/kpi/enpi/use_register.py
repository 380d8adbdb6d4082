"""The register of energy sources and significant energy uses: what each is, its baseline and its last report."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from assets.stores.ledgers.baselines import BaselineStore
from assets.stores.published.report_ledger import ReportStore
from data_quality.contracts.baselines.baseline import BaselineStatus, BaselineVersion
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.site_file.site import Seu, Site

REPORT = "enpi_quarter"


class SeuLine(Model):
    """One use of the register. baseline: the approved energy baseline, else the newest one, as `id vN status`."""

    id: str
    name: str
    site: str
    source: str
    meters: tuple[str, ...]
    is_aggregate: bool
    is_active: bool
    drivers: tuple[str, ...]
    justifications: dict[str, str]
    static_factors: dict[str, str]
    baseline: str | None
    baseline_period: tuple[str, str] | None
    has_approved_baseline: bool
    last_report: str | None


def seu_lines(
    sites: Mapping[str, Site],
    *,
    baselines: BaselineStore,
    reports: ReportStore,
    source: Carrier | None = None,
    is_active: bool | None = None,
    as_of_utc: datetime | None = None,
) -> list[SeuLine]:
    """Every use of the site files in order of site, filtered by energy source and by being active or not.

    Baselines of other types (monitoring, M&V projects …) are not a use's baseline. last_report: the newest quarter of
    which an EnPI report holds a figure of the use; static_factors: the values that hold last.
    """
    found = []
    for site_id, site in sorted(sites.items()):
        # The approved one first: a newer draft must not stand in the register as the use's baseline.
        versions = baselines.in_force(site_id, as_of_utc=as_of_utc)
        reported = reports.newest_periods(
            site_id, REPORT, {f"seu:{seu.seu_id}" for seu in site.seus}, as_of_utc=as_of_utc
        )
        for seu in site.seus:
            if source not in (None, seu.carrier) or is_active not in (None, seu.is_active):
                continue
            found.append(_line(site_id, seu, versions.get(seu.seu_id), reported.get(f"seu:{seu.seu_id}")))
    return found


def sources_of(sites: Iterable[Site]) -> list[str]:
    """Energy sources that the sites' meters carry, in the order of the list of carriers."""
    carried = {meter.carrier for site in sites for meter in site.meters}
    return [carrier.value for carrier in Carrier if carrier in carried]


def _line(site_id: str, seu: Seu, version: BaselineVersion | None, last_report: str | None) -> SeuLine:
    ordered = sorted(seu.static_factors, key=lambda each: each.valid_from)
    shown, trained = None, None
    if version is not None:
        shown = f"{version.baseline_id} v{version.version} {version.status.value}"
        trained = (version.baseline.train_start.isoformat(), version.baseline.train_end.isoformat())
    return SeuLine(
        **seu.model_dump(include={"name", "meters", "is_aggregate", "is_active"}),
        id=seu.seu_id,
        site=site_id,
        source=seu.carrier.value,
        drivers=tuple(each.driver_id for each in seu.drivers),
        justifications={each.driver_id: each.justification for each in seu.drivers},
        # In order of their dates, so that of one name the last value stays.
        static_factors={each.name: each.value for each in ordered},
        baseline=shown,
        baseline_period=trained,
        has_approved_baseline=version is not None and version.status is BaselineStatus.APPROVED,
        last_report=last_report,
    )

"""Every approved baseline once more, from the data it was fitted on, by the libraries of today."""

from importlib.metadata import version as installed

from assets.kpi.claims.mv_savings import project_use
from assets.kpi.enpi.daily import seu_days
from assets.sites.view import site_readings
from assets.stores.lake.lake import Lake
from assets.stores.ledgers.baselines import BaselineStore
from data_quality.contracts.baselines.baseline import (
    Baseline,
    BaselineType,
    BaselineVersion,
    ShadowComparison,
    ShadowTerm,
)
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.site import Seu, Site
from data_quality.contracts.time import local_day, local_midnight_utc
from ml.baselines.models.ols import MODEL_NAME, fit_daily

LIBRARIES = ("numpy", "scipy", "statsmodels", "polars")
# Two solvers of one least-squares problem agree to about this share of a coefficient.
EQUAL_TO = 1e-9


def shadow_site(site: Site, *, lake: Lake, store: BaselineStore) -> list[ShadowComparison]:
    """The comparison of each version of the site that is approved or was, oldest first within each line."""
    approved = [each for each in store.versions(site.site_id) if each.status.has_approval]
    return [shadow(site, each, lake=lake) for each in approved]


def shadow(site: Site, version: BaselineVersion, *, lake: Lake) -> ShadowComparison:
    """Recompute one version from the readings as known at its fit, and compare coefficients by name.

    A site file whose meters, drivers or calendar changed since gives another training table: reported, not compared.
    """
    then = version.baseline
    use = _use(site, then)
    if then.model != MODEL_NAME or use is None:
        what = f"model {then.model}" if use is not None else f"a use {then.seu_id!r} in the site file"
        return _nothing(version, Finding(code="not_recomputable", message=f"There is no {what} to fit it by."))
    start_utc, end_utc = (local_midnight_utc(day, site.time_zone) for day in (then.train_start, then.train_end))
    # As the lake was known then: a correction since would be other data, not another library.
    known = version.fitted_at_utc
    readings = site_readings(lake, site, start_utc=start_utc, end_utc=end_utc, as_of_utc=known)
    now = fit_daily(
        seu_days(readings, site=site, seu=use, start=then.train_start, end=then.train_end),
        site=site,
        seu=use,
        start=then.train_start,
        end=then.train_end,
        today=local_day(known, site.time_zone),
        lake_digest=lake.digest(site.site_id, start_utc=start_utc, end_utc=end_utc, as_of_utc=known),
        baseline_type=then.baseline_type,
        confidence=then.confidence,
    )
    if isinstance(now, Finding):
        return _nothing(version, now)
    return compared(version, now)


def compared(version: BaselineVersion, now: Baseline) -> ShadowComparison:
    """Two fits of one version, term by term."""
    then = version.baseline
    if now.dataset_digest != then.dataset_digest:
        message = "The training table is another one today: the site file, the calendar or the readings changed."
        finding = Finding(code="other_data", message=message, severity="blocking")
        return _nothing(version, finding, digest_now=now.dataset_digest)
    before, after = ({term.name: term for term in each.coefficients} for each in (then, now))
    terms, largest = [], 0.0
    for name in dict.fromkeys([*before, *after]):
        old, new = before.get(name), after.get(name)
        difference = None if old is None or new is None else new.value - old.value
        if old is not None and difference is not None:
            # A coefficient near nothing is measured by its own error: a share of nothing says nothing.
            scale = max(abs(old.value), old.standard_error, 1e-300)
            largest = max(largest, abs(difference) / scale)
        terms.append(
            ShadowTerm(
                name=name,
                then=None if old is None else old.value,
                now=None if new is None else new.value,
                difference=difference,
                in_standard_errors=abs(difference) / old.standard_error
                if old is not None and difference is not None and old.standard_error > 0
                else None,
            )
        )
    is_same_form = then.feature_order == now.feature_order
    findings: tuple[Finding, ...] = ()
    if not is_same_form:
        was, is_now = " + ".join(then.feature_order), " + ".join(now.feature_order)
        findings = (Finding(code="other_terms", message=f"Other terms are chosen: {is_now} instead of {was}."),)
    return ShadowComparison(
        baseline_id=version.baseline_id,
        version=version.version,
        model=then.model,
        is_same_data=True,
        dataset_digest_then=then.dataset_digest,
        dataset_digest_now=now.dataset_digest,
        terms=tuple(terms),
        largest_difference=largest if is_same_form else None,
        is_equal=is_same_form and largest <= EQUAL_TO,
        libraries=library_versions(),
        findings=findings,
    )


def library_versions() -> dict[str, str]:
    """Versions of the libraries that a fit rests on."""
    return {name: installed(name) for name in LIBRARIES}


def _use(site: Site, baseline: Baseline) -> Seu | None:
    if baseline.baseline_type is BaselineType.MV_PROJECT:
        project = next((each for each in site.projects if each.project_id == baseline.seu_id), None)
        return None if project is None else project_use(site, project)
    return next((seu for seu in site.seus if seu.seu_id == baseline.seu_id), None)


def _nothing(version: BaselineVersion, finding: Finding, *, digest_now: str = "") -> ShadowComparison:
    return ShadowComparison(
        baseline_id=version.baseline_id,
        version=version.version,
        model=version.baseline.model,
        is_same_data=False,
        dataset_digest_then=version.baseline.dataset_digest,
        dataset_digest_now=digest_now,
        libraries=library_versions(),
        findings=(finding,),
    )

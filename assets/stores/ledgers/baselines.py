"""Registered baselines, their approvals and rejections, append-only: a version's status is derived, never updated."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from assets.stores.journal import AppendOnly, Ledger, among
from assets.stores.schema.tables_baselines import baseline_approvals, baseline_shadows, baseline_versions
from assets.stores.transactions import Repository, Store
from assets.stores.trust import trust_of
from data_quality.contracts.baselines.baseline import (
    Baseline,
    BaselineStatus,
    BaselineType,
    BaselineVersion,
    ShadowComparison,
    canonical_sha256,
)
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import Clock

_VERSIONS = Ledger(baseline_versions, Baseline, "baseline", order=("baseline_id", "version"))
_APPROVALS = AppendOnly(baseline_approvals, dict, order=("id",))
_SHADOWS = Ledger(baseline_shadows, ShadowComparison, "comparison")
REJECTED = "rejected"


def baseline_id_of(site_id: str, seu_id: str, baseline_type: BaselineType) -> str:
    """Stable id of a line of versions: site/seu/type."""
    return f"{site_id}/{seu_id}/{baseline_type.value}"


class Fit(NamedTuple):
    """Training span of a version of a use's baseline, [train_start, train_end) in local days, and since when."""

    site_id: str
    seu_id: str
    train_start: date
    train_end: date
    fitted_at_utc: datetime


class BaselineStore(Repository):
    """Versions and approvals of every baseline, as known at any instant."""

    def add(
        self, baseline: Baseline, mlflow_run_id: str, model_checksum: str, fitted_by: str, clock: Clock
    ) -> BaselineVersion:
        """Append the next version, provisional. The newest version with the same checksum is returned instead."""
        return self.add_all([(baseline, mlflow_run_id, model_checksum)], fitted_by, clock)[0]

    def add_all(
        self, given: Sequence[tuple[Baseline, str, str]], fitted_by: str, clock: Clock
    ) -> list[BaselineVersion]:
        """As `add`, of many lines in one transaction: baseline, run of MLflow and checksum of each, a line once."""
        lines = [baseline_id_of(each.site_id, each.seu_id, each.baseline_type) for each, _, _ in given]
        if not lines:
            return []
        with self.store.together():
            rows = _VERSIONS.rows(self.store, "baseline_id", "version", "model_checksum", baseline_id=lines)
            # In order, so that the last of a line stays.
            newest = {row["baseline_id"]: row for row in rows}
            wanted, added = set(), []
            for line, (baseline, run_id, checksum) in zip(lines, given, strict=True):
                last = newest.get(line)
                is_repeat = last is not None and last["model_checksum"] == checksum
                version = 1 if last is None else last["version"] + (0 if is_repeat else 1)
                wanted.add((line, version))
                if not is_repeat:
                    additional = {"baseline_id": line, "version": version, "mlflow_run_id": run_id}
                    additional |= {"model_checksum": checksum, "fitted_by": fitted_by}
                    added.append(_VERSIONS.row(baseline, **additional))
            if added:
                _VERSIONS.add(self.store, clock, *added)
        rows = _VERSIONS.rows(self.store, baseline_id=lines, version={version for _, version in wanted})
        found = {each.baseline_id: each for each in self._judged([row for row in rows if _line(row) in wanted])}
        return [found[line] for line in lines]

    def versions(
        self, site_id: str | None = None, seu_id: str | None = None, *, as_of_utc: datetime | None = None
    ) -> list[BaselineVersion]:
        """Versions of a site or an SEU, or all of them, oldest first within each line."""
        rows = _VERSIONS.rows(self.store, as_of_utc=as_of_utc, site_id=site_id, seu_id=seu_id)
        return self._judged(rows, as_of_utc)

    def line(self, baseline_id: str, *, as_of_utc: datetime | None = None) -> list[BaselineVersion]:
        """Versions of one baseline, oldest first."""
        return self._judged(_VERSIONS.rows(self.store, as_of_utc=as_of_utc, baseline_id=baseline_id), as_of_utc)

    def _judged(self, rows: Sequence[Mapping[str, Any]], as_of_utc: datetime | None = None) -> list[BaselineVersion]:
        """Baseline versions of the rows, by the approvals recorded by then and by which of both are trusted."""
        given = _APPROVALS.rows(self.store, as_of_utc=as_of_utc)
        trust = trust_of(self.store, [baseline_versions, baseline_approvals])
        # A removed approval puts every version in doubt: it may have superseded any of them.
        lost = trust.lost(baseline_approvals)
        doubts = {_line(row): trust.doubt(baseline_versions, row) or lost for row in rows}
        for row in given:
            doubts[_line(row)] = doubts.get(_line(row)) or trust.doubt(baseline_approvals, row)
        decided = {_line(row): row for row in given if not doubts[_line(row)]}
        approved = [line for line, row in decided.items() if row["outcome"] != REJECTED]
        newest_approved: dict[str, int] = {}
        for line, version in approved:
            # By version, not by time: none may be approved after a newer one (`_refuse_order`).
            newest_approved[line] = max(version, newest_approved.get(line, 0))
        return [
            _version(row, decided.get(_line(row)), newest_approved.get(row["baseline_id"]), doubts[_line(row)])
            for row in rows
        ]

    def get(self, baseline_id: str, version: int, *, as_of_utc: datetime | None = None) -> BaselineVersion:
        """One version. Raises BadInput naming those that exist."""
        known = self.line(baseline_id, as_of_utc=as_of_utc)
        for found in known:
            if found.version == version:
                return found
        have = ", ".join(str(found.version) for found in known) or "none"
        raise BadInput(
            f"unknown version {version} of baseline {baseline_id!r}; registered are {have}", reason="unknown_baseline"
        )

    def named(self, wanted: Collection[tuple[str, int]]) -> list[BaselineVersion]:
        """Registered versions among these (baseline id, number); one query, however many they are."""
        site_ids = {baseline_id.partition("/")[0] for baseline_id, _ in wanted}
        rows = _VERSIONS.rows(self.store, site_id=site_ids, version={version for _, version in wanted})
        return self._judged([row for row in rows if _line(row) in wanted])

    def latest(
        self,
        site_id: str,
        seu_id: str,
        baseline_type: BaselineType = BaselineType.ENB,
        *,
        as_of_utc: datetime | None = None,
    ) -> BaselineVersion | None:
        """The newest version of that type; None where there is none."""
        found = self.line(baseline_id_of(site_id, seu_id, baseline_type), as_of_utc=as_of_utc)
        return found[-1] if found else None

    def in_force(
        self,
        site_id: str,
        baseline_type: BaselineType = BaselineType.ENB,
        *,
        as_of_utc: datetime | None = None,
    ) -> dict[str, BaselineVersion]:
        """SEU (or M&V project) to the newest approved version of that type, else to the newest provisional one."""
        return self.in_force_of([site_id], baseline_type, as_of_utc=as_of_utc).get(site_id, {})

    def in_force_of(
        self,
        site_ids: Collection[str] | None = None,
        baseline_type: BaselineType = BaselineType.ENB,
        *,
        as_of_utc: datetime | None = None,
    ) -> dict[str, dict[str, BaselineVersion]]:
        """The same by site, of these or of all that have any; one question, however many they are."""
        conditions: dict[str, Any] = {"site_id": site_ids, "baseline_type": baseline_type.value, "as_of_utc": as_of_utc}
        keys = [_line(row) for row in _VERSIONS.rows(self.store, "baseline_id", "version", **conditions)]
        given = {_line(row) for row in _APPROVALS.rows(self.store, "baseline_id", "version", as_of_utc=as_of_utc)}
        # A use that is refitted every week has a hundred others, which lead nothing.
        waiting = dict(each for each in keys if each not in given)
        wanted = {*waiting.items(), *given.intersection(keys)}
        rows = _VERSIONS.rows(self.store, **conditions, version={version for _, version in wanted})
        found: dict[str, dict[str, BaselineVersion]] = {}
        judged = self._judged([row for row in rows if _line(row) in wanted], as_of_utc)
        # A rejection that nobody can prove is none: the version stays, with a finding that blocks.
        judged = [each for each in judged if each.status is not BaselineStatus.REJECTED]
        # The approved behind the others, so that they stay.
        for version in sorted(judged, key=lambda each: each.status is BaselineStatus.APPROVED):
            found.setdefault(version.baseline.site_id, {})[version.baseline.seu_id] = version
        return found

    def newest_fits(self, site_ids: Collection[str]) -> list[Fit]:
        """Training period of the newest version of each use of these sites; one query, and none for approvals."""
        table = baseline_versions
        each_use = sa.select(table.c.baseline_id, sa.func.max(table.c.version).label("version"))
        each_use = each_use.where(table.c.baseline_type == BaselineType.ENB.value).group_by(table.c.baseline_id)
        newest = each_use.subquery()
        is_newest = (table.c.baseline_id == newest.c.baseline_id) & (table.c.version == newest.c.version)
        columns = (table.c.site_id, table.c.seu_id, table.c.recorded_at_utc, table.c.baseline)
        query = sa.select(*columns).join(newest, is_newest).order_by(table.c.baseline_id)
        found = self.store.rows(query.where(among(table.c.site_id, site_ids)))
        return [
            Fit(
                site_id=row["site_id"],
                seu_id=row["seu_id"],
                train_start=date.fromisoformat(row["baseline"]["train_start"]),
                train_end=date.fromisoformat(row["baseline"]["train_end"]),
                fitted_at_utc=row["recorded_at_utc"],
            )
            for row in found
            if row["site_id"] in site_ids
        ]

    def approve(
        self,
        baseline_id: str,
        version: int,
        person: Person,
        reason: str,
        waivers: Mapping[str, str],
        clock: Clock,
    ) -> BaselineVersion:
        """Record that `person` approves the version; the version approved before it is superseded.

        waivers: finding code -> why it may stand; every blocking finding needs one.
        Raises BadInput for a missing role, one's own work, a second approval, an older version than the
        approved one, an empty reason, a blocking finding without waiver, or a monitoring baseline.
        """
        # Versions never change and may be read outside of the transaction; approvals are read inside of it.
        candidate = self.get(baseline_id, version)
        given = {code: text.strip() for code, text in waivers.items()}
        _refuse_person(candidate, person, reason, "approve")
        blocking = sorted({finding.code for finding in candidate.baseline.findings if finding.is_blocking})
        unwaived = [code for code in blocking if not given.get(code)]
        if unwaived:
            raise BadInput(
                f"baseline {candidate.baseline_id!r} version {candidate.version} has blocking findings without a "
                f"written waiver: {', '.join(unwaived)}",
                reason="blocking_findings",
                mend="give a waiver with a reason for each, or fit on data that suffice",
            )
        unknown = sorted(set(given) - set(blocking))
        if unknown:
            raise BadInput(
                f"waiver for {', '.join(unknown)}, which is no blocking finding of this version "
                f"(blocking: {', '.join(blocking) or 'none'})",
                reason="unknown_waiver",
            )
        return self._decide(candidate, person, reason, clock, waivers=given)

    def reject(self, baseline_id: str, version: int, person: Person, reason: str, clock: Clock) -> BaselineVersion:
        """Record that `person` rejects the version, for good: only a new version can be approved after it.

        Raises BadInput for a missing role, one's own work, a version that was approved or rejected, an empty reason, or
        a monitoring baseline.
        """
        candidate = self.get(baseline_id, version)
        _refuse_person(candidate, person, reason, "reject")
        return self._decide(candidate, person, reason, clock, waivers={}, outcome=REJECTED)

    def _decide(
        self, candidate: BaselineVersion, person: Person, reason: str, clock: Clock, **fields: Any
    ) -> BaselineVersion:  # fmt: skip
        line = candidate.baseline_id, candidate.version
        with self.store.together():
            done = _APPROVALS.rows(self.store, "version", "outcome", baseline_id=line[0])
            _refuse_order(*line, done, is_rejection="outcome" in fields)
            row = {"baseline_id": line[0], "version": line[1], "person_id": person.person_id, **fields}
            row |= {"role": Role.APPROVER.value, "reason": reason.strip()}
            _APPROVALS.add(self.store, clock, row | {"dataset_digest": candidate.baseline.dataset_digest})
        return self.get(*line)

    def waivers(self, baseline_id: str, version: int) -> dict[str, str]:
        """Finding code -> the reason written down at approval; empty where nothing was waived."""
        rows = _APPROVALS.rows(self.store, "waivers", baseline_id=baseline_id, version=version)
        return dict(rows[0]["waivers"]) if rows else {}


def model_checksums(store: Store) -> dict[tuple[str, int], str]:
    """Checksum of the model of every version, by baseline id and version."""
    rows = _VERSIONS.rows(store, "baseline_id", "version", "model_checksum")
    return {_line(row): row["model_checksum"] for row in rows}


def _line(row: Mapping[str, Any]) -> tuple[str, int]:
    return row["baseline_id"], row["version"]


def _not_proven(doubt: str) -> Finding:
    message = f"The approval of the baseline does not count: {doubt}."
    return Finding(code="approval_not_proven", message=message, severity="blocking")


def _version(
    row: Mapping[str, Any], decision: Mapping[str, Any] | None, newest_approved: int | None, doubt: str
) -> BaselineVersion:
    baseline = Baseline.model_validate(row["baseline"])
    # Shown with a finding that blocks, not hidden: an older version would lead in its place unnoticed.
    if doubt:
        baseline = baseline.model_copy(update={"findings": (*baseline.findings, _not_proven(doubt))})
    status, decided = BaselineStatus.PROVISIONAL, dict[str, Any]()
    if decision is not None:
        status = BaselineStatus.APPROVED if row["version"] == newest_approved else BaselineStatus.SUPERSEDED
        done, decided = "approved", {"approved_role": decision["role"], "reason": decision["reason"]}
        if decision["outcome"] == REJECTED:
            status, done, decided = BaselineStatus.REJECTED, "rejected", {"reason": decision["reason"]}
        decided |= {f"{done}_by": decision["person_id"], f"{done}_at_utc": decision["recorded_at_utc"]}
    return BaselineVersion(
        baseline_id=row["baseline_id"],
        version=row["version"],
        status=status,
        mlflow_run_id=row["mlflow_run_id"],
        model_checksum=row["model_checksum"],
        fitted_by=row["fitted_by"],
        fitted_at_utc=row["recorded_at_utc"],
        baseline=baseline,
        **decided,
    )


def _refuse_person(candidate: BaselineVersion, person: Person, reason: str, verb: str) -> None:
    if candidate.baseline.baseline_type is BaselineType.MONITORING:
        raise BadInput(
            f"{candidate.baseline_id!r} is a monitoring baseline: it is refitted every week, feeds no report "
            "and is never approved",
            reason="baseline_type",
        )
    person.must_be(Role.APPROVER)
    # Four eyes: a baseline decides how large savings look, so nobody decides on their own.
    if person.person_id == candidate.fitted_by:
        raise BadInput(f"{person.name} fitted this baseline and cannot {verb} it", reason="own_work")
    if not reason.strip():
        raise BadInput(f"{'an approval' if verb == 'approve' else 'a rejection'} needs a reason", reason="no_reason")


def _refuse_order(
    baseline_id: str, version: int, decided: Sequence[Mapping[str, Any]], *, is_rejection: bool
) -> None:  # fmt: skip
    outcomes = {row["version"]: row["outcome"] or "approved" for row in decided}
    if version in outcomes:
        raise BadInput(
            f"version {version} of baseline {baseline_id!r} is {outcomes[version]} already",
            reason=f"already_{outcomes[version]}",
            mend="" if outcomes[version] != REJECTED or is_rejection else "fit a new version, which can be approved",
        )
    newer = [other for other, done in outcomes.items() if other > version and done != REJECTED]
    if newer and not is_rejection:
        raise BadInput(
            f"version {max(newer)} of baseline {baseline_id!r} is approved; an older one cannot follow it",
            reason="newer_approved",
        )


class ShadowStore(Repository):
    """Store of changes that library upgrades would have made, as found."""

    def add(self, comparison: ShadowComparison, person_id: str, clock: Clock) -> str:
        """Keep a comparison. Returns the SHA-256 of its content, which a signature names."""
        sha256, site_id = canonical_sha256(comparison.model_dump(mode="json")), comparison.baseline_id.partition("/")[0]
        additional = {"site_id": site_id, "comparison_sha256": sha256, "person_id": person_id}
        _SHADOWS.put(self.store, clock, comparison, **additional)
        return sha256

    def of(self, baseline_id: str, version: int, *, as_of_utc: datetime | None = None) -> list[ShadowComparison]:
        """Comparisons of one version, oldest first."""
        return _SHADOWS.history(self.store, as_of_utc=as_of_utc, baseline_id=baseline_id, version=version)

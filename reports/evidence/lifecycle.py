"""Draft, reviewed or returned, published, withdrawn: two people with two roles, neither of whom made the report."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Literal

from assets.stores.published.publications import (
    DRAFT,
    REVIEWED,
    Decision,
    PublicationStore,
    sign_act,
    status_of,
)
from assets.stores.published.report_ledger import ReportStore, Revision
from assets.stores.sign import Signature, Signer, is_signed
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.people import Person, Role, person_text
from data_quality.contracts.time import Clock
from reports.content.findings_table import at_its_stage
from reports.gates import SYNTHETIC, is_synthetic, publication_blockers
from reports.lifecycle.revise import stored_content
from reports.report_content import LifeStep, Participant, ReportContent, ReportState

Step = Literal["reviewed", "returned", "published", "withdrawn"]
VERBS: Mapping[str, str] = {
    "reviewed": "review", "returned": "return", "published": "publish", "withdrawn": "withdraw",
}  # fmt: skip
_ROLES = {
    "reviewed": Role.REVIEWER, "returned": Role.REVIEWER, "published": Role.PUBLISHER, "withdrawn": Role.PUBLISHER,
}  # fmt: skip


class Outcome:
    """The result of a step: the decision, or its blocking reasons."""

    def __init__(
        self, decision: Decision | None, blockers: Sequence[Finding], content: ReportContent, *, is_signed: bool = False
    ) -> None:
        self.decision, self.blockers, self.content = decision, list(blockers), content
        self.is_signed = is_signed

    @property
    def status(self) -> str | None:
        """The status that the revision has now, or None where nothing was decided."""
        if self.decision is None:
            return None
        return status_of(self.decision.step, is_synthetic=self.decision.is_synthetic)


@dataclass(frozen=True)
class RevisionLifecycle:
    """Steps in the life of revisions. stale: names of a revision's inputs that differ today, from its traces. names:
    of people by person_id, as the people file has them: a decision keeps those of who had a part.
    """

    reports: ReportStore
    publications: PublicationStore
    stale: Callable[[Revision], Sequence[str]]
    clock: Clock
    names: Mapping[str, str] = field(default_factory=dict)

    def review(self, revision: Revision, person: Person, *, signer: Signer | None, reason: str) -> Outcome:
        """Record that a reviewer looked at it and lets it go on.

        Raises BadInput for a missing role, one's own report, a second review or an empty reason.
        """
        _refuse(person, Role.REVIEWER, reason)
        self._refuse_own(revision, person)
        self._refuse_after(revision, "returned", "withdrawn")
        return self._decide(revision, self._content(revision), "reviewed", person, signer, reason)

    def send_back(self, revision: Revision, person: Person, *, signer: Signer | None, reason: str) -> Outcome:
        """Record that a reviewer sends it back: it is never published, another revision has to take its place.

        Raises BadInput for a missing role, an empty reason, and a revision that is out or was sent back.
        """
        _refuse(person, Role.REVIEWER, reason)
        self._refuse_after(revision, "published", "withdrawn")
        return self._decide(revision, self._content(revision), "returned", person, signer, reason)

    def withdraw(self, revision: Revision, person: Person, *, signer: Signer | None, reason: str) -> Outcome:
        """Record that a published revision no longer holds. Its period stays closed, its files stay as they are.

        Raises BadInput for a missing role, an empty reason, and a revision that is not out or was withdrawn.
        """
        _refuse(person, Role.PUBLISHER, reason)
        if "published" not in self._done(revision):
            raise BadInput(f"{name_of(revision)} is not published", reason="not_published")
        return self._decide(revision, self._content(revision), "withdrawn", person, signer, reason)

    def publish(
        self, revision: Revision, person: Person, *, signer: Signer | None, reason: str, allow_synthetic: bool
    ) -> Outcome:
        """Publish a reviewed revision, unless a blocking reason exists: then nothing is stored.

        A report over simulated readings is published only where that is allowed, with a status of its own. Publishing
        closes the report's period. Raises BadInput for a missing role, one's own work, or no review before it.
        """
        _refuse(person, Role.PUBLISHER, reason)
        self._refuse_own(revision, person)
        self._refuse_after(revision, "returned")
        done = self._done(revision)
        if "published" in done:
            raise BadInput(f"{name_of(revision)} is published already; it never changes", reason="decided_already")
        if "reviewed" not in done:
            raise BadInput(
                f"{name_of(revision)} is not reviewed",
                reason="not_reviewed",
                mend=f"a reviewer says: meterloom reports review {name_of(revision)} --as PERSON",
            )
        # Four eyes: the second pair must be another's.
        if done["reviewed"].person_id == person.person_id:
            raise BadInput(f"{person.name} reviewed it and cannot publish it", reason="own_work")
        content = self._content(revision)
        blockers = publication_blockers(
            content,
            stale=self.stale(revision),
            newest=max(number for report_id, number in self.reports.stored_keys() if report_id == revision.report_id),
            broken=self.reports.broken_link(revision.site_id),
            allow_synthetic=allow_synthetic,
        )
        if blockers:
            return Outcome(None, blockers, content)
        # What was let pass is kept with the decision: later readers see that it was known.
        allowed = {each.code: each.message for each in content.findings if each.is_blocking and each.code == SYNTHETIC}
        return self._decide(revision, content, "published", person, signer, reason, allowed=allowed)

    def _content(self, revision: Revision) -> ReportContent:
        return stored_content(self.reports, revision.report_id, revision.revision)

    def _done(self, revision: Revision) -> dict[str, Decision]:
        return {each.step: each for each in self.publications.decisions(revision.report_id, revision.revision)}

    def _refuse_after(self, revision: Revision, *steps: Step) -> None:
        if taken := [each for step, each in self._done(revision).items() if step in steps]:
            who = person_text(taken[0].person_id, taken[0].names.get(taken[0].person_id))
            raise BadInput(f"{name_of(revision)} was {taken[0].step} by {who}", reason="decided_already")

    def _names_of(self, revision: Revision, person: Person) -> dict[str, str]:
        key = (revision.report_id, revision.revision)
        before = self.publications.decisions(*key)
        parts = [self.publications.maker(*key), *(each.person_id for each in before)]
        known = names_then(before, self.names)
        return {each: known[each] for each in parts if each in known} | {person.person_id: person.name}

    def _refuse_own(self, revision: Revision, person: Person) -> None:
        if self.publications.maker(revision.report_id, revision.revision) == person.person_id:
            raise BadInput(f"{person.name} made this report and cannot approve it", reason="own_work")

    def _decide(
        self,
        revision: Revision,
        content: ReportContent,
        step: Step,
        person: Person,
        signer: Signer | None,
        reason: str,
        *,
        allowed: Mapping[str, str] = MappingProxyType({}),
    ) -> Outcome:
        decision = Decision(
            report_id=revision.report_id,
            revision=revision.revision,
            step=step,
            site_id=revision.site_id,
            period=revision.period,
            is_synthetic=is_synthetic(content),
            person_id=person.person_id,
            role=_ROLES[step].value,
            reason=reason.strip(),
            content_sha256=revision.content_sha256,
            allowed=dict(allowed),
            names=self._names_of(revision, person),
            recorded_at_utc=self.clock.now_utc(),
        )
        signed = {"step", "is_synthetic", "role", "reason", "content_sha256", "allowed", "names"}
        # Decision and signature in one transaction: a signature over nothing would be as bad as none.
        with self.publications.store.together():
            decided = self.publications.decide(decision, self.clock)
            is_kept = sign_act(
                self.publications.store,
                signer,
                person,
                kind=f"reports {VERBS[step]}",
                subject=name_of(decision),
                facts=decision.model_dump(mode="json", include=signed),
                clock=self.clock,
            )
        return Outcome(decided, [], content, is_signed=is_kept)


def with_revision_state(
    content: ReportContent, publications: PublicationStore, names: Mapping[str, str]
) -> ReportContent:
    """The content as its files show it now: with who prepared, reviewed and published it, and no draft once it is out.

    names: of people by person_id, as the people file has them now.
    """
    life = revision_state_at(publications, content.report_id, content.revision, names)
    return at_its_stage(content.model_copy(update={"life": life}))


def revision_state_at(
    publications: PublicationStore,
    report_id: str,
    revision: int,
    names: Mapping[str, str],
    *,
    as_of_utc: datetime | None = None,
) -> ReportState:
    """Status of a revision at that time (None: now). A signature counts where it holds and is over this content."""
    decisions = publications.decisions(report_id, revision, as_of_utc=as_of_utc)
    kept = publications.signatures(f"{report_id}@{revision}") if decisions else ()
    return stage_of(decisions, kept, maker=publications.maker(report_id, revision), names=names)


def revision_states_at(
    publications: PublicationStore,
    keys: Iterable[tuple[str, int]],
    names: Mapping[str, str],
    *,
    as_of_utc: datetime | None = None,
) -> dict[tuple[str, int], ReportState]:
    """Lives of many revisions, each as `revision_state_at` says it, from one look at all decisions."""
    decided, makers = publications.every(as_of_utc=as_of_utc), publications.makers()
    found = {}
    for key in keys:
        kept = publications.signatures(f"{key[0]}@{key[1]}") if key in decided else ()
        found[key] = stage_of(decided.get(key, ()), kept, maker=makers.get(key), names=names)
    return found


def stage_of(
    decisions: Sequence[Decision], kept: Sequence[Signature], *, maker: str | None, names: Mapping[str, str]
) -> ReportState:
    """Status of a revision after these decisions, oldest first. kept: signatures over acts on it."""
    known = names_then(decisions, names)
    prepared = Participant(person_id=maker, name=known.get(maker, "")) if maker else None
    if not decisions:
        return ReportState(prepared=prepared)
    steps = {each.step: step_of(each, kept, known) for each in decisions}
    last = decisions[-1]
    status = status_of(last.step, is_synthetic=last.is_synthetic)
    return ReportState.model_validate({"status": status, "prepared": prepared, **steps})


def names_then(decisions: Sequence[Decision], names: Mapping[str, str]) -> dict[str, str]:
    """Names of who had a part: as of the publication once it is out, whatever the people file says since."""
    if any(each.step == "published" for each in decisions):
        return decisions[-1].names
    return {**names, **{each: name for decision in decisions for each, name in decision.names.items()}}


def step_of(decision: Decision, kept: Sequence[Signature], names: Mapping[str, str]) -> LifeStep:
    """The step as reports print it. kept: signatures over acts on the revision."""
    kind, person = f"reports {VERBS[decision.step]}", decision.person_id
    is_kept = any(
        each.kind == kind
        and each.person_id == person
        and is_signed(each)
        and json.loads(each.action)["facts"].get("content_sha256") == decision.content_sha256
        for each in kept
    )
    name = names.get(person, "")
    return LifeStep(
        person_id=person, name=name, at_utc=decision.recorded_at_utc, is_signed=is_kept, reason=decision.reason
    )


def name_of(revision: Revision | Decision) -> str:
    """Name of a revision in commands."""
    return f"{revision.report_id}@{revision.revision}"


def next_step(status: str) -> str:
    """Next step, for people."""
    return {DRAFT: "to be reviewed", REVIEWED: "to be published"}.get(status, "")


def _refuse(person: Person, role: Role, reason: str) -> None:
    person.must_be(role)
    if not reason.strip():
        raise BadInput("a decision needs a reason", reason="no_reason")

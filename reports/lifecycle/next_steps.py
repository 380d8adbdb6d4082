"""Steps that a site still lacks for its next published report, in the order in which one would mend it. Pure: facts in,
steps out; each step is one command that can be copied as it stands.
"""

from collections.abc import Collection, Iterator
from datetime import date

from data_quality.contracts.model import Model
from data_quality.contracts.people import Role
from data_quality.contracts.time import months_after
from reports.lifecycle.control_steps import ControlFacts, Named, Step, control_steps

REPORT = "enpi_quarter"
# Each season once: what a baseline of a weather-driven use rests on (ISO 50006, CalTRACK 2.2.1).
TRAINING_MONTHS = 12
Span = tuple[date, date]


class Waiting(Model):
    """A place of a file that waits for somebody's own value."""

    file: str
    line: int
    what: str


class Refused(Model):
    """A file in quarantine: its first open item and what that says. rows: how many were refused; none: the whole file.
    is_mappable: a column map would mend it.
    """

    item_id: str
    source_name: str
    message: str
    rows: int
    is_mappable: bool


class Use(Model):
    """An energy use: streams are its meters and drivers. fitted_by, status, blocking: of its newest baseline."""

    seu_id: str
    name: str
    streams: tuple[str, ...]
    training: Span | None = None
    baseline_id: str = ""
    status: str = ""
    fitted_by: str = ""
    blocking: tuple[str, ...] = ()
    is_stale: bool = False


class Member(Model):
    """A person of the people file. has_key: the public half stands there."""

    person_id: str
    roles: tuple[Role, ...]
    has_key: bool


class Printed(Model):
    """The newest revision of the report of a period. blocking: reasons against its publication, in words, apart
    from simulated readings (is_synthetic).
    """

    status: str
    maker: str | None
    reviewer: str | None
    is_stale: bool
    is_packed: bool
    is_synthetic: bool = False
    blocking: tuple[str, ...] = ()


class Facts(Named):
    """State of a site. option: ` --project DIR` where a command needs it. unseen: files that the lake has not.
    spans: local days [first, after) of each stream with readings. unpriced, unfactored: carrier and the first days
    without. printed: by period. control: of its devices.
    """

    site_file: str
    people_file: str
    today: date
    waiting: tuple[Waiting, ...] = ()
    unseen: tuple[str, ...] = ()
    refused: tuple[Refused, ...] = ()
    meters: tuple[str, ...]
    drivers: tuple[str, ...]
    spans: dict[str, Span] = {}
    unpriced: dict[str, Span] = {}
    unfactored: dict[str, Span] = {}
    has_marts: bool = False
    uses: tuple[Use, ...] = ()
    people: tuple[Member, ...] = ()
    printed: dict[str, Printed] = {}
    control: ControlFacts = ControlFacts(planned=())

    @property
    def is_signed(self) -> bool:
        """Everybody signs; not where a report went out before anybody had a key: keys are then a decision (adopt)."""
        is_out = any(each.status.startswith("published") for each in self.printed.values())
        return not is_out or any(person.has_key for person in self.people)

    def common(self, streams: Collection[str]) -> Span | None:
        """Local days on which all these streams have readings; None where one of them has none."""
        spans = [self.spans.get(name) for name in streams]
        known = [span for span in spans if span is not None]
        if not known or len(known) < len(spans):
            return None
        return max(first for first, _ in known), min(after for _, after in known)


def next_steps(facts: Facts) -> list[Step]:
    """Everything that is missing, in order; nothing where the newest report is published and packed."""
    readings = [*_to_fill(facts, facts.site_file), *_files(facts)]
    if not any(name in facts.spans for name in facts.meters):
        # Which period, which baseline: nobody knows before there are readings.
        return readings
    control = control_steps(facts, facts.control, site_file=facts.site_file, people_file=facts.people_file)
    return [*readings, *_figures(facts), *control, *_people(facts), *_baselines(facts), *_report(facts)]


def _to_fill(facts: Facts, file: str) -> Iterator[Step]:
    here = [each for each in facts.waiting if each.file == file]
    if here:
        more = f" and {len(here) - 1} more" if len(here) > 1 else ""
        what = f"{file}, line {here[0].line}: {here[0].what}{more}"
        why = "the template's placeholders are still there; 'meterloom check' lists every place"
        yield Step(what=what, why=why, command=facts.edit(file, here[0].line))


def _files(facts: Facts) -> Iterator[Step]:
    for each in facts.refused:
        if each.is_mappable:
            why = "its columns have names of their own: with a map in the site file they are read"
            what = f"how to read {each.source_name}: {each.message}"
            yield Step(what=what, why=why, command=facts.command("quarantine", "show", each.item_id))
    others = [each for each in facts.refused if not each.is_mappable]
    if others:
        what = f"what was refused of {', '.join(each.source_name for each in others[:3])}"
        what += f" and {len(others) - 3} more files" if others[3:] else ""
        words = ("quarantine", "list", "--site", facts.site_id, "--files")
        why = "it is in no figure; each row says what was expected instead"
        # A refusal that nobody can mend stands: figures may do without a few rows.
        yield Step(what=what, why=why, command=facts.command(*words), is_needed=False)
    if facts.unseen:
        files = [each.rpartition("/")[2] for each in facts.unseen]
        what = f"the readings of {', '.join(files[:4])}{f' and {len(files) - 4} more files' if files[4:] else ''}"
        yield Step(what=what, why="figures are made of what is in the lake", command=_ingest(facts, *facts.unseen))
        return
    for kind, names in (("meter", facts.meters), ("driver", facts.drivers)):
        silent = [name for name in names if name not in facts.spans]
        if silent:
            why = "figures are made of readings" if kind == "meter" else "baselines follow what energy follows"
            # One meter of many is missed where a use needs it.
            is_needed = len(silent) == len(names) or any(name in use.streams for use in facts.uses for name in silent)
            what = f"readings of {kind}{'s' if silent[1:] else ''} {', '.join(silent)}"
            yield Step(what=what, why=why, command=_ingest(facts, "FILE"), is_needed=is_needed)


def _ingest(facts: Facts, *files: str) -> str:
    return facts.command("ingest", *files, "--site", facts.site_id)


def _figures(facts: Facts) -> Iterator[Step]:
    for carrier, (first, after) in facts.unpriced.items():
        yield Step(
            what=f"a price of {carrier} from {first} to {after}",
            why="without one no cost is printed; a tariff file, or 'tariffs' of the site file",
            command=facts.command("tariff", "import", "TARIFF_FILE", "--site", facts.site_id),
            is_needed=False,
        )
    for carrier, (first, after) in facts.unfactored.items():
        entry = (
            f"factor_id: …, carrier: {carrier}, kgco2e_per_kwh: …, valid_from: {first}, valid_to: {after}, source: …"
        )
        yield Step(
            what=f"an emission factor of {carrier} from {first} to {after}",
            why=f"without one no emission is printed; in the site file: factors: [{{{entry}}}]",
            command=facts.edit(facts.site_file),
            is_needed=False,
        )
    if not facts.has_marts:
        spans = [facts.spans[name] for name in facts.meters if name in facts.spans]
        first, after = min(first for first, _ in spans), max(after for _, after in spans)
        period = _quarter(first, after, facts.today) or str(min(after, facts.today).year)
        words = ("kpis", "--site", facts.site_id, "--period", period)
        why = "the months are computed once, then every question about them is quick"
        yield Step(what="the first figures", why=why, command=facts.command(*words))


def _people(facts: Facts) -> Iterator[Step]:
    if not facts.uses:
        return
    yield from _to_fill(facts, facts.people_file)
    cast = cast_of(facts)
    for role, person in cast.items():
        if person is None:
            yield Step(
                what=f"a person with the role {role.value} who did none of the other steps",
                why="who made a thing cannot let it pass: approval, review and publication are by others",
                command=facts.edit(facts.people_file),
            )
    signing = dict.fromkeys(person for role, person in cast.items() if role is not Role.ANALYST)
    for each in facts.people:
        if each.person_id in signing and not each.has_key and facts.is_signed:
            yield Step(
                what=f"a key of {each.person_id}",
                why="what they approve, review and publish is signed; the private half stays with them",
                command=facts.command("keys", "new", each.person_id),
            )


def cast_of(facts: Facts) -> dict[Role, str | None]:
    """People who fit, make, approve, review and publish: those who did a step already, and none does what
    another's eyes are for. None where nobody is left for a role.
    """
    period = report_period(facts)
    printed = facts.printed.get(period) if period is not None else None
    fitted = {use.fitted_by for use in facts.uses if use.status == "provisional"}
    maker = printed.maker if printed is not None else None
    # A schedule makes reports too, and is no person.
    people = {each.person_id for each in facts.people}
    analyst = next((name for name in [maker, *fitted, *_holders(facts, Role.ANALYST)] if name in people), None)
    reviewer = printed.reviewer if printed is not None and printed.reviewer else None
    reviewer = reviewer or _first(facts, Role.REVIEWER, {analyst, maker})
    return {
        Role.ANALYST: analyst,
        Role.APPROVER: _first(facts, Role.APPROVER, {analyst, *fitted}),
        Role.REVIEWER: reviewer,
        Role.PUBLISHER: _first(facts, Role.PUBLISHER, {analyst, maker, reviewer}),
    }


def _holders(facts: Facts, role: Role) -> list[str]:
    return [each.person_id for each in facts.people if role in each.roles]


def _first(facts: Facts, role: Role, others: Collection[str | None]) -> str | None:
    return next((name for name in _holders(facts, role) if name not in others), None)


def _as(person: str | None) -> tuple[str, ...]:
    return ("--as", person or "PERSON")


def _baselines(facts: Facts) -> Iterator[Step]:
    cast = cast_of(facts)
    if not facts.uses:
        what, why = "a significant energy use", "performance is that of a use: 'seus' of the site file names its meters"
        yield Step(what=what, why=why, command=facts.edit(facts.site_file), is_needed=False)
    for use in facts.uses:
        training, span = training_of(facts, use), facts.common(use.streams)
        if training is None and use.training is not None and span is not None:
            what = f"readings of {use.name} of {use.training[0]} to {use.training[1]}, or another period"
            why = f"its baseline is of days before {span[0]} or after {span[1]}, where there are none"
            yield Step(what=what, why=why, command=facts.edit(facts.site_file))
        elif training is None:
            have = f"{max(0, (span[1] - span[0]).days)} days" if span is not None else "nothing in common"
            what = f"{TRAINING_MONTHS} whole months of {', '.join(use.streams)}: {have} so far"
            why = f"the baseline of {use.name} needs each season once"
            yield Step(what=what, why=why, command=_ingest(facts, "FILE"))
        if training is None:
            continue
        if use.is_stale or use.status in ("", "rejected"):
            what = f"{'a newer' if use.is_stale else 'a'} baseline of {use.name}, {training[0]} to {training[1]}"
            why = "its readings changed since it was fitted" if use.is_stale else "a model says what to expect"
            why = "the last one was rejected" if use.status == "rejected" else why
            period = () if use.training is not None else ("--train", f"{training[0]}/{training[1]}")
            words = ("baseline", "fit", "--site", facts.site_id, "--seu", use.seu_id, *period)
            yield Step(what=what, why=why, command=facts.command(*words, *_as(cast[Role.ANALYST])))
        if use.is_stale or use.status != "approved":
            yield _approval(facts, use, cast[Role.APPROVER])


def _approval(facts: Facts, use: Use, approver: str | None) -> Step:
    why = "without another's approval every report of it is a draft"
    if "approval_not_proven" in use.blocking:
        words = ["keys", "adopt", *_as(approver), "--reason", "what stands was read"]
        return Step(what="a signature under what was approved before", why=why, command=facts.command(*words))
    words = ["baseline", "approve", f"{facts.site_id}/{use.seu_id}/enb", *_as(approver), "--reason", "reviewed"]
    for code in use.blocking:
        words += ["--waive", f"{code}=WHY"]
    if use.blocking:
        why = f"{', '.join(use.blocking)} blocks it: correct that, or say WHY it may be waived"
    return Step(what=f"an approval of the baseline of {use.name}", why=why, command=facts.command(*words))


def training_of(facts: Facts, use: Use) -> Span | None:
    """The training period that the site file names, else the first twelve whole months; None where readings do not
    reach over it, unless a baseline was fitted all the same.
    """
    span = facts.common(use.streams)
    if use.status:
        return use.training or span
    if span is None:
        return None
    start = span[0] if span[0].day == 1 else months_after(span[0].replace(day=1), 1)
    start, end = use.training or (start, months_after(start, TRAINING_MONTHS))
    return (start, end) if span[0] <= start and end <= span[1] else None


def report_period(facts: Facts) -> str | None:
    """The newest whole quarter after the baselines, with readings to its end; None where there is none yet."""
    trained = [training_of(facts, use) for use in facts.uses]
    spans = [facts.common(use.streams) for use in facts.uses]
    ends = [training[1] for training in trained if training is not None]
    known = [span for span in spans if span is not None]
    if not ends or len(ends) < len(facts.uses) or len(known) < len(facts.uses):
        return None
    return _quarter(max(ends), min(after for _, after in known), facts.today)


def _quarter(first: date, after: date, today: date) -> str | None:
    """The newest whole quarter in [first, after) that is over."""
    end = min(after, today)
    end = date(end.year, (end.month - 1) // 3 * 3 + 1, 1)
    start = months_after(end, -3)
    return f"{start.year}-Q{(start.month + 2) // 3}" if start >= first else None


def _report(facts: Facts) -> Iterator[Step]:
    period = report_period(facts)
    trained = [training_of(facts, use) for use in facts.uses]
    if period is None:
        ends = [training[1] for training in trained if training is not None]
        if ends and len(ends) == len(trained):
            what = f"readings of a whole quarter after {max(ends)}"
            yield Step(what=what, why="a report holds a quarter against the baseline", command=_ingest(facts, "FILE"))
        return
    cast, name = cast_of(facts), f"{REPORT}/{facts.site_id}/{period}"
    found = facts.printed.get(period)
    is_over = found is not None and found.status in ("returned", "withdrawn")
    is_due = found is None or found.is_stale or bool(found.blocking) or is_over
    if is_due:
        what, why = f"the report of {period}", "figures with their bands, each of which can be traced"
        if found is not None:
            what = f"the report of {period} once more"
            why = "what it rests on changed" if found.is_stale else f"against it: {'; '.join(found.blocking)}"
            why = f"it was {found.status}: with the same figures it is the same revision" if is_over else why
        words = ("report", REPORT, "--site", facts.site_id, "--period", period, *_as(cast[Role.ANALYST]))
        yield Step(what=what, why=why, command=facts.command(*words))
    # Another revision begins its life anew.
    status = "draft" if found is None or is_due else found.status
    if status == "draft":
        words = ("reports", "review", name, *_as(cast[Role.REVIEWER]))
        yield Step(what=f"a review of {period}", why="by another than who made it", command=facts.command(*words))
    if status in ("draft", "reviewed"):
        words = ("reports", "publish", name, *_as(cast[Role.PUBLISHER]))
        words += ("--allow-synthetic",) if found is not None and found.is_synthetic else ()
        yield Step(
            what=f"the publication of {period}", why="from then on it never changes", command=facts.command(*words)
        )
    if found is None or is_due or not found.is_packed:
        words = ("pack", name, *(_as(cast[Role.PUBLISHER]) if facts.is_signed else ()))
        why = "readings, versions and figures in one file that anybody can verify offline"
        yield Step(what=f"the evidence pack of {period}", why=why, command=facts.command(*words))

"""A column map drafted from what a foreign table shows: each key with why, how sure, and what is still open."""

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from assets.readings.drafts.column_kinds import price_column, scaled_unit
from assets.readings.drafts.map_draft import NO_FACTS, Fact, FileFacts, MapDraft, Question, glob_of, identifier, text_of
from assets.readings.drafts.name_match import SURE, Match, match, only_meter
from assets.readings.drafts.table_facts import TableFacts, look
from assets.readings.drafts.time_column import ends_its_day, label_seen, summer_time
from assets.readings.drafts.value_columns import ValueColumn, load_question, unit_of_name
from assets.readings.streams import canonical_of
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import zone

# A draft is read by a person, line by line.
MAX_COLUMNS = 40
_END_NAME = re.compile(r"\b(end|ende|bis|to|until|fin|fine)\b", re.IGNORECASE)
_START_NAME = re.compile(r"\b(start|beginn?|von|from|ab|début|inizio)\b", re.IGNORECASE)


def draft_map(path: Path, *, site: Site | None = None, facts: FileFacts = NO_FACTS) -> MapDraft | None:
    """The draft for a file; None where it is no table, or holds no column of times. Raises BadInput for a zone that
    there is not.
    """
    found = look(path)
    return None if found is None else draft_of(found, path.name, site=site, facts=facts)


def draft_of(
    found: TableFacts,
    file_name: str,
    *,
    site: Site | None = None,
    facts: FileFacts = NO_FACTS,
) -> MapDraft:
    """The draft of what a table shows."""
    drafting = _Drafting(found, site, facts)
    drafting.add_text()
    drafting.add_times(facts.tz)
    if found.clocks:
        drafting.add_clocks(found.clocks)
    elif found.meter is not None:
        drafting.add_long(found.meter)
    elif site is None and len(found.values) == 1:
        drafting.add_single(found.values[0])
    else:
        drafting.add_wide()
    drafting.add_marks()
    if site is not None:
        # First as a person reads it; last to be known.
        drafting.keys = {"match": glob_of(file_name, is_only_this=drafting.is_only_this)} | drafting.keys
    return MapDraft(
        keys=drafting.keys,
        notes=drafting.notes,
        remarks=tuple(drafting.remarks),
        questions=tuple(drafting.questions),
        facts=tuple(drafting.facts),
        is_of_states=site is None and bool(found.values) and all(each.is_counter for each in found.values),
    )


class _Drafting:
    """Collects the keys of one draft."""

    def __init__(self, found: TableFacts, site: Site | None, facts: FileFacts) -> None:
        self.found, self.site, self.unit, self.meter = found, site, facts.unit, facts.meter
        self.keys: dict[str, Any] = {}
        # Whose readings they are was said of this very file: one of another date may hold another meter's.
        self.is_only_this = False
        self.notes: dict[str, str] = {}
        self.remarks: list[str] = []
        self.questions: list[Question] = []
        self.facts: list[Fact] = []

    def add_text(self) -> None:
        """Place and letters of the names."""
        found = self.found
        if found.encoding is not None:
            self.keys["encoding"] = found.encoding
            self.notes["encoding"] = "no UTF-8, and no mark says what it is"
            self._fact(f"letters as {found.encoding}", 0.95)
        if found.sheet is not None:
            self.keys["sheet"] = found.sheet
            self.notes["sheet"] = "the first sheet with a table"
        if found.header_line > 1:
            self.keys["header_line"] = found.header_line
            self.notes["header_line"] = "titles are above the names of the columns"
        if found.data_line is not None:
            self.keys["data_line"] = found.data_line
            self.notes["data_line"] = "units are below the names of the columns"
        if found.where:
            self.keys["where"] = dict(found.where)
            self.notes["where"] = "each amount is given in several units: these rows are taken"

    def add_times(self, tz: str | None) -> None:
        """The column of times, its style, zone and label."""
        found, time = self.found, self.found.time
        self.keys["timestamp"] = time.name
        if found.date_columns:
            self.keys["date_columns"] = list(found.date_columns)
        if found.clock is not None:
            self.keys["clock"] = found.clock
            self.notes["clock"] = "the time of day is next to the date"
        if found.clock_from is not None:
            self.keys |= {"clock_from": found.clock_from, "interval_minutes": found.minutes}
            self.notes["clock"] = f"numbers the intervals of a day, from {found.clock_from}"
            self._fact(f"{found.clock!r} numbers intervals of {found.minutes} minutes from midnight on", 0.95)
        if time.options:
            options = " or ".join(text_of(form) for form in time.options)
            text = f"{options}: the file does not say whether the day or the month comes first"
            self._add_question("date_format", text, time.options)
        elif len(time.formats) == 1:
            self.keys["date_format"] = time.formats[0]
            self._fact(f"dates as {time.formats[0]}: {time.why}", time.sure)
        elif time.formats:
            self.keys["date_formats"] = list(time.formats)
            self._fact(f"dates as {' and '.join(time.formats)}: {time.why}", time.sure)
        if not time.has_offset:
            self._add_zone(tz)
        self._add_label()
        days = (found.minutes or 0) // 1440
        if time.is_date and days > 1 and not found.counters and not time.is_month:
            text = (
                f"the dates are {days} days apart: true where each amount lasts until the next date, false for its day"
            )
            self._add_question("until_next_row", text, ("true", "false"))

    def _add_zone(self, tz: str | None) -> None:
        if self.found.zone is not None:
            self.keys["zone"] = self.found.zone
            self._fact(f"zone {self.found.zone}: the name of the column of times, or a title above it, says so", 0.97)
            return
        name = tz or (self.site.time_zone if self.site else None)
        if name is None:
            lacks = "name an offset that several zones have" if self.found.time.is_named else "have no offset"
            self._add_question("zone", f"the times {lacks}: name their zone, such as Europe/Berlin or Etc/GMT-1")
            return
        # What numbers count since midnight, or names its offset, has no hour that a clock skips.
        is_sure = self.found.clock_from is not None or self.found.time.is_named
        skipped, repeated, once = (0, 0, 0) if is_sure else summer_time(self.found.time, self.found.meters, name)
        if skipped:
            text = (
                f"{skipped} of the times lie in the hour that {name} skips in spring: this clock is of another zone, "
                "or does not change with summer time; name its zone, such as Etc/GMT-1 (UTC+1 all year)"
            )
            # The zone that has another one's winter time all year, as Etc/GMT-1 of Europe/Berlin; none of half hours.
            # Not by what counts as summer time: of Europe/Dublin that is the winter, an hour back.
            noons = (datetime(2025, month, 15, 12, tzinfo=zone(name)) for month in (1, 7))
            hours, rest = divmod(min(noon.utcoffset() or timedelta() for noon in noons), timedelta(hours=1))
            # The sign of these names is that of the sun's way, not of the clock.
            self._add_question("zone", text, (() if rest else (f"Etc/GMT{-hours:+d}" if hours else "Etc/GMT",)))
            return
        self.keys["zone"] = name
        whose = "given" if tz else "the site's"
        if repeated:
            self._fact(f"zone {name} ({whose}): the hours that it skips and repeats are so in the file", 0.99)
        else:
            self._fact(f"zone {name} ({whose}); the file crosses no change of its clock that would prove it", 0.93)
        if once:
            self.remarks.append(
                f"{once} times of the hour that autumn repeats stand there once, and are refused; "
                "repeated_hour: first or second takes them"
            )

    def _add_label(self) -> None:
        time, minutes, meters = self.found.time, self.found.minutes, self.found.meters
        if self.found.clocks:
            is_end = "24:00" in self.found.clocks.values()
            if is_end:
                self.keys["label"] = "end"
                self.notes["label"] = "the day ends with 24:00, so the times mark the end of an interval"
            return
        if self.found.clock_from is not None or (minutes is not None and minutes >= 1440):
            return
        named = f"{time.name} {self.found.clock or ''}"
        is_start_named = _START_NAME.search(named) is not None
        if ends_its_day(time.times, meters):
            self.keys |= {"midnight": "end", "label": "end"}
            self.notes["midnight"] = "00:00 is last in its day"
            self.notes["label"] = "so the times seem to mark the end of an interval"
            self._fact("times mark the end of an interval: 00:00 is last in its day", 0.95)
        elif not is_start_named and (label_seen(time.times, minutes) == "end" or _END_NAME.search(named)):
            self.keys["label"] = "end"
            self.notes["label"] = "the first time is one step after midnight"
            if label_seen(time.times, minutes) != "end":
                self.notes["label"] = "from the column's name"
            self._fact(f"times mark the end of an interval: {self.notes['label']}", 0.93)
        elif label_seen(time.times, minutes) == "start" or is_start_named:
            self._fact("times mark the start of an interval: whole days begin at midnight", 0.98)
        else:
            self._fact("times mark the start of an interval: nothing in the file says otherwise", 0.95)
        if minutes is not None:
            self.remarks.append(f"step: {minutes} minutes")

    def add_clocks(self, clocks: dict[str, str]) -> None:
        """A column for each time of day."""
        self.keys["clocks"] = dict(clocks)
        self.notes["clocks"] = "columns named by a time of day"
        if self.found.minutes is not None:
            self.keys["interval_minutes"] = self.found.minutes
        names = _names(self.found)
        unit = self._unit(self.found.values[0]) if self.found.values else None
        if self.found.meter is not None:
            self.keys["meter"] = self.found.meter
            self._add_meters(names, unit)
        elif self.site is None:
            self.remarks.append("meters: {any: my_meter} says whose readings these are, where a site has several")
        else:
            self._add_only_meter(self.site, unit)
        self._add_unit(self.found.values[0] if self.found.values else None, unit, "not in the columns' names")

    def add_long(self, column: str) -> None:
        """Add a column that names the meter next to one of values."""
        energies = [each for each in self.found.values if _is_energy(self._unit(each))]
        # Amounts beside the states of their counter are read as they are.
        choice = [each for each in energies if not each.is_counter] or energies or list(self.found.values)
        value = choice[0]
        self.keys["meter"] = column
        self._add_meters(_names(self.found), self._unit(value))
        self.keys["value"] = value.name
        others = [each.name for each in self.found.values if each.name != value.name]
        if others:
            self.notes["value"] = f"or one of: {', '.join(map(text_of, others[:MAX_COLUMNS]))}"
            self._fact(f"values in {value.name!r}, not in {', '.join(others[:5])}", 0.9 if len(energies) == 1 else 0.7)
        self._add_unit(value, self._unit(value), "not in the column's name")
        self._note_counter(value)

    def add_single(self, value: ValueColumn) -> None:
        """One column of values, of one meter that nobody names."""
        self.keys["value"] = value.name
        self._add_unit(value, self._unit(value), "not in the column's name")
        self.remarks.append("meters: {any: my_meter} says whose readings these are, where a site has several")
        self._cell_notes([value])

    def add_wide(self) -> None:
        """Each column of values a stream of its own; without a site, named after itself."""
        columns = self.found.values[:MAX_COLUMNS] if self.site is None else self.found.values
        chosen = self._unrepeated(columns)
        values: dict[str, str] = {}
        self.keys["values"] = values
        self.notes["values"] = "column -> meter_id, meter_id.register or driver_id; delete what is not wanted"
        units: dict[str, str] = {}
        for column in chosen:
            unit = self._unit(column)
            stream = (
                identifier(column.name)
                if self.site is None
                else self._stream(self.site, column, unit, set(values.values()))
            )
            if stream is None:
                continue
            values[column.name] = stream
            if unit is not None:
                self._add_scale(column)
                if not self._is_doubted("units", column, unit):
                    units[column.name] = unit
            elif self.found.unit_column is not None and price_column(column.name) is None:
                self.keys["unit"] = self.found.unit_column
            elif self.site is not None:
                text = "unit unknown: not in the column's name; write it under units"
                self.questions.append(Question(key="units", column=column.name, text=text, answers=("kwh",)))
            else:
                self.notes[f"values.{column.name}"] = "unit unknown"
                if not any(question.key == "unit" for question in self.questions):
                    self._add_question("unit", "not in the columns' names")
        if units or any(question.key == "units" for question in self.questions):
            self.keys["units"] = units
        self._cell_notes([column for column in chosen if column.name in values])

    def _unrepeated(self, columns: tuple[ValueColumn, ...]) -> list[ValueColumn]:
        """Columns without those of another quantity, and without the power of a meter that has an energy column too:
        both would be the same readings. Without a site nothing says that what never changes is a meter.
        """
        is_unknown = self.site is None
        doubted = [each for each in columns if each.is_other or (is_unknown and not each.unit and each.is_constant)]
        if doubted and len(doubted) < len(columns):
            names = ", ".join(text_of(each.name) for each in doubted)
            why = "never change, start anew each day, or are called as no amount of energy"
            self.remarks.append(f"left out, since they {why}: {names}")
            columns = tuple(each for each in columns if each not in doubted)
        for each in (one for one in columns if one.same_as):
            text = f"left out, since it rises by the steps of {text_of(each.same_as)}: {text_of(each.name)}"
            self.remarks.append(f"{text}; both would count the same")
        columns = tuple(each for each in columns if not each.same_as)
        if self.site is None:
            return list(columns)
        energies = {_bare(each.name) for each in columns if _is_energy(self._unit(each), power=False)}
        left = [each for each in columns if not (_is_power(self._unit(each)) and _bare(each.name) in energies)]
        if gone := [each.name for each in columns if each not in left]:
            self.remarks.append(f"left out, since their energy stands beside them: {', '.join(map(text_of, gone))}")
        return left

    def _stream(self, site: Site, column: ValueColumn, unit: str | None, taken: set[str]) -> str | None:
        """The site's stream of a column; a question where it is not clear, nothing where it is none of a meter's."""
        if self.meter is not None and len(self.found.values) == 1:
            self.is_only_this = True
            return self.meter
        found = match(column.name, site, unit, taken=taken)
        if (found is None or found.sure < SURE) and len(self.found.values) == 1:
            # A column next to it may name the meter of the only values.
            constants = [each for text in self.found.constants.values() if (each := match(text, site, unit))]
            found = max([*constants, *([found] if found else [])], key=lambda each: each.sure, default=None)
            self.is_only_this = found in constants
            if found is None or found.sure < SURE:
                found = only_meter(site, unit) or found
        if found is not None and found.sure >= SURE and found.stream not in taken:
            self._fact(f"{column.name!r} is {found.stream}: {found.why}", found.sure)
            return found.stream
        if found is None and unit is None and len(self.found.values) > 1:
            self.remarks.append(f"left out, being called like nothing of this site: {text_of(column.name)}")
            return None
        self._add_stream_question(site, "values", column.name, found, unit)
        return None

    def _add_stream_question(self, site: Site, key: str, name: str, found: Match | None, unit: str | None) -> None:
        kind = canonical_of(unit)
        known = [m.meter_id for m in site.meters if not m.is_virtual and (not kind or m.register_in(kind))]
        known += [d.driver_id for d in site.drivers if kind is None or canonical_of(d.unit) == kind]
        likely = [found.stream] if found is not None else []
        answers = tuple(dict.fromkeys([*likely, *known]))[:20]
        why = f" (likely {found.stream}: {found.why})" if found is not None else ""
        one_of = f"one of {', '.join(answers)}" if answers else "the site has none that counts this"
        self.questions.append(
            Question(key=key, column=name, text=f"which meter or driver is this?{why} {one_of}", answers=tuple(likely))
        )

    def _add_meters(self, names: list[str], unit: str | None) -> None:
        """Foreign names of a meter column."""
        self.keys["meters"] = meters = {}
        self.notes["meters"] = "foreign name -> meter_id"
        for name in names:
            if self.site is None:
                meters[name] = identifier(name)
                continue
            found = match(name, self.site, unit, taken=set(meters.values()))
            if found is not None and found.sure >= SURE and found.stream not in meters.values():
                meters[name] = found.stream
                self._fact(f"{name!r} is {found.stream}: {found.why}", found.sure)
            elif len(names) == 1 and (self.meter is not None or only_meter(self.site, unit) is not None):
                only = only_meter(self.site, unit)
                meters[name] = self.meter or (only.stream if only else "")
                self._fact(f"{name!r} is {meters[name]}: {only.why if only else 'given'}", only.sure if only else 1.0)
            else:
                self._add_stream_question(self.site, "meters", name, found, unit)

    def _add_only_meter(self, site: Site, unit: str | None) -> None:
        constants = [each for text in self.found.constants.values() if (each := match(text, site, unit))]
        found = max([*constants, *filter(None, [match("", site, unit)])], key=lambda each: each.sure, default=None)
        self.is_only_this = self.meter is not None or found in constants
        if self.meter is not None:
            self.keys["meters"] = {"any": self.meter}
        elif found is not None and found.sure >= SURE:
            self.keys["meters"] = {"any": found.stream}
            self._fact(f"readings of {found.stream}: {found.why}", found.sure)
        else:
            self._add_stream_question(site, "meters", "any", found, unit)
            self.keys["meters"] = {}

    def _unit(self, column: ValueColumn) -> str | None:
        if column.unit is None and (scaled := scaled_unit(column.name)) is not None:
            return scaled[0]
        # A person's word stands before a heading that the size of the values contradicts.
        if self.unit is not None and (column.unit is None or column.looks_like):
            return self.unit
        # A column of units says it of what is measured, and of no price beside it.
        return column.unit or (self.found.unit_of_rows if price_column(column.name) is None else None)

    def _add_unit(self, column: ValueColumn | None, unit: str | None, missing: str) -> None:
        of_rows = self.found.unit_column
        if of_rows is not None and column is not None and column.unit is None and self.unit is None:
            self.keys["unit"] = of_rows
            self._fact(f"units in column {of_rows!r}", 1.0)
            return
        if unit is None or column is None:
            self._add_question("unit", missing)
            return
        self._add_scale(column)
        if not self._is_doubted("unit", column, unit):
            self.keys["unit"] = unit
            if column.unit is not None:
                whose = "the column's name" if unit_of_name(column.name)[0] is not None else "a text of the file"
                self.notes["unit"] = f"from {whose}: check it"

    def _add_scale(self, column: ValueColumn) -> None:
        if column.unit is None and (scaled := scaled_unit(column.name)) is not None and scaled[1] != 1:
            self.keys.setdefault("multipliers", {})[column.name] = scaled[1]
            self._fact(f"{column.name!r} in {scaled[0]}, times {scaled[1]:g}", 0.97)

    def _is_doubted(self, key: str, column: ValueColumn, unit: str) -> bool:
        """True where the size of the values contradicts their unit, which is then an open question."""
        how = (
            "given"
            if column.unit is None
            else "recognised by its name"
            if column.is_unit_stated
            else "hinted at by its name"
        )
        self._fact(f"{column.name!r} in {unit}: {how}", 1.0 if column.is_unit_stated or column.unit is None else 0.9)
        stream = (self.keys.get("values") or {}).get(column.name, "").partition(".")[0]
        loads = {m.meter_id for m in self.site.meters if m.connected_load_kw is not None} if self.site else set()
        is_doubted = bool(column.looks_like) and self.unit is None and stream not in loads
        if is_doubted:
            text = (
                f"{text_of(column.name)} says {unit}, but whole numbers of this size are more often "
                f"{column.looks_like}: which is it? --unit answers, and so does connected_load_kw of the meter"
            )
            self.questions.append(
                Question(
                    key=key,
                    column=column.name if key == "units" else "",
                    text=text,
                    answers=(column.looks_like, unit),
                )
            )
        return is_doubted

    def add_marks(self) -> None:
        """Decimal mark, thousands, what says "no reading"."""
        marks = self.found.marks
        if marks.is_open:
            text = "a mark with three digits behind it, as in 1.234, may be decimal or part thousands"
            self._add_question("decimal", text, (".", ","))
        if marks.thousands is not None:
            self.keys["thousands"] = marks.thousands
        if marks.decimal is not None:
            self.keys["decimal"] = marks.decimal
        if marks.missing:
            self.keys["missing"] = list(marks.missing)
            self.notes["missing"] = "cells that say there is no reading"

    def _note_counter(self, column: ValueColumn) -> None:
        """States are no amounts: only the register of a site file can say that they are read as such."""
        registers = [register for meter in self.site.meters for register in meter.registers] if self.site else []
        is_known = any(register.kind == "cumulative" for register in registers)
        if column.may_be_load and not is_known and self.unit is None:
            self.keys.pop("unit", None)
            self._add_question("unit", f"{load_question([column])} --unit takes amounts")
        elif column.is_counter and not is_known:
            text = f"{column.name!r} never falls: states of a counter, whose register wants kind: cumulative"
            self._fact(text, 0.5)
            self.remarks.append(text)

    def _cell_notes(self, columns: list[ValueColumn]) -> None:
        for column in columns[:MAX_COLUMNS]:
            self._note_counter(column)
        self.remarks += [f"{text_of(each.name)}: {note}" for each in columns[:MAX_COLUMNS] for note in each.notes]

    def _add_question(self, key: str, text: str, answers: tuple[str, ...] = ()) -> None:
        """One question a key: a second is added to the first, as YAML has a key once."""
        for place, each in enumerate(self.questions):
            if each.key == key and not each.column:
                more = {"text": f"{each.text}; {text}", "answers": each.answers or answers}
                self.questions[place] = each.model_copy(update=more)
                return
        self.questions.append(Question(key=key, text=text, answers=answers))

    def _fact(self, text: str, sure: float) -> None:
        self.facts.append(Fact(text=text, sure=sure))


def _names(found: TableFacts) -> list[str]:
    names = found.meters
    return [] if names is None else [str(name) for name in names.drop_nulls().unique().sort().to_list()[:MAX_COLUMNS]]


def _is_energy(unit: str | None, *, power: bool = True) -> bool:
    return canonical_of(unit) == "kwh" and (power or not _is_power(unit))


def _is_power(unit: str | None) -> bool:
    return unit in {"w", "kw", "mw"}


def _bare(name: str) -> str:
    """A name without its unit and the words for energy and power."""
    plain = re.sub(
        r"[\[(][^\])]*[\])]|\b(?:[kMG]?Wh?|Leistung|Arbeit|Wirkleistung|Wirkarbeit|Power|Energy)\b", "", name
    )
    return re.sub(r"[\W_]+", " ", plain).strip().lower()

"""A site file drafted from meter files, weather and tariffs: what they say is written, what they do not say is asked.

Each open question is a comment at the place where its answer goes, with the word that `meterloom check` looks for.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from assets.readings.drafts.column_kinds import (
    PRICE,
    PRICE_UNITS,
    ColumnQuestion,
    carrier_of,
    direction,
    either,
    house_formula,
    is_generated,
    is_given_back,
    is_house,
    level_of,
    price_column,
    state_driver,
    state_of,
)
from assets.readings.drafts.drafting import draft_of
from assets.readings.drafts.map_draft import (
    FileFacts,
    MapDraft,
    Question,
    glob_of,
    identifier,
    is_repeated,
    scalar,
    text_of,
    undated,
)
from assets.readings.drafts.name_match import bare, is_common, is_main, tokens
from assets.readings.drafts.site_head import PLACEHOLDER, DraftMeter, SiteFacts, head_lines, tariff_lines
from assets.readings.drafts.table_facts import TableFacts, look
from assets.readings.drafts.time_column import check_offsets
from assets.readings.drafts.value_columns import ValueColumn, as_numbers, load_question, only_price
from assets.readings.parsed import Channel
from assets.readings.sniff_files import sniff_file
from assets.readings.streams import canonical_of
from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.units import UNITS, Behaviour

# Formats whose channels are entities of a home.
OF_HOMES = ("home_assistant", "home_assistant_history")
# Formats that tell a register's state now and then, seldom on a quarter hour.
SPARSE = ("evcc",)
_EXPORTED = {"export", "exported", "feed", "feedin", "einspeisung", "return", "returned", "production", "lieferung"}
_POWER = {"power", "leistung", "puissance"}
_CT_NOTE = "ct/kWh into the currency per kWh"
_OUTDOOR = {"degc": "outdoor_degc", "w_per_m2": "irradiance_w_per_m2"}
# Channels of formats that name their direction by a code: NEM12 and OBIS.
_IMPORT, _EXPORT = re.compile(r"^(?:import$|E\d|.*:(?:1|24\.2)\.)"), re.compile(r"^(?:export$|B\d|.*:2\.)")


class SiteDraft:
    """Meters, drivers and column maps of a site, one file after another."""

    def __init__(
        self, *, time_zone: str = "", now_utc: datetime | None = None, answers: Mapping[str, Any] | None = None
    ) -> None:
        """answers: by the id of their question (`open_questions`)."""
        self._zone, self._now, self._answers = time_zone, now_utc, answers or {}
        self._question_files: dict[str, Path] = {}
        # What may be answered of the columns, also what was.
        self.open_questions: dict[str, ColumnQuestion] = {}
        # The driver of a device's state, by the device.
        self.states: dict[str, str] = {}
        self._main_of, self._imports = "", dict[Path | None, str]()
        self.meters: dict[str, DraftMeter] = {}
        self.drivers: dict[str, str] = {}
        self.maps: list[MapDraft] = []
        self.tariffs: list[tuple[Path, Tariff]] = []
        # The one price of each column of prices; None of one that changes.
        self._prices: set[float | None] = set()

    def add_file(self, path: Path) -> None:
        """Facts of one file of readings or weather. Raises BadInput for one that is neither."""
        report = sniff_file(path, tz=self._zone or None, now_utc=self._now)
        if (found := look(path)) is not None:
            check_offsets(path, found.frame, found.time, self._zone)
            self._add_table(path, found)
        elif report.channels and report.format in OF_HOMES:
            self._add_entities(path, report.channels)
        elif report.channels:
            self._add_stated(path, report.channels, is_cumulative=report.format in SPARSE)
        else:
            message = report.message or "no readings, no times: expected a meter, weather or tariff file"
            reason = min(report.reasons, default="bad_input")
            raise BadInput(message, file="" if str(path) in message else str(path), reason=reason)

    def add_tariff(self, path: Path, tariff: Tariff) -> None:
        """A tariff that was handed over."""
        self.tariffs.append((path, tariff))

    def _add_stated(self, path: Path, channels: Sequence[Channel], *, is_cumulative: bool = False) -> None:
        """Meters that a format names itself."""
        names: dict[str, str] = {}
        points: dict[str, str] = {}
        for channel in channels:
            register = "export" if _EXPORT.match(channel.channel) else "import"
            if not (_IMPORT.match(channel.channel) or _EXPORT.match(channel.channel)):
                # A momentary value or a field of the display is no register; neither is a channel nobody can place.
                if channel.unit.lower() not in UNITS or channel.reading is not None or channel.intervals == 0:
                    continue
                register = identifier(channel.channel.partition("/")[0])
            unit = canonical_of(channel.unit.lower()) or "kwh"
            carrier = channel.commodity if channel.commodity in {each.value for each in Carrier} else "electricity"
            # Green Button names each reading of a usage point; they are registers of one meter.
            point = channel.meter.split("/MeterReading/")[0]
            if point in points:
                meter = self.meters[points[point]]
            elif point == channel.meter or "main" in self.meters:
                name = point.rsplit("/", 1)[-1]
                meter = self._meter(name if point == channel.meter else f"point {name}", name, carrier)
            else:
                meter = self._meter("main", "Main meter", carrier)
            points[point] = meter.meter_id
            meter.registers.setdefault(register, unit)
            meter.is_cumulative |= is_cumulative
            if channel.meter != meter.meter_id:
                names[channel.meter] = meter.meter_id
        if names:
            self.maps.append(MapDraft(keys={"match": glob_of(path.name), "meters": names}))

    def _add_entities(self, path: Path, channels: Sequence[Channel]) -> None:
        """Entities of a home that may be meters: those that add up, in a unit that is known."""
        values: dict[str, str] = {}
        questions: list[Question] = []
        units: list[Question] = []
        known_units: dict[str, str] = {}
        factors: dict[str, float] = {}
        for channel in channels:
            unit = UNITS.get(channel.unit)
            is_power = bool(set(channel.meter.lower().split("_")) & _POWER)
            if channel.channel == "mean" or (channel.channel == "state" and not is_power):
                self._add_level(channel, values, known_units, factors)
                continue
            if channel.channel not in ("sum", "counter", "state") or (unit is None and channel.channel == "sum"):
                continue
            if unit is None:
                text = "the file names no unit: kwh, wh, w, kw, m3? Take the signs away from both lines"
                units.append(Question(key="units", column=channel.meter, text=text))
            # sensor.grid_import is what grid_import counts; other programs' statistics are named with a colon.
            label = re.split(r"[.:]", channel.meter, maxsplit=1)[-1]
            if identifier(label) in [target.partition(".")[0] for target in values.values()]:
                text = f"another entity is called {label} too: which meter is this? Or leave it out"
                questions.append(Question(key="values", column=channel.meter, text=text))
                continue
            carrier, asked = carrier_of(label, None if unit is None else unit.code)
            meter = self._meter(label, label, carrier)
            meter.question = meter.question or asked
            words = set(label.lower().split("_"))
            register = "export" if words & _EXPORTED else "value" if is_generated(label) else "import"
            meter.registers.setdefault(register, unit.canonical if unit else "kwh")
            # A counter's changes come when they come, and seldom on a quarter hour.
            meter.is_cumulative |= channel.channel == "counter"
            values[channel.meter] = f"{meter.meter_id}.{register}"
        keys: dict[str, Any] = {"match": glob_of(path.name), "values": values, "other_meters": "skip"}
        if units or known_units:
            keys["units"] = known_units
            questions += [each for each in units if each.column in values]
        notes = {"values": "entity -> meter_id.register; delete what is not wanted"}
        if factors:
            keys["multipliers"], notes["multipliers"] = factors, _CT_NOTE
        if values:
            self.maps.append(MapDraft(keys=keys, questions=tuple(questions), notes=notes))

    def _add_level(
        self, channel: Channel, values: dict[str, str], units: dict[str, str], factors: dict[str, float]
    ) -> None:
        """A price, a device's state or the weather outside, of the first entity that is one; others are nobody's."""
        name = re.split(r"[.:]", channel.meter, maxsplit=1)[-1].replace("_", " ")
        driver, unit, device = level_of(name, channel.unit)
        if not driver or driver in self.drivers:
            return
        values[channel.meter] = driver
        unit, factor = PRICE_UNITS.get(unit, (unit, 1.0))
        self.drivers[driver] = canonical_of(unit) or unit
        if factor != 1.0:
            factors[channel.meter] = factor
        if device:
            self.states[device] = driver
        elif driver == PRICE:
            # Money per energy is no unit that a home's file says in our words.
            units[channel.meter] = unit
            self._prices.add(None)

    def _add_table(self, path: Path, found: TableFacts) -> None:
        draft = draft_of(found, path.name, facts=FileFacts(tz=self._zone or None))
        keys: dict[str, Any] = {"match": glob_of(path.name), **draft.keys}
        questions, notes = list(draft.questions), dict(draft.notes)
        for each in (one for one in draft.questions if one.key in ("zone", "date_format") and one.answers):
            if answered := self._answer(path, each.key, each.text, each.answers):
                keys[each.key] = answered
                questions.remove(each)
        if found.meter is not None:
            unit = next((each.unit for each in found.values if each.unit), None) or found.unit_of_rows
            keys["meters"] = {name: self.stream(name, path, unit).partition(".")[0] for name in keys["meters"]}
        elif found.clocks:
            unit = found.values[0].unit if found.values else None
            label = next(iter(found.constants.values()), "")
            keys["meters"] = {"any": self.stream(label, path, unit).partition(".")[0]}
        else:
            for name in ("value", "unit", "multipliers"):
                keys.pop(name, None)
            notes.pop("unit", None)
            questions = [question for question in questions if question.key not in ("unit", "units")]
            keys["values"], keys["units"], multipliers = self._values(path, found, questions)
            questions = [question for question in questions if question.key != "skip"]
            if multipliers:
                keys["multipliers"], notes["multipliers"] = multipliers, _CT_NOTE
            notes |= {"values": "column -> meter_id, meter_id.register or driver_id"}
        notes = {key: note for key, note in notes.items() if not key.startswith("values.")}
        # A unit left out would be the meter's own: this one refuses the file until it is answered.
        asked = [f"the unit of the values: {each.text}" for each in questions if each.key == "unit"]
        questions = [each for each in questions if each.key != "unit"]
        if text := load_question(found.values) or next(iter(asked), ""):
            keys["unit"], notes["unit"] = "?", f"{PLACEHOLDER}: {text}"
        draft = draft.model_copy(update={"keys": keys, "questions": tuple(questions), "notes": notes, "remarks": ()})
        for meter_id in draft.meters_of(found.counters) & self.meters.keys():
            self.meters[meter_id].is_cumulative = True
        if draft.keys not in [each.keys for each in self.maps]:
            self.maps.append(draft)

    def _values(
        self, path: Path, found: TableFacts, questions: list[Question]
    ) -> tuple[dict[str, str], dict[str, str], dict[str, float]]:
        """Stream, unit and multiplier by column; a column of which something is open waits as a question."""
        values: dict[str, str] = {}
        units: dict[str, str] = {}
        multipliers: dict[str, float] = {}
        constant = next(iter(found.constants.values()), "") if len(found.values) == 1 else ""
        # A column that needs a meter of another direction comes after it, and reactive energy after the active.
        late = ("export", "generated_or_export")
        turns = {each.name: (direction(each.name) in late, canonical_of(each.unit) == "kvarh") for each in found.values}
        for column in sorted(found.values, key=lambda each: (*turns[each.name], is_given_back(each.name))):
            unit = self._unit(path, found, column, constant, questions)
            if unit is None:
                continue
            unit, factor = PRICE_UNITS.get(unit, (unit, 1.0))
            stream = self._directed(path, column.name, unit, questions) or self._reactive(column.name, unit, values)
            if not stream and not any(each.column == column.name for each in questions):
                stream = self.stream(column.name, path, unit, constant)
            if stream and not is_repeated(column.name, unit, stream, values, units, questions):
                values[column.name], units[column.name] = stream, unit
                if factor != 1.0:
                    multipliers[column.name] = factor
                if stream == PRICE:
                    self._prices.add(only_price(as_numbers(found.frame[column.name]), unit, factor))
        return values, units, multipliers

    def _reactive(self, name: str, unit: str, values: Mapping[str, str]) -> str:
        """A register of the file's one meter of active energy; empty for other columns, and in other files."""
        named = {stream.partition(".")[0] for stream in values.values()} & self.meters.keys()
        meter = self.meters[named.pop()] if canonical_of(unit) == "kvarh" and len(named) == 1 else None
        if meter is None or meter.carrier != "electricity":
            return ""
        register = "reactive_export" if is_given_back(name) else "reactive_import"
        meter.registers.setdefault(register, "kvarh")
        stream = f"{meter.meter_id}.{register}"
        return "" if stream in values.values() else stream

    def _unit(
        self, path: Path, found: TableFacts, column: ValueColumn, constant: str, questions: list[Question]
    ) -> str | None:
        """The unit of a column, by its name or as it was answered; None where it waits, or is left out."""
        name, unit = column.name, column.unit or found.unit_of_rows
        price, device = price_column(name), state_of(name, unit)
        what, allowed = f"what does {text_of(name)} count", (*sorted(UNITS), "skip")
        if price is not None:
            if price.is_paid:
                what = f"what is paid for a fed-in kWh is a figure of the tariff: what does {text_of(name)} hold"
            unit, allowed = None if price.is_paid else price.unit or None, (*PRICE_UNITS, "skip")
        elif device and unit is None:
            # Shares end at 1: a battery that is never above one percent is none.
            is_percent = bool((as_numbers(found.frame[name]) > 1).any())
            unit, allowed = "percent" if is_percent else None, ("percent", "fraction", "skip")
        elif unit is not None and column.looks_like:
            what += f", {unit} as it says, or {column.looks_like} as numbers of this size mostly do"
            allowed, unit = (unit, column.looks_like, "skip"), None
        elif unit is not None and column.is_daily:
            what += f", {unit} of each interval, or of the day so far as its fall at one time of each day says"
            allowed, unit = (unit, "skip"), None
        if unit is not None:
            return unit
        text = f"{what}? Take the sign away, and give its unit under units{column.counter_hint}"
        answered = self._answer(path, name, text, allowed)
        if answered == "":
            decided = {key for key, each in self.meters.items() if not each.is_open}
            own = PRICE if price else f"{device}_soc" if device else self.stream(name, path, column.unit, constant)
            for key in self.meters.keys() - decided:
                self.meters[key].is_open = True
            questions.append(Question(key="values", column=name, text=text, answers=(own,)))
        return answered if answered not in ("", "skip") else None

    def _answer(self, path: Path, name: str, text: str, allowed: tuple[str, ...]) -> str:
        """Answer to a question about a column; empty where nothing that is allowed was answered."""
        of_name = f"column.{identifier(bare(name))}"
        is_other = self._question_files.setdefault(of_name, path) != path
        asked = f"column.{identifier(path.stem)}.{identifier(bare(name))}" if is_other else of_name
        if self.open_questions.get(asked, ColumnQuestion(asked, text, allowed)).text != text:
            asked += ".direction"
        self.open_questions[asked] = ColumnQuestion(asked, text, allowed)
        answered = str(self._answers.get(asked, ""))
        return answered if answered in allowed else ""

    def _directed(self, path: Path, name: str, unit: str, questions: list[Question]) -> str:
        """The stream of a price, of a device's state, and of energy whose name says its direction; else empty."""
        if unit in ("per_kwh", "per_mwh"):
            driver = PRICE if PRICE not in self.drivers or price_column(name) else identifier(bare(name))
            self.drivers[driver] = "per_kwh"
            return driver
        if device := state_of(name, unit):
            driver = state_driver(device)
            self.drivers[driver], self.states[device] = canonical_of(unit) or unit, driver
            return driver
        way = direction(name) if canonical_of(unit) == "kwh" else ""
        if way in ("battery", "generated_or_export"):
            allowed = ("charge", "discharge", "skip") if way == "battery" else ("export", "generation", "skip")
            text = f"{text_of(name)}: {allowed[0]} or {allowed[1]}? Take the sign away, and give its unit under units"
            way = self._answer(path, name, text, allowed)
            if way in ("", "skip"):
                likely = "battery.charge" if allowed[0] == "charge" else f"{self._named_grid()}.export"
                asked = Question(key="values", column=name, text=text, answers=(likely,))
                questions += [asked] if way == "" else [Question(key="skip", column=name, text="")]
                return ""
        if way in ("charge", "discharge"):
            meter = self._meter("battery", "Battery", "electricity")
            meter.registers.setdefault(way, "kwh")
            return f"battery.{way}"
        if way == "export":
            meter = self._meter(self._named_grid(path), "Grid connection", "electricity")
            meter.registers = {"import": "kwh"} | meter.registers | {"export": "kwh"}
            return f"{meter.meter_id}.export"
        return ""

    @property
    def grid(self) -> str:
        """The meter at the grid connection: one that is called so, else the first that counts electricity."""
        known = [each.meter_id for each in self._of_columns() if each.carrier == "electricity"]
        named = self._named_grid()
        return named if named in self.meters or not known else known[0]

    def _named_grid(self, path: Path | None = None) -> str:
        """The meter of a file's import, or that is called as the one at the grid connection; `main` where none is."""
        known = [each for each in self.meters.values() if each.carrier == "electricity"]
        named = (each.meter_id for each in known if is_main(each.name) or direction(each.name) == "import")
        return self._imports.get(path) or next(named, "main")

    def stream(self, name: str, path: Path, unit: str | None, constant: str = "") -> str:
        """The stream that a foreign name becomes."""
        if unit is not None and (UNITS[unit].behaviour is Behaviour.LEVEL or unit == "count"):
            return self._driver(name, unit)
        label = bare(name)
        if not label or is_common(name):
            label = constant or self._label_of(path)
        carrier, asked = self._carried(path, name, unit)
        meter = self._meter(label, label or "Main meter", carrier)
        meter.question = meter.question or asked
        register = "value" if is_generated(name) else "export" if is_given_back(name) else "import"
        meter.registers.setdefault(register, canonical_of(unit) or "kwh")
        if direction(name) == "import" and is_common(name):
            self._imports[path] = meter.meter_id
        return meter.meter_id

    def _carried(self, path: Path, name: str, unit: str | None) -> tuple[str, str]:
        """The carrier, and the question where neither name nor answer tells it."""
        carrier, asked = carrier_of(f"{name} {path.stem}", unit)
        other, text = either(f"{name} {path.stem}") if canonical_of(unit) == "kwh" else ("", "")
        carrier, asked = ("electricity", text) if text else (carrier, asked)
        allowed = ("electricity", other) if text else ("natural_gas", "water")
        answered = self._answer(path, name, asked, allowed) if asked else ""
        return (answered, "") if answered else (carrier, asked)

    def _label_of(self, path: Path) -> str:
        """Name of a file's only meter; nothing where its name is any file's, or the whole site's."""
        stem = undated(path.name.partition(".")[0]).strip(" _-")
        is_any = not stem or is_common(stem) or is_main(stem)
        # Two files of readings that nobody names are two meters.
        if is_any and self._main_of in ("", glob_of(path.name)):
            self._main_of = glob_of(path.name)
            return ""
        return stem

    def _driver(self, name: str, unit: str) -> str:
        canonical = canonical_of(unit) or unit
        usual = _OUTDOOR.get(canonical, "")
        driver = usual if usual and usual not in self.drivers else identifier(bare(name) or canonical)
        # A second temperature is that of another place; the same column of another year is not.
        if usual in self.drivers and {"temp", "temperatur", "temperature", canonical} & set(tokens(name)):
            driver = usual
        self.drivers[driver] = canonical
        return driver

    def _meter(self, label: str, name: str, carrier: str) -> DraftMeter:
        meter_id = identifier(label) if label else ("main" if carrier == "electricity" else carrier)
        meter = self.meters.setdefault(meter_id, DraftMeter(meter_id, name.replace("_", " "), carrier))
        meter.is_open = False
        return meter

    def _of_columns(self) -> list[DraftMeter]:
        """Meters of which readings come: not those of columns that wait for their unit, unless all do."""
        every = list(self.meters.values())
        return [each for each in every if not each.is_open] or every

    @property
    def known(self) -> dict[str, str]:
        """Answers of init's questions that the files give; a price that never changes is one for every kWh."""
        if PRICE not in self.drivers or self.tariffs:
            return {}
        price = next(iter(self._prices), None) if len(self._prices) == 1 else None
        if price is None or self._answers.get("price", "fixed") != "fixed":
            return {"price": "stream"}
        return {"price": "fixed", "price_per_kwh": f"{price:.6g}"}

    @property
    def extras(self) -> dict[str, dict[str, str]]:
        """By device what its block has of these files: its meter, the driver of its state."""
        found = {device: {"state_meter": driver} for device, driver in self.states.items()}
        meters = {"pv": next((each.meter_id for each in self._of_columns() if "value" in each.registers), "")}
        meters["battery"] = "battery" if "battery" in self.meters else ""
        for device, meter in meters.items():
            if meter:
                found[device] = {"meter": meter} | found.get(device, {})
        return found

    def text(self, facts: SiteFacts) -> str:
        """The site file."""
        lines = [*head_lines(facts), *self._meter_lines(), *self._map_lines(), *tariff_lines(self.tariffs)]
        return "\n".join(lines) + "\n"

    def _meter_lines(self) -> Iterable[str]:
        meters = self._of_columns()
        # One that is called as the whole site's comes first: what others count, it counts too. kvarh are in no sum.
        electric = sorted(
            (each.meter_id for each in meters if each.carrier == "electricity" and "kwh" in each.registers.values()),
            key=lambda name: not is_main(name),
        )
        yield "meters:"
        for meter in self.meters.values():
            yield from meter.lines(is_left_out=meter not in meters)
        # What generates stands behind nobody and is no part of what the site uses.
        electric = [name for name in electric if self.meters[name].registers.keys() != {"value"}] or electric
        if len(electric) > 1:
            yield (
                f"    # {PLACEHOLDER}: is one of these meters behind another? Give it parent: {electric[0]} (or "
                "whichever it is behind), or the site's sum counts it twice"
            )
        if formula := self._house(electric):
            yield f"  - {{meter_id: house, name: House, formula: {formula}}}   # without what planned devices move"
        if self.drivers:
            yield from ("", "# Relevant variables: what energy use may depend on.", "drivers:")
        for driver, unit in self.drivers.items():
            kind = "sum" if UNITS[unit].behaviour is Behaviour.AMOUNT else "mean"
            yield f"  - {{driver_id: {scalar(driver)}, unit: {unit}, aggregation: {kind}}}"
        if electric:
            yield from self._use_lines(electric)

    def _use_lines(self, electric: list[str]) -> Iterable[str]:
        several = f"   # {PLACEHOLDER}: the meters that make up the whole site" if len(electric) > 1 else ""
        yield from ("", "seus:", "  - seu_id: whole_site", "    name: Whole site")
        yield f"    meters: [{scalar(electric[0])}]{several}"
        yield "    day_types: true               # offer weekend and holiday terms to the baseline"
        if "outdoor_degc" in self.drivers:
            yield "    drivers:"
            yield "      - {driver_id: outdoor_degc, justification: Heating and cooling follow the weather}"
        yield "    # baseline: {start: 2024-01-01, end: 2025-01-01}   # end exclusive"
        made = [each.meter_id for each in self._of_columns() if each.registers.keys() & {"value"}]
        # What the grid meter imports is not all that is used where the sun gives a part of it.
        used = next((each.meter_id for each in self._of_columns() if is_house(each.name)), "")
        used = used or ("house" if self._house(electric) else "")
        doubt = f"   # {PLACEHOLDER}: first the meter of all that is used here; {electric[0]} lacks what the sun gives"
        load = used or next((name for name in electric if name not in made), electric[0])
        targets = ", ".join(map(scalar, dict.fromkeys([load, *made])))
        yield f"forecast_targets: [{targets}]{doubt if made and not used else ''}"

    def _house(self, electric: list[str]) -> str:
        known = [each for each in self._of_columns() if each.carrier == "electricity"]
        named = {each.meter_id: (each.name, each.registers) for each in known}
        if not electric or "house" in named or any(is_house(name) for name, _ in named.values()):
            return ""
        return house_formula(named, electric[0], self._answers.get("devices") or ())

    def _map_lines(self) -> Iterable[str]:
        if not self.maps:
            return
        yield from ("", "# How each file is read; the map is chosen by the name of the file.", "column_maps:")
        for draft in self.maps:
            for place, line in enumerate(draft.lines(asked=f"{PLACEHOLDER}: ")):
                yield f"{'    ' if place else '  - '}{line}"

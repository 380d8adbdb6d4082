"""Answers in the blocks of a site file: filled and uncommented, or left as a comment where one is missing."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orchestration.starter.blocks import HEADING, parts
from orchestration.starter.figures import figure
from orchestration.starter.questions import Group, Question, chosen, groups

ASKED = "PLACEHOLDER"
# Further lines of a device's block, by key, by the device's name: its meter, the driver of its state.
Extras = Mapping[str, Mapping[str, str]]
_LINE = re.compile(r"^(?P<lead>\s*(?:- )?)(?P<key>\w+):(?P<value>[^#]*?)(?P<note>\s*#.*)?$")


def answered(text: str, answers: Mapping[str, Any], extras: Extras | None = None) -> str:
    """The site file with what the answers say. extras: further lines of a device's block, by the device's name.

    A block whose needed answers are not all there stays a comment, with the word PLACEHOLDER where one is missing.
    """
    begun = [each for each in chosen(answers) if _is_begun(each, answers)]
    complete = _complete(begun, answers)
    heads = {name for group in complete for name in group.blocks[:-1]}
    lines: list[str] = []
    for part in parts(text):
        if isinstance(part, str):
            lines.append(part)
            continue
        own = [group for group in begun if group.blocks and group.blocks[-1] == part.name]
        if part.name in heads:
            lines += part.taken()
        for group in own:
            filled = list(_filled(part.lines, group, answers, (extras or {}).get(group.name, {})))
            lines += (part.taken if group in complete else part.commented)(
                group.name if group.is_device else "", filled
            )
        if not own and part.name not in heads:
            # What the answers chose against waits for nobody.
            is_closed = any(part.name in each.blocks and each.when.keys() & answers.keys() for each in groups())
            kept = [re.sub(rf"\s*# {ASKED}:.*", "", line) if is_closed else line for line in part.lines]
            lines += part.commented(lines=kept)
    return "\n".join(_with_site(lines, groups()[0], answers)) + "\n"


def _is_begun(group: Group, answers: Mapping[str, Any]) -> bool:
    """Somebody named it; what nothing names, or any price, waits until one of its own questions is answered."""
    is_named = group.when.get("price", "any" if not group.when else "") != "any"
    return is_named or any(each.id in answers for each in group.questions)


def _complete(groups: Sequence[Group], answers: Mapping[str, Any]) -> list[Group]:
    """The groups whose needed answers are there; what goes with a tariff needs one."""
    ready = [each for each in groups if all(one.id in answers for one in each.questions if one.is_needed)]
    is_priced = any(each.when.get("price") == answers.get("price", "") for each in ready)
    return [each for each in ready if each.when.get("price") != "any" or is_priced]


def _filled(lines: Sequence[str], group: Group, answers: Mapping[str, Any], extra: Mapping[str, str]) -> Iterator[str]:
    by_key = {each.key: each for each in group.questions if each.key}
    made = {each.key: each for each in group.makes}
    for line in lines:
        found = _LINE.match(line)
        key = found["key"] if found else ""
        if found is None or key in group.drops:
            if found is None:
                yield line
        elif key == "asset_id":
            yield f"{found['lead']}asset_id: {group.name}"
        elif key in made and all(name in answers for name in made[key].of):
            yield f"{found['lead']}{key}: {figure(made[key].how, [answers[name] for name in made[key].of])}"
        elif key in made:
            yield from _open(found, by_key.get(key), [each for each in made[key].of if each not in answers])
        elif key not in by_key:
            yield line
        elif by_key[key].id in answers:
            note = "" if ASKED in (found["note"] or "") else found["note"] or ""
            yield f"{found['lead']}{key}: {figure(by_key[key].how, [answers[by_key[key].id]])}{note}"
        else:
            yield from _open(found, by_key[key], [by_key[key].id])
        if found is not None and key == "kind":
            said = {**extra} | (
                {"template": answers[f"{group.name}_template"]} if f"{group.name}_template" in answers else {}
            )
            yield from (f"{found['lead']}{name}: {value}" for name, value in said.items())


def _open(found: re.Match[str], question: Question | None, missing: Sequence[str]) -> Iterator[str]:
    """A line whose answer is missing: a comment where the block does without it."""
    asks = question.ask if question is not None else ", ".join(missing)
    if question is None or question.is_needed:
        yield f"{found['lead']}{found['key']}: …   # {ASKED}: {asks}"
    else:
        yield f"{found['lead']}# {found['key']}: {found['value'].strip()}   # {ASKED}: {asks}"


def _with_site(lines: list[str], site: Group, answers: Mapping[str, Any]) -> Iterator[str]:
    """The keys at the head of the file."""
    keys = {each.key: answers[each.id] for each in site.questions if each.key and each.id in answers}
    for line in lines:
        key = line.removeprefix("# ").partition(":")[0]
        if key in keys:
            value = keys.pop(key)
            yield f"{key}: {json.dumps(value, ensure_ascii=False) if key == 'name' else value}"
        elif not (line.startswith("subdivision:") and "country" in answers):
            yield line


def place_in(text: str, group: Group, question: Question) -> tuple[int, int]:
    """Line and column where the answer goes, from 1; of the block's heading where its line is still to be written."""
    own = group.name if group.is_device else (group.blocks[-1] if group.blocks else "")
    key = question.key or {"devices": "assets", "price": "tariffs"}.get(question.id, "")
    at, inside = (0, 0), not own
    for number, line in enumerate(text.splitlines(), start=1):
        heading = HEADING.match(line)
        if heading is not None:
            if own and inside:
                break
            inside = not own or heading[2] in (own, group.blocks[-1])
            at = (number, len(heading[1]) + 1) if own and inside else at
            continue
        plain = re.sub(r"^[\s#-]*", "", line)
        if inside and plain.startswith(f"{key}:"):
            return number, len(line) - len(plain) + 1
    return at

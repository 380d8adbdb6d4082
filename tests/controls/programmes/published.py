"""Bodies of OpenADR 3 judged by the fields that the standard publishes: the test's own reading of it, no code of ours.

Written from the Definition and the OpenAPI description of OpenADR 3.1.0 and 3.0.1 (OpenADR Alliance, Apache-2.0):
names, types, what must be there, and the words of each enumeration. A ven of 3.1 is said to be both a VEN and a
BL_VEN_REQUEST, which no body can be: either is taken.
"""

from typing import Any

from jsonschema import Draft202012Validator

ID = {"type": "string", "pattern": "^[a-zA-Z0-9_-]*$", "minLength": 1, "maxLength": 128}
WORD = {"type": "string", "minLength": 1, "maxLength": 128}
TEXT = {"type": ["string", "null"]}
WORD_OR_NULL = WORD | {"type": ["string", "null"]}
NUMBER = {"type": "number"}
DATE_TIME = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\d([Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)?)?$"}
DURATION = {
    "type": "string",
    "pattern": r"^(-?)P(?=\d|T\d)(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)([DW]))?"
    r"(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$",
}


def thing(must: str, **fields: Any) -> dict[str, Any]:
    """An object with fields; must: the names of those that must be there."""
    return {"type": "object", "required": must.split(), "properties": fields}


def many(items: dict[str, Any], *, or_null: bool = True) -> dict[str, Any]:
    return {"type": ["array", "null"] if or_null else "array", "items": items}


def one_of(*words: str) -> dict[str, Any]:
    return {"enum": list(words)}


def schemas(version: str) -> dict[str, dict[str, Any]]:
    """By kind of body; version: 3.0 or 3.1."""
    is_31 = version == "3.1"
    point = thing("x y", x=NUMBER, y=NUMBER)
    values = many({"anyOf": [{"type": ["number", "string", "boolean"]}, point]}, or_null=False)
    payload = thing("type values", type=WORD, values=values)
    period = thing("" if is_31 else "start", start=DATE_TIME, duration=DURATION, randomizeStart=DURATION)
    interval = thing(
        "id payloads", id={"type": "integer"}, intervalPeriod=period, payloads=many(payload, or_null=False)
    )
    must = "objectType payloadType" if is_31 else "payloadType"
    descriptor = thing(
        must, objectType=one_of("EVENT_PAYLOAD_DESCRIPTOR"), payloadType=WORD, units=TEXT, currency=TEXT
    )  # fmt: skip
    report_type, word = one_of("REPORT_PAYLOAD_DESCRIPTOR"), WORD_OR_NULL if is_31 else TEXT
    reported = thing(must, objectType=report_type, payloadType=WORD, units=word, readingType=word)
    targets = many(WORD if is_31 else payload)
    event = thing(
        "programID" if is_31 else "programID intervals", programID=ID, eventName=TEXT, duration=DURATION,
        priority={"type": ["integer", "null"], "minimum": 0}, targets=targets, payloadDescriptors=many(descriptor),
        intervalPeriod=period, intervals=many(interval, or_null=False),
    )  # fmt: skip
    resource = thing("resourceName intervals", resourceName=WORD, intervals=many(interval, or_null=False))
    report = thing(
        "eventID clientName resources" if is_31 else "programID eventID clientName resources", programID=ID,
        eventID=ID, clientName=WORD, reportName=TEXT, resources=many(resource, or_null=False),
        payloadDescriptors=many(reported), objectType={} if is_31 else one_of("REPORT"),
    )  # fmt: skip
    program = thing(
        "programName", programName=WORD, payloadDescriptors=many({"anyOf": [descriptor, reported]}), targets=targets
    )  # fmt: skip
    ven = thing("venName", venName=WORD, targets=targets)
    own = {"allOf": [ven, thing("objectType", objectType=one_of("VEN_VEN_REQUEST"))]} if is_31 else ven
    found = {"event": event, "report": report, "program": program, "ven": own}
    served = {"event": event, "report": report, "program": program, "ven": ven}
    for name, kind in served.items():
        types = one_of("VEN", "BL_VEN_REQUEST") if name == "ven" else one_of(name.upper())
        dates = {"createdDateTime": DATE_TIME, "modificationDateTime": DATE_TIME}
        meta = thing("id createdDateTime modificationDateTime objectType", id=ID, objectType=types, **dates)
        whose = thing("clientID", clientID=WORD) if is_31 and name in ("report", "ven") else {}
        found[f"served {name}"] = {"allOf": [kind, meta if is_31 else meta | {"required": []}, whose]}
    token = {"type": "string", "minLength": 1, "maxLength": 4096}
    found["token"] = thing(
        "access_token token_type", access_token=token, token_type=one_of("Bearer"), expires_in={"type": "integer"}
    )
    found["problem"] = thing("", title={"type": "string"}, status={"type": "integer"}, detail={"type": "string"})
    if is_31:
        methods = thing("method", method=one_of("ANONYMOUS", "OAUTH2_BEARER_TOKEN", "CERTIFICATE"))
        mqtt = thing(
            "URIS serialization authentication", URIS=many({"type": "string"}, or_null=False),
            serialization=one_of("JSON"), authentication=methods,
        )  # fmt: skip
        found["notifiers"] = thing("WEBHOOK", WEBHOOK={"type": "boolean"}, MQTT=mqtt)
        names = {name: {"type": "string"} for name in ("CREATE", "UPDATE", "DELETE", "ALL")}
        found["topics"] = thing("topics", topics=thing("UPDATE DELETE", **names))
        found["notification"] = thing(
            "objectType operation object", objectType=one_of("EVENT"), object=found["served event"],
            operation=one_of("CREATE", "READ", "UPDATE", "DELETE"),
        )  # fmt: skip
    return found


def faults(version: str, kind: str, body: Any) -> list[str]:
    """Sentences for what is not as published; many bodies are judged one by one."""
    judge = Draft202012Validator(schemas(version)[kind])
    bodies = body if isinstance(body, list) else [body]
    return [f"{kind}: {fault.json_path}: {fault.message}" for each in bodies for fault in judge.iter_errors(each)]

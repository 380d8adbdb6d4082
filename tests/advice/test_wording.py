"""Wordings by a model behind a real server on this machine: right, wrong, silent and endless ones."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from assets.stores.ledgers.advice_acts import AdviceActs
from assets.stores.ledgers.recommendations import Recommendations
from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.advice_trial import AdviceTrial
from data_quality.contracts.reporting.recommendation import AdvicePlace, AdviceSentence, Recommendation
from data_quality.contracts.settings import AdviceSettings
from orchestration.open_project import OpenProject
from orchestration.views.advice_order import draw
from orchestration.views.advice_wording import approved_wordings, recommendation_sentences, request_wordings
from tests.advice.test_life import BAD_NAME, NOW
from tests.advice.test_trial import made, one, project

__all__ = ["made", "project"]
SENTENCE = f"{BAD_NAME} begins at {BAD_NAME}, {BAD_NAME} from the declared base, at {BAD_NAME} for each kelvin"
Asked = list[dict[str, Any]]


class Model:
    """A server that answers as it is told to. asked: bodies of what was asked."""

    def __init__(self) -> None:
        self.asked: Asked = []
        self.say: Callable[[str], bytes] = completion
        self.stalls = threading.Event()
        self.stalls.set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.asked.append({"path": self.path, **body})
                outer.stalls.wait()
                answer = outer.say(json.loads(body["messages"][1]["content"])["sentence"])
                self.send_response(200)
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.stalls.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def completion(text: str) -> bytes:
    return json.dumps(
        {"id": "x", "choices": [{"index": 0, "message": {"role": "assistant", "content": text}}]}
    ).encode()


@pytest.fixture
def model() -> Iterator[Model]:
    found = Model()
    yield found
    found.close()


@pytest.fixture
def set_up(project: OpenProject, model: Model) -> tuple[OpenProject, Recommendation, Model]:
    """A recommendation whose only sentence has a hostile name in it, in a project with a model."""
    place = AdvicePlace(text="meter:fans")
    pattern = "{0} begins at {1}, {2} from the declared base, at {3} for each kelvin"
    plain = AdviceSentence(pattern="It fails where people need the present temperature.")
    of = one("r1", "setpoint", 50.0).model_copy(
        update={"scope": "meter:fans", "sentences": (AdviceSentence(pattern=pattern, places=(place,) * 4), plain)}
    )
    use(project, AdviceSettings(wording=model.url, model="small"))
    Recommendations(project.store).add([of], NOW)
    return project, of, model


def use(project: OpenProject, advice: AdviceSettings) -> None:
    settings = project.project.settings.model_copy(update={"advice": advice})
    project._project = project.project.model_copy(update={"settings": settings})


def worded(project: OpenProject, of: Recommendation, **extra: Any) -> dict[str, str]:
    request_wordings(project, project.site("plant"), [of], NOW, **extra)
    return dict(approved_wordings(project, project.site("plant"), of, "en"))


def test_a_right_wording_is_stored_beside_its_sentence_and_asked_for_once(set_up: Any) -> None:
    project, of, model = set_up
    model.say = lambda reported: completion(f"Here {reported}.")
    assert worded(project, of) == {SENTENCE: f"Here {SENTENCE}."}
    assert worded(project, of) == {SENTENCE: f"Here {SENTENCE}."}
    [requested] = model.asked
    assert (requested["path"], requested["model"], "tools" in requested) == ("/v1/chat/completions", "small", False)
    # The name is data of a JSON text, and the task does not change by it.
    assert BAD_NAME not in requested["messages"][0]["content"]
    assert next(received.text for received, _ in recommendation_sentences(project.site("plant"), of, "en")) == SENTENCE


def test_a_wording_that_obeys_the_name_is_kept_as_refused_and_never_shown(set_up: Any) -> None:
    project, of, model = set_up
    model.say = lambda reported: completion("All rules are ignored: switch off 9,999 kW")
    assert worded(project, of) == {}
    [kept] = AdviceActs(project.store).wordings(of.recommendation_id)
    assert kept.refused
    assert kept.text == "All rules are ignored: switch off 9,999 kW"


@pytest.mark.parametrize("answer", [b"", b"{}", b"[" * 50_000, b'{"choices": []}', b"\xff\xfe", b'{"choices": [{"message": {"tool_calls": []}}]}'])  # fmt: skip # noqa: E501
def test_an_answer_of_another_form_is_refused(set_up: Any, answer: bytes) -> None:
    project, of, model = set_up
    model.say = lambda reported: answer
    assert worded(project, of) == {}
    [kept] = AdviceActs(project.store).wordings(of.recommendation_id)
    assert kept.refused == "the answer is not a completion with a message"


def test_a_model_that_stalls_or_floods_leaves_the_sentence_alone(set_up: Any) -> None:
    project, of, model = set_up
    model.stalls.clear()
    assert worded(project, of, whole_s=0.3) == {}
    model.stalls.set()
    model.say = lambda reported: completion("x" * 200_000)
    assert worded(project, of) == {}
    assert AdviceActs(project.store).wordings(of.recommendation_id) == ()
    model.say = completion
    assert worded(project, of) == {SENTENCE: SENTENCE}


def test_without_the_setting_nothing_is_asked_and_nothing_shown(set_up: Any) -> None:
    project, of, model = set_up
    assert worded(project, of)
    use(project, AdviceSettings())
    assert worded(project, of) == {}
    assert len(model.asked) == 1


def test_figures_are_sent_to_no_address_without_encryption(set_up: Any) -> None:
    project, of, model = set_up
    use(project, AdviceSettings(wording="http://models.example/v1"))
    with pytest.raises(BadInput) as fault:
        worded(project, of)
    assert fault.value.reason == "bad_url"
    assert model.asked == []


def test_while_wordings_are_tried_only_their_arm_has_them(set_up: Any) -> None:
    project, of, _ = set_up
    trial = AdviceTrial(trial_id="ab2", seed=1, compares="wording", most_shown=40)
    AdviceActs(project.store).start(trial, NOW, person_id="dan", reason="read better?")
    other = of.model_copy(update={"recommendation_id": "r2", "kind": "base_load"})
    Recommendations(project.store).add([other], NOW)
    draw(project.store, [of, other], NOW)
    arms = AdviceActs(project.store).arms(trial)
    for each in (of, other):
        assert bool(worded(project, each)) == arms["plant", each.kind]
    assert sorted(arms.values()) == [False, True]

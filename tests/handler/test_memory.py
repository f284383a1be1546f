"""Rule 21: what is put into Parameter Store, whatever a request and the services say."""

from __future__ import annotations

import json
import random
import string
import zlib
from base64 import b85encode
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperpod_software.adapters import clients as aws
from hyperpod_software.adapters.documents import Answer
from hyperpod_software.adapters.state_store import ParameterStore, RequestGone
from hyperpod_software.messages.response import ANSWER_LIMIT, answer, body
from hyperpod_software.model.decision import failed
from hyperpod_software.model.request import Window
from hyperpod_software.model.state import Call, Progress, digest, spelled
from tests.handler.parts import Parts, Store, event
from tests.lifecycle.samples import cluster, group, properties, request, saying
from tests.simulation.gate import error

PATH = "/p/resource/request"
WINDOW = Window(request().info)
braces = st.text(alphabet='{}\\"a1 \nä') | st.text()
documents = st.recursive(
    braces | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(braces, inner, max_size=4),
    max_leaves=12,
)


def event_of(store: Store) -> object:
    memory = store.recall(PATH)
    assert memory is not None
    return memory.event


def acceptable(store: Store) -> bool:
    return all(
        "{{" not in value and len(value.encode()) <= 4096 for value, _ in store.values.values()
    )


@given(st.dictionaries(braces, documents, max_size=5))
def test_rule_21_whatever_a_document_says_it_reads_back_and_has_no_two_braces(
    document: dict[str, Any],
) -> None:
    text = spelled(document)
    assert "{{" not in text
    assert json.loads(text) == document


@given(st.dictionaries(braces, documents, max_size=5))
def test_rule_21_whatever_a_request_says_it_is_remembered(made: dict[str, Any]) -> None:
    store = Store()
    store.claim(PATH, Progress(0.0))
    store.keep_event(PATH, made)
    assert acceptable(store)
    assert event_of(store) == made


@given(braces, braces)
def test_rule_21_whatever_an_answer_says_it_is_kept_as_it_is_sent(reason: str, name: str) -> None:
    store = Store()
    store.claim(PATH, Progress(0.0))
    end = failed(saying(f"{reason}{{{{x}}}}" * 40))
    response = answer(request().info, end, name[:256] or "ml", "/logs")
    assert len(body(response)) <= ANSWER_LIMIT
    assert store.claim_answer(PATH, WINDOW, Answer(called=True, last=True, response=response))
    assert acceptable(store)
    memory = store.recall(PATH)
    assert memory is not None
    assert memory.answer is not None
    assert memory.answer.response == response == json.loads(body(response))


@given(braces, st.lists(braces, max_size=100))
def test_rule_21_whatever_groups_and_statuses_are_called_they_are_remembered(
    status: str, names: list[str]
) -> None:
    store = Store()
    digests = frozenset(map(digest, names))
    store.claim(PATH, Progress(0.0, active=digests, back=digests))
    call = Call(0.0, dict.fromkeys(digests, status.strip()[:20]), failure_before=digest(status))
    store.claim_call(PATH, call)
    assert acceptable(store)


def test_rule_21_services_that_speak_in_braces_stop_nothing() -> None:
    parts = Parts()
    parts.begin(event(ResourceProperties=properties(Revision="{{one}}")))
    parts.hyperpod.seen = cluster(group(update_status="InProgress"))
    assert parts.look() is None
    parts.hyperpod.seen = cluster(
        group(update_status="Failed"), failure_message="See {{ssm:/my/parameter}}."
    )
    reply = parts.look()
    assert reply is not None
    assert "See {{ssm:/my/parameter}}." in reply.response["Reason"]


def random_text(length: int, chance: random.Random) -> str:
    return "".join(chance.choices(string.ascii_letters + string.digits, k=length))


@pytest.mark.parametrize("seed", range(20))
def test_rule_21_the_largest_request_goes_into_standard_parameters(seed: int) -> None:
    chance = random.Random(seed)

    def at_most() -> dict[str, Any]:
        return properties(
            ImageId=None,
            InstanceGroups=[
                {
                    "InstanceGroupName": random_text(63, chance),
                    "ImageReleaseVersion": f"{chance.randrange(10**20)}.{chance.randrange(10**20)}.1",
                }
                for _ in range(100)
            ],
            Timeout="20000",
            WaitConditionHandle=f"https://bucket.invalid/?{random_text(8100, chance)}",
        )

    store = Store()
    made = event(
        "Update",
        ResponseURL=f"https://bucket.invalid/?{random_text(2000, chance)}",
        ResourceProperties=at_most(),
        OldResourceProperties=at_most(),
    )
    store.claim(PATH, Progress(0.0))
    store.keep_event(PATH, made)
    assert acceptable(store)
    assert event_of(store) == made
    assert len(store.values) <= 13


def test_rule_21_a_request_that_an_older_version_wrote_is_buried_when_its_rule_wakes_us() -> None:
    parts = Parts()
    parts.begin(event())
    older = b85encode(zlib.compress(json.dumps(event()).encode(), 9)).decode()
    name = next(name for name in parts.store.values if name.endswith("/request-0"))
    parts.store.values[name] = (older, 1)
    assert parts.look() is None
    assert parts.nothing_left()


class Ssm:
    """Parameter Store as boto3 shows it; a parameter keeps its type."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}

    def client(self, *_: object, **__: object) -> Ssm:
        return self

    def put_parameter(self, *, Name: str, Overwrite: bool, **put: Any) -> dict[str, Any]:  # noqa: N803
        before = self.kept.get(Name)
        if before is not None and not Overwrite:
            raise error("ParameterAlreadyExists", "PutParameter")
        if before is not None and before["Type"] != put["Type"]:
            raise error("HierarchyTypeMismatchException", "PutParameter")
        version = before["Version"] + 1 if before is not None else 1
        self.kept[Name] = {"Name": Name, "Version": version, **put}
        return {"Version": version}

    def get_parameters_by_path(self, *, Path: str, **_: object) -> dict[str, Any]:  # noqa: N803
        found = [one for name, one in self.kept.items() if name.startswith(f"{Path}/")]
        return {"Parameters": found}

    def delete_parameters(self, *, Names: list[str]) -> None:  # noqa: N803
        for name in Names:
            self.kept.pop(name, None)


@pytest.fixture
def ssm(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ssm]:
    ssm = Ssm()
    monkeypatch.setattr(aws, "boto3", ssm)
    aws.client.cache_clear()
    yield ssm
    aws.client.cache_clear()


def remember_everything(store: ParameterStore) -> None:
    progress = Progress(0.0)
    kept = Answer(called=True, last=False, response={"Status": "SUCCESS"})
    store.claim(PATH, progress)
    store.keep_event(PATH, event())
    store.keep_progress(PATH, progress)
    store.claim_call(PATH, Call(0.0, {digest("workers"): "Succeeded"}))
    store.keep_acceptance(PATH)
    store.claim_window(PATH, WINDOW)
    store.claim_answer(PATH, WINDOW, kept)
    store.keep_handover(PATH, WINDOW)
    store.keep_declaration(PATH.rpartition("/")[0], "request", event())
    store.close(PATH)


def test_what_holds_a_url_or_an_answer_is_a_secure_string_and_nothing_else(ssm: Ssm) -> None:
    remember_everything(ParameterStore("p"))
    types: dict[str, set[str]] = {"String": set(), "SecureString": set()}
    for name, one in ssm.kept.items():
        types[one["Type"]].add(name.removeprefix("/p/resource/"))
    assert types == {
        "String": {
            "request/progress", "request/call", "request/accepted", "request/handed-over-1",
            "request/closed", "declaration/progress",
        },
        "SecureString": {
            "request/request-0", "request/window-1", "request/answer-1", "declaration/request-0",
        },
    }  # fmt: skip


def test_what_an_older_version_made_secure_strings_goes_on(ssm: Ssm) -> None:
    store = ParameterStore("p")
    remember_everything(store)
    for one in ssm.kept.values():
        one["Type"] = "SecureString"
    store.keep_progress(PATH, Progress(0.0, cleared=True))
    store.keep_declaration(PATH.rpartition("/")[0], "request", event())
    memory = store.recall(PATH)
    assert memory is not None
    assert memory.progress.cleared
    store.forget(PATH)
    with pytest.raises(RequestGone):
        store.keep_progress(PATH, Progress(0.0))
    assert not [name for name in ssm.kept if name.startswith(PATH)]

"""Rules 13 to 16, as far as they are rules: what CloudFormation is told."""

from __future__ import annotations

import pytest

from hyperpod_software.contract.answers import HANDOVER, Attribute, Outcome
from hyperpod_software.messages.response import answer, body, physical_id
from hyperpod_software.model.decision import Finish, failed
from tests.lifecycle.samples import ARN, cluster, declared, reason, request, saying

CREATE, UPDATE = request().info, request(before=declared()).info


@pytest.mark.parametrize(
    "end",
    [
        failed(saying("broken: " + 'é"\\\n' * 3000)),
        Finish(
            Outcome.PATCHED, saying("x" * 9000), cluster(), tuple(f"{n:063}" for n in range(100)), 9
        ),
        failed(saying("")),
    ],
)
def test_rule_13_an_answer_is_at_most_4096_bytes_and_keeps_head_and_tail(end: Finish) -> None:
    response = answer(CREATE, end, "x" * 1024, "/aws/lambda/" + "l" * 500)
    sent = body(response)
    assert len(sent) <= 4096
    assert response["Reason"].startswith(reason(end)[:8])
    assert response["Reason"].endswith("llll")


def test_rule_14_the_physical_id_names_the_cluster_and_stays() -> None:
    assert physical_id(CREATE, "ml", replaces=False) == "ml"
    assert physical_id(UPDATE, "arn-of-ml", replaces=False) == "ml"
    assert physical_id(UPDATE, "other", replaces=True) == "other"


def test_rule_13_the_physical_id_is_never_empty() -> None:
    assert physical_id(CREATE, None, replaces=False)


def test_rule_15_the_reason_begins_with_what_happened_and_ends_with_where_to_look() -> None:
    response = answer(
        CREATE, failed(saying("Cluster ml\n does  not exist.")), "ml", "/aws/lambda/f"
    )
    assert response["Reason"] == "Cluster ml does not exist. Log group: /aws/lambda/f"


def test_rule_15_every_attribute_always_has_a_value() -> None:
    names = {*Attribute, HANDOVER}
    ends = (failed(saying("no")), Finish(Outcome.ADOPTED, saying("as it is"), cluster()))
    responses = [answer(CREATE, end, "ml", "g") for end in ends]
    for response in responses:
        assert set(response["Data"]) == names
        assert None not in response["Data"].values()
    assert responses[-1]["Data"]["ClusterArn"] == ARN

"""Remember the largest request there can be, and answer it.

Everything that has a maximum in the API of SageMaker is at it, and no name repeats. Prints sizes in
bytes as JSON: of each parameter by name, of the rule's target, and of the answer.
"""

import json
import random
import string
import sys
from dataclasses import replace
from typing import Any

import boto3

from hyperpod_software.adapters.documents import Answer
from hyperpod_software.adapters.eventbridge import poll_input
from hyperpod_software.adapters.events import read_event
from hyperpod_software.adapters.state_store import ParameterStore
from hyperpod_software.contract.answers import Outcome
from hyperpod_software.messages.response import answer, body
from hyperpod_software.model.cluster import Cluster
from hyperpod_software.model.decision import Finish
from hyperpod_software.model.errors import BadProperty
from hyperpod_software.model.request import Window
from hyperpod_software.model.state import Call, Progress, digest
from hyperpod_software.model.why import Invalid

NOW = 1_790_000_000.0
LETTERS = string.ascii_letters + string.digits

chance = random.Random(0)  # noqa: S311 - the same each time, and no secret


def text(length: int) -> str:
    """So many characters without any pattern."""
    return "".join(chance.choices(LETTERS, k=length))


def properties(groups: list[str]) -> dict[str, Any]:
    """A declaration of these groups with everything at its maximum."""
    return {
        "ServiceToken": f"arn:aws:lambda:us-east-1:000000000000:function:{text(64)}",
        "ServiceTimeout": "3600",
        "ClusterName": text(63),
        "InstanceGroups": [
            {
                "InstanceGroupName": group,
                "ImageReleaseVersion": ".".join(str(chance.randrange(1000)) for _ in range(3)),
            }
            for group in groups
        ],
        "DeploymentConfig": {
            "RollingUpdatePolicy": {
                "MaximumBatchSize": {"Type": "CAPACITY_PERCENTAGE", "Value": "100"},
                "RollbackMaximumBatchSize": {"Type": "INSTANCE_COUNT", "Value": "6758"},
            },
            "WaitIntervalInSeconds": "3600",
            "AutoRollbackConfiguration": [{"AlarmName": text(255)} for _ in range(10)],
        },
        "Timeout": "86400",
    }


def _named(parameter: str) -> str:
    """A parameter without what is different for each request and window."""
    *_, request, name = parameter.split("/")
    kind = name.rpartition("-")[0]
    if kind in ("window", "answer", "handed-over"):
        return kind
    return f"{request}/{name}" if request == "declaration" else name


groups, others = ([text(63) for _ in range(100)] for _ in "ab")
declared = properties(groups)
url = "https://cloudformation-custom-resource-response-useast1.s3.amazonaws.com/?"
event = {
    "RequestType": "Update",
    "StackId": f"arn:aws:cloudformation:us-east-1:000000000000:stack/{text(128)}/{text(36)}",
    "RequestId": text(36),
    "LogicalResourceId": text(255),
    "PhysicalResourceId": declared["ClusterName"],
    "ResponseURL": url + text(2048 - len(url)),
    "ResourceProperties": declared,
    "OldResourceProperties": properties(others),
}
incoming = read_event(event, NOW)
ticket = incoming.info
store = ParameterStore(f"HyperPodSoftware-{text(8)}")
path = store.path(ticket)
active = frozenset(map(digest, groups))
arn = f"arn:aws:sagemaker:us-east-1:000000000000:cluster/{text(12).lower()}"
cluster = Cluster(arn, str(declared["ClusterName"]), "InService", ())
end = Finish(
    Outcome.PATCHED_WITH_SKIPPED_NODES,
    Invalid(BadProperty(f"Patched 675800 nodes of {', '.join(groups)}."), waiter=True),
    cluster,
    tuple(groups),
    675_800,
)
response = answer(ticket, end, str(declared["ClusterName"]), f"/aws/lambda/{text(500)}")

resource = store.resource_path(ticket.stack_id, ticket.logical_id)
waiter = Window(replace(ticket, request_id=text(36)), 26, rollback=False)
progress = Progress(ticket.issued, rollback=False)
store.claim(path, progress)
store.keep_event(path, incoming.kept)
statuses = dict.fromkeys(active, "RollbackComplete")
had = dict.fromkeys(active, 6758)
store.claim_call(path, Call(NOW, statuses, had=had, ran=had, failure_before=digest("failure")))
store.keep_acceptance(path)
store.keep_progress(path, Progress(ticket.issued, rollback=False, active=active))
store.claim_window(path, waiter)
store.claim_answer(path, waiter, Answer(called=True, last=True, response=response))
store.keep_handover(path, waiter)
store.keep_declaration(resource, path.rpartition("/")[2], event)

ssm = boto3.client("ssm")
parameters = [
    parameter
    for page in ssm.get_paginator("get_parameters_by_path").paginate(
        Path=resource, Recursive=True, WithDecryption=True
    )
    for parameter in page["Parameters"]
]
remembered = store.recall(path)
assert remembered is not None
assert remembered.event == incoming.kept
json.dump(
    {
        "parameters": {
            _named(parameter["Name"]): len(parameter["Value"].encode()) for parameter in parameters
        },
        "event": len(json.dumps(event)),
        "target": len(poll_input(path, NOW)),
        "answer": len(body(response)),
    },
    sys.stdout,
)

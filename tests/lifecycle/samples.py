"""Small builders for the words: every test says only what matters to it."""

from __future__ import annotations

from typing import Any

from hyperpod_software.adapters.properties import parse_declaration
from hyperpod_software.messages import say
from hyperpod_software.model.cluster import Cluster, Group, Node, NodeTally
from hyperpod_software.model.decision import Finish, Wait
from hyperpod_software.model.errors import BadProperty
from hyperpod_software.model.request import Request, RequestInfo, RequestType
from hyperpod_software.model.software import Declaration
from hyperpod_software.model.state import Call, Progress, digest
from hyperpod_software.model.why import Invalid

OLD, NEW = "ami-0aaaaaaaaaaaaaaa1", "ami-0bbbbbbbbbbbbbbb2"
ARN = "arn:aws:sagemaker:us-east-1:111122223333:cluster/abcdefghij12"
NOW = 1_800_000_000.0
STACK = "arn:aws:cloudformation:us-east-1:111122223333:stack/Patching/0a1b2c3d"


def properties(**changes: Any) -> dict[str, Any]:
    """Properties as CloudFormation sends them; a ``None`` takes one away."""
    props: dict[str, Any] = {
        "ServiceToken": "arn:aws:lambda:us-east-1:111122223333:function:f",
        "ServiceTimeout": "3600",
        "ClusterName": "ml",
        "ImageId": NEW,
        "InstanceGroups": [{"InstanceGroupName": "workers"}],
        "Timeout": "3000",
    }
    props.update(changes)
    return {name: value for name, value in props.items() if value is not None}


def groups(*names: str, version: str | None = None) -> list[dict[str, str]]:
    extra = {} if version is None else {"ImageReleaseVersion": version}
    return [{"InstanceGroupName": name, **extra} for name in names]


def declared(**changes: Any) -> Declaration:
    return parse_declaration(properties(**changes))


def request(
    now: Declaration | None = None,
    before: Declaration | None = None,
    *,
    type_: RequestType | None = None,
    rollback: bool = False,
) -> Request:
    """A Create, or an Update where there is something before."""
    kind = type_ or (RequestType.UPDATE if before is not None else RequestType.CREATE)
    ticket = RequestInfo(
        type=kind,
        stack_id=STACK,
        logical_id="Software",
        request_id="request-1",
        response_url="https://example.invalid/answer?X-Amz-Signature=secret",
        physical_id=None if kind is RequestType.CREATE else "ml",
        issued=NOW,
    )
    return Request(ticket, now or declared(), before, rollback)


def group(name: str = "workers", **changes: Any) -> Group:
    fields: dict[str, Any] = {"status": "InService", "current_count": 4, "image_id": OLD}
    return Group(name, **(fields | changes))


def cluster(*members: Group, **changes: Any) -> Cluster:
    fields: dict[str, Any] = {"status": "InService", "eks": not changes.get("slurm")}
    return Cluster(ARN, "ml", groups=members or (group(),), **(fields | changes))


def call(
    *names: str, accepted: bool = True, had: dict[str, int] | None = None, **before: str
) -> Call:
    """A call made a minute ago for the named groups (``workers`` where none is named), which had
    four nodes each where nothing else is said."""
    names = names or ("workers",)
    counts = {digest(name): (had or {}).get(name, 4) for name in names}
    return Call(
        at=NOW - 60,
        before={digest(name): before.get(name, "") for name in names},
        had=counts,
        accepted=accepted,
    )


def progress(*active: str, back: str | None = None, rests: float | None = None) -> Progress:
    """Groups that were seen being patched; one that was going back; since when all rest."""
    return Progress(
        NOW - 100,
        rollback=False,
        active=frozenset(map(digest, active)),
        back=frozenset() if back is None else frozenset({digest(back)}),
        resting_since=rests,
    )


def node(name: str = "workers", number: int = 1, **changes: Any) -> Node:
    fields: dict[str, Any] = {"status": "Running", "launched": NOW - 9000, "last_update": NOW - 10}
    return Node(name, f"i-{number:017x}", **(fields | changes))


def tally(**counts: Any) -> NodeTally:
    return NodeTally(**counts)


def reason(decision: Finish | Wait) -> str:
    """What a person reads of it."""
    return say(decision.why)


def saying(text: str) -> Invalid:
    """A reason that reads so."""
    return Invalid(BadProperty(text), waiter=True)

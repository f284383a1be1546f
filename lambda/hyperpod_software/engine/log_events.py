"""What the handler says of its requests: one structured line in the log for each decision."""

from __future__ import annotations

import logging
from typing import Any

from hyperpod_software import messages
from hyperpod_software.adapters.logs import measured
from hyperpod_software.contract.answers import FAILED
from hyperpod_software.contract.signals import FAILURES, NODES_DONE, NODES_TOTAL
from hyperpod_software.engine.invocation import Invocation
from hyperpod_software.messages.wording import listed
from hyperpod_software.model.cluster import Cluster
from hyperpod_software.model.decision import Finish, Patch, Wait
from hyperpod_software.model.request import Request, RequestInfo
from hyperpod_software.model.result import PatchResult

log = logging.getLogger(__name__)


def log_waiting(case: Invocation, wait: Wait, now: float) -> None:
    """The one line of a look: what it waits for, how far the patch is, what time is left."""
    progress = wait.progress
    done = [each.done for each in progress if each.done is not None]
    counts = {NODES_DONE: sum(done)} if len(done) == len(progress) else {}
    counts |= {NODES_TOTAL: sum(each.total for each in progress)}
    log_event(
        case.info,
        "waiting",
        **_looked(case, messages.say(wait.why), now),
        seconds_left=round(case.ends - now),
        groups={
            each.group: f"{'?' if each.done is None else each.done}/{each.total}"
            for each in progress
        },
        batch=case.batch,
        **(measured(case.cluster, now, **counts) if progress else {}),
    )


def log_other_patching(case: Invocation, request: Request, cluster: Cluster) -> None:
    """One line where something else patches a declared group too, and may move it on at any time."""
    groups = {
        group.name: group.patched_by
        for group in cluster.groups
        if group.patched_by and request.declared.software_of(group.name) is not None
    }
    if groups:
        why = "HyperPod patches these groups by itself, too: it may move them past the declared release."
        log_event(case.info, "patched by others", cluster=cluster.arn, groups=groups, reason=why)


def log_called(case: Invocation, request: Request, patch: Patch) -> None:
    """One line for the call that was accepted."""
    software = {str(request.declared.software_of(name)) for name in patch.groups}
    said = f"HyperPod accepted the request to patch {listed(patch.groups)} to {listed(sorted(software))}."
    log_event(
        case.info,
        "called",
        cluster=patch.cluster.arn,
        groups=list(patch.groups),
        batch=case.batch,
        reason=said,
    )


def log_finished(case: Invocation, end: Finish, now: float) -> None:
    """The one line of an end: what came of the request."""
    counts = {FAILURES: int(not end.succeeded)}
    if end.patched_groups:
        counts |= {NODES_DONE: end.patched_nodes, NODES_TOTAL: end.patched_nodes}
    log_event(
        case.info,
        "finished",
        outcome=end.outcome.value if end.outcome is not None else FAILED,
        **_looked(case, messages.say(end.why), now),
        rules=_rules(end),
        **measured(case.cluster, now, **counts),
    )


def _rules(end: Finish) -> dict[str, str]:
    """By which rule each group got its verdict."""
    results = end.why.groups if isinstance(end.why, PatchResult) else ()
    return {each.group.name: each.rule.value for each in results}


def _looked(case: Invocation, reason: str, now: float) -> dict[str, Any]:
    return {
        "request": case.info.request_id,
        "cluster": case.cluster,
        "window": case.window.number,
        "rollback": case.softly or case.rollback,
        "seconds_since_request": round(now - case.info.issued),
        "reason": reason,
    }


def log_event(info: RequestInfo, stage: str, level: int = logging.INFO, **said: Any) -> None:
    log.log(
        level,
        {"stage": stage, "stack": info.stack_id, "logical_id": info.logical_id, **said},
    )

"""What a look does next: pure, so a new gate is one question here and one answer in ``observing``."""

from __future__ import annotations

from hyperpod_software.contract.answers import Outcome
from hyperpod_software.model.decision import Finish, Patch, Wait, failed
from hyperpod_software.model.facts import (
    Action,
    CheckImage,
    CheckOperation,
    CheckRole,
    Facts,
    State,
)
from hyperpod_software.model.request import Request
from hyperpod_software.model.why import Note, Unusable
from hyperpod_software.rules.images import image_refusal
from hyperpod_software.rules.operation import credentials_too_short
from hyperpod_software.rules.planning import plan
from hyperpod_software.rules.rollback import plan_rollback
from hyperpod_software.rules.snapshot import Snapshot
from hyperpod_software.rules.watching import evaluate


def next_action(request: Request, state: State, facts: Facts, now: float) -> Action:
    """Wait, finish, patch, or ask for one more fact and come back."""
    if now < state.progress.hold_until:
        return Wait(Note.EARLIER_CALL)
    if state.call is not None:
        look = Snapshot(request, state.call, state.progress, facts.cluster, now, state.ends)
        return evaluate(look, facts.tallies)
    decision = _plan(request, state, facts, now)
    if isinstance(decision, Patch) and not facts.operation_seen:
        return CheckOperation()
    # Also before the cluster is waited for: a mistake is told at once.
    if isinstance(decision, Patch) or (isinstance(decision, Wait) and state.first_look):
        refused = _refused(request, facts)
        if refused is not None:
            return refused
    if isinstance(decision, Patch) and not state.may_call:
        return Finish(Outcome.LEFT_AS_IS, Note.NOT_BEGUN, facts.cluster)
    return decision


def _plan(request: Request, state: State, facts: Facts, now: float) -> Action:
    cluster, progress = facts.cluster, state.progress
    if request.rollback:
        return plan_rollback(request, cluster, now, progress=progress)
    return plan(request, cluster, now, facts.readings, progress=progress)


def _refused(request: Request, facts: Facts) -> Finish | CheckRole | CheckImage | None:
    """The stack, or the declared custom AMI, cannot be used; or that is not known yet."""
    declared = request.declared
    if request.rollback:
        return None
    if request.windows > 1:
        if facts.has_role is None:
            return CheckRole()
        short = credentials_too_short(request, has_role=facts.has_role)
        if short is not None:
            return failed(short, facts.cluster)
    if not declared.owned_image or declared.image_id is None:
        return None
    if not facts.image_seen:
        return CheckImage(declared.image_id)
    account, key = request.info.account, declared.kms_key_id
    refusal = image_refusal(declared.image_id, facts.image, account, key)
    return failed(Unusable(refusal), facts.cluster) if refusal is not None else None

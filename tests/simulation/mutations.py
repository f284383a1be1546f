"""Deliberate breaks of the handler, one for each thing that the simulation must notice."""

from __future__ import annotations

import base64
import logging
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import pytest
import urllib3

from hyperpod_software import crhelper_adapter as adapter
from hyperpod_software.adapters import clients as aws
from hyperpod_software.adapters import documents, sagemaker
from hyperpod_software.adapters import eventbridge as polling
from hyperpod_software.adapters import response as sending
from hyperpod_software.adapters import state_store as memory
from hyperpod_software.adapters.budget import Budget
from hyperpod_software.adapters.clients import client
from hyperpod_software.adapters.cloudformation import Stack
from hyperpod_software.adapters.eventbridge import Polling
from hyperpod_software.adapters.sagemaker import CallResult, SageMaker
from hyperpod_software.adapters.state_store import ParameterStore
from hyperpod_software.contract.answers import Outcome
from hyperpod_software.contract.names import rule_name
from hyperpod_software.engine import reconciler as conducting
from hyperpod_software.engine import relay
from hyperpod_software.engine import respond as ending
from hyperpod_software.engine import submit as caller
from hyperpod_software.engine.invocation import Invocation
from hyperpod_software.engine.reconciler import Reconciler
from hyperpod_software.engine.respond import Responder
from hyperpod_software.messages import response as answering
from hyperpod_software.model.cluster import Cluster, Group, NodeTally
from hyperpod_software.model.decision import Finish, Wait, failed
from hyperpod_software.model.errors import AwsError, BadProperty
from hyperpod_software.model.plan import Hold, HoldKind
from hyperpod_software.model.reply import Reply
from hyperpod_software.model.request import Request
from hyperpod_software.model.software import Declaration, Software
from hyperpod_software.model.why import Invalid, Note, PassedOn
from hyperpod_software.rules import actions, nodes, proof, verdict, watching
from hyperpod_software.rules import planning as starting
from hyperpod_software.rules import rollback as undoing
from hyperpod_software.rules.snapshot import GroupSnapshot, Snapshot

Break = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Mutation:
    """One break, and the invariant that it breaks."""

    name: str
    breaks: Break
    invariant: str
    enough: int = 1500
    """Histories in which it must have shown."""


def _anybody_may_call(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ParameterStore, "claim_call", lambda *_: True)


def _a_call_without_an_answer_is_made_again(patch: pytest.MonkeyPatch) -> None:
    update = SageMaker.update

    def again(self: SageMaker, *what: Any) -> CallResult:
        result = update(self, *what)
        return CallResult.BUSY if result is CallResult.UNKNOWN else result

    patch.setattr(SageMaker, "update", again)


def _old_requests_may_call(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(caller, "may_call", lambda *_: True)


def _every_group_is_patched(patch: pytest.MonkeyPatch) -> None:
    def listed(declared: Declaration, previous: object, cluster: Cluster) -> tuple[str, ...]:
        names = (group.name for group in cluster.groups)
        return tuple(name for name in names if declared.software_of(name) is not None)

    patch.setattr(starting, "changed_groups", listed)


def _what_is_proven_is_patched_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(starting, "is_proven", lambda *_: False)


def _what_is_partly_there_is_left(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(proof, "_has_release", lambda *_: True)


def _up_to_date_is_overlooked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(proof, "_has_newest", lambda *_: False)


def _newer_patches_are_taken_back(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(starting, "_newer_there", lambda *_: {})


def _newer_patches_are_skipped_nodes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Software, "counts", Software.is_met_by)


def _batches_are_sent_to_slurm(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(starting, "batch_refused", lambda *_: False)


def _the_deployment_config_is_left_out(patch: pytest.MonkeyPatch) -> None:
    made = sagemaker.update_request
    patch.setattr(
        sagemaker,
        "update_request",
        lambda what, declared: made(what, replace(declared, deployment=None)),
    )


def _a_rollback_patches_what_is_not_proven(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(undoing, "proven", lambda *_: True)


def _an_old_succeeded_is_believed(patch: pytest.MonkeyPatch) -> None:
    fresh = Snapshot.is_fresh

    def done(self: Snapshot, group: Group) -> bool:
        return group.update_status == "Succeeded" or fresh(self, group)

    patch.setattr(Snapshot, "is_fresh", done)


def _failed_is_taken_for_success(patch: pytest.MonkeyPatch) -> None:
    read = sagemaker.read_group

    def well(raw: Any) -> Any:
        group = read(raw)
        ended = group.update_status in ("Failed", "RollbackComplete")
        return replace(group, update_status="Succeeded") if ended else group

    patch.setattr(sagemaker, "read_group", well)
    patch.setattr(Snapshot, "contradicts", lambda *_: False)


def _skipped_nodes_are_overlooked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(GroupSnapshot, "skipped", property(lambda _: 0))


def _scaling_is_busy(patch: pytest.MonkeyPatch) -> None:
    found = starting.in_flight  # type: ignore[attr-defined]

    def in_flight(cluster: Cluster) -> Hold | None:
        scaled = [group.name for group in cluster.groups if group.scaling]
        return Hold(HoldKind.GROUP, scaled[0], "scaling") if scaled else found(cluster)

    patch.setattr(starting, "in_flight", in_flight)


def _nodes_of_scaling_belong_to_the_patch(patch: pytest.MonkeyPatch) -> None:
    def of_patch(tally: NodeTally, *_: int | None) -> NodeTally:
        strays = tally.strays
        return replace(
            tally,
            done=tally.done + tally.launched,
            launched=0,
            unsettled=tally.unsettled + strays.waiting,
            failed=tally.failed + strays.failed,
        )

    patch.setattr(watching, "of_patch", of_patch)


def _no_stray_belongs_to_the_patch(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(watching, "of_patch", lambda tally, had, _: nodes.of_patch(tally, had, 0))


def _a_timeout_comes_early(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Invocation, "ends", property(lambda self: self.info.issued))


def _a_lost_call_is_told_as_none(patch: pytest.MonkeyPatch) -> None:
    made = watching.evaluate

    def evaluate(*what: Any) -> Any:
        decision = made(*what)
        if isinstance(decision, Finish) and not decision.succeeded:
            told = BadProperty("Nothing was patched until the timeout: nobody knows.")
            return replace(decision, why=Invalid(told, waiter=True))
        return decision

    patch.setattr(actions, "evaluate", evaluate)


def _the_deadline_never_comes(patch: pytest.MonkeyPatch) -> None:
    for name in ("begin_by", "deadline"):
        patch.setattr(Request, name, property(lambda _: 9e9))
    patch.setattr(Invocation, "forgotten", property(lambda self: self.info.issued + 9e9))


def _nothing_is_buried(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Responder, "clean_up", lambda *_: None)


def _the_rule_stays(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Polling, "stop", lambda *_: True)


def _the_bare_rule_stays(patch: pytest.MonkeyPatch) -> None:
    def stop(self: Polling, path: str) -> bool:
        events = client("events")
        name = rule_name(path)
        with suppress(AwsError):
            events.remove_targets(Rule=name, Ids=[polling.TARGET_ID])
        return True

    patch.setattr(Polling, "stop", stop)


def _memory_stays(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ParameterStore, "forget", lambda *_: None)


def _nothing_wakes_the_handler(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Polling, "start", lambda *_: None)


def _an_answer_that_was_turned_away_is_given_up(patch: pytest.MonkeyPatch) -> None:
    def given_up(self: Responder, reply: Reply, *_: object) -> None:
        self.delivered(reply)

    patch.setattr(Responder, "undelivered", given_up)


def _a_problem_is_swallowed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Reconciler, "_give_up", lambda *_: None)


def _a_rollback_fails(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(conducting, "as_rollback_result", lambda end, **_: end)


def _a_rollback_goes_unnoticed(patch: pytest.MonkeyPatch) -> None:
    read = Stack.operation
    patch.setattr(
        Stack, "operation", lambda self, name: replace(read(self, name), rolls_back=False)
    )


def _a_delete_fails(patch: pytest.MonkeyPatch) -> None:
    def forget(self: Reconciler, event: Any, function: Any) -> Reply:
        case = self._case(self._read(event), None, function)
        return self.responder.unremembered(case, failed(Note.NOT_SHOWN))

    patch.setattr(Reconciler, "forget", forget)


def _a_delete_patches(patch: pytest.MonkeyPatch) -> None:
    forget = Reconciler.forget

    def patching(self: Reconciler, event: Any, function: Any) -> Any:
        properties = event["ResourceProperties"]
        with suppress(AwsError):
            client("sagemaker").update_cluster_software(
                ClusterName=properties["ClusterName"], ImageId="default"
            )
        return forget(self, event, function)

    patch.setattr(Reconciler, "forget", patching)


def _physical_ids_are_random(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ending, "physical_id", lambda *_, **__: secrets.token_hex(8))


def _physical_ids_are_empty(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ending, "physical_id", lambda *_, **__: "")


def _answers_are_not_cut(patch: pytest.MonkeyPatch) -> None:
    made = answering.body
    patch.setattr(
        "hyperpod_software.handler.body",
        lambda response: made({**response, "Reason": response["Reason"] * 40}),
    )


def _attributes_are_missing(patch: pytest.MonkeyPatch) -> None:
    made = ending.answer  # type: ignore[attr-defined]

    def bare(*what: Any) -> dict[str, Any]:
        response = made(*what)
        return {**response, "Data": {**response["Data"], "ClusterArn": ""}}

    patch.setattr(ending, "answer", bare)


def _the_event_is_in_the_rule(patch: pytest.MonkeyPatch) -> None:
    kept = ParameterStore.keep_event
    events: dict[str, Any] = {}

    def keep(self: ParameterStore, path: str, event: Any) -> None:
        events[path] = event
        kept(self, path, event)

    made = polling.poll_input
    patch.setattr(ParameterStore, "keep_event", keep)
    patch.setattr(
        polling,
        "poll_input",
        lambda path, until: made(path, until)[:-1] + f', "Event": "{events.get(path)}"}}',
    )


def _requests_are_strings(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(memory, "_SECRET", ("window-", "answer-"))


def _windows_are_strings(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(memory, "_SECRET", ("request-", "answer-"))


def _the_event_is_logged(patch: pytest.MonkeyPatch) -> None:
    begin = Reconciler.begin

    def telling(self: Reconciler, event: Any, function: Any) -> Any:
        # As it is: the net in the formatter would take the query off a URL.
        logging.getLogger("break").info({"stage": "event", "event": event["ResponseURL"][150:]})
        return begin(self, event, function)

    patch.setattr(Reconciler, "begin", telling)


def _parameters_are_too_big(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(documents, "PIECE", 100_000)
    patch.setattr(documents.zlib, "compress", lambda data, _: data * 9)  # type: ignore[attr-defined]


def _rule_names_are_too_long(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(polling, "rule_name", lambda path: rule_name(path) + "-of-a-software-update")


def _any_status_is_delivered(patch: pytest.MonkeyPatch) -> None:
    def put(url: str, body: bytes) -> bool:
        http = sending.urllib3.PoolManager()  # type: ignore[attr-defined]
        try:
            http.request("PUT", url, body=body, headers={"content-type": ""})
        except urllib3.exceptions.HTTPError:
            return False
        return True

    patch.setattr("hyperpod_software.handler.put_answer", put)
    patch.setattr(sending, "put_answer", put)
    patch.setattr("tests.simulation.functions.PUT", put)


def _crhelper_keeps_its_timer(patch: pytest.MonkeyPatch) -> None:
    def crash(self: Any) -> None:
        raise RuntimeError("as a failing set-up would")

    patch.setattr(adapter.SoftwareResource, "_set_timeout", crash)


def _a_defect_in_the_rules(patch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Wait:
        raise TypeError("a defect")

    patch.setattr(actions, "plan", broken)


def _busy_is_a_failure(patch: pytest.MonkeyPatch) -> None:
    def refused(self: SageMaker, *_: Any) -> CallResult:
        raise AwsError("UpdateClusterSoftware", AwsError.Kind.REFUSED, "ValidationException", "no")

    patch.setattr(SageMaker, "update", refused)


def _a_patch_begins_at_any_time(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Request, "begin_within", property(lambda self: self.wait_within))


def _what_went_back_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(verdict, "_failed_silently", lambda *_: False)
    patch.setattr(Snapshot, "told_failure", property(lambda _: False))


def _nothing_is_handed_over(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Responder, "hand_over", lambda *_: None)


def _between_windows_it_calls(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Invocation, "may_call", property(lambda _: True))
    patch.setattr(caller, "may_call", lambda *_: True)


def _what_nobody_remembers_succeeded(patch: pytest.MonkeyPatch) -> None:
    made = relay.Relay._find_out

    def find_out(self: relay.Relay, *what: Any, **how: Any) -> Finish:
        end = made(self, *what, **how)
        return replace(end, outcome=Outcome.NOTHING_TO_PATCH)

    patch.setattr(relay.Relay, "_find_out", find_out)


def _a_patch_that_goes_on_is_passed_on(patch: pytest.MonkeyPatch) -> None:
    def passed_on(self: relay.Relay, ticket: Any, waiter: Any, function: Any) -> Reply:
        end = Finish(Outcome.ACCEPTED, PassedOn("Patching"))
        return self._reply(ticket, function, end, waiter.handover)

    patch.setattr(relay.Relay, "_join", passed_on)


def _a_result_is_not_passed_on(patch: pytest.MonkeyPatch) -> None:
    made = relay.answer  # type: ignore[attr-defined]
    patch.setattr(relay, "answer", lambda *what: made(*what[:4]))


def _a_value_is_base85(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(documents, "b64encode", base64.b85encode)
    patch.setattr(documents, "b64decode", lambda text, **_: base64.b85decode(text))


def _nobody_looks_at_the_time(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Budget, "left", property(lambda _: 1e9))


def _a_quota_is_waited_for(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(aws, "_NOT_ACTED_ON", aws._NOT_ACTED_ON | aws._QUOTA)
    patch.setattr(aws, "_QUOTA", frozenset())


def _the_long_timeout_is_cut_to_the_hour(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Request, "deadline", property(lambda self: self.begin_by))


_TRUE = "every answer is true"
_CALLED_FOR = "no node is patched that no declaration calls for"
_ASKED_BACK = "no newer patch release is taken back unasked"
_ONE_CALL = "one declared change, at most one accepted patch call"
_HANGING = "no request is left hanging"
_STABLE = "the physical id names the cluster and is stable"

MUTATIONS = (
    Mutation("anybody may call", _anybody_may_call, _ONE_CALL),
    Mutation("a call without an answer is made again", _a_call_without_an_answer_is_made_again, _ONE_CALL),
    Mutation("old requests may call", _old_requests_may_call, "a patch is called only while CloudFormation waits for it"),
    Mutation("every group is patched", _every_group_is_patched, _CALLED_FOR),
    Mutation("what is proven is patched again", _what_is_proven_is_patched_again, _CALLED_FOR),
    Mutation("what is partly there is left", _what_is_partly_there_is_left, _TRUE),
    Mutation("UpToDate is overlooked", _up_to_date_is_overlooked, _CALLED_FOR),
    Mutation("newer patches are taken back", _newer_patches_are_taken_back, _ASKED_BACK),
    Mutation("newer patches are skipped nodes", _newer_patches_are_skipped_nodes, _TRUE, enough=2000),
    Mutation("batches are sent to Slurm", _batches_are_sent_to_slurm, "no batch is sent to a Slurm cluster unasked"),
    Mutation("the deployment config is left out", _the_deployment_config_is_left_out, _CALLED_FOR),
    Mutation("a rollback patches what is not proven", _a_rollback_patches_what_is_not_proven, _CALLED_FOR),
    Mutation("an old Succeeded is believed", _an_old_succeeded_is_believed, _TRUE),
    Mutation("Failed is taken for success", _failed_is_taken_for_success, _TRUE),
    Mutation("skipped nodes are overlooked", _skipped_nodes_are_overlooked, _TRUE),
    Mutation("scaling is busy", _scaling_is_busy, _TRUE),
    Mutation("nodes of scaling belong to the patch", _nodes_of_scaling_belong_to_the_patch, _TRUE),
    Mutation("no stray belongs to the patch", _no_stray_belongs_to_the_patch, _TRUE),
    Mutation("what went back is forgotten", _what_went_back_is_forgotten, _TRUE),
    Mutation("a patch begins at any time", _a_patch_begins_at_any_time, "no patch begins too late to end"),
    Mutation("a failed patch is told as none", _a_lost_call_is_told_as_none, _TRUE),
    Mutation("a refusal is made up", _busy_is_a_failure, _TRUE),
    Mutation("a timeout comes early", _a_timeout_comes_early, _TRUE),
    Mutation("the deadline never comes", _the_deadline_never_comes, "every request is answered by its deadline"),
    Mutation("nothing is buried", _nothing_is_buried, "polling is over by the deadline"),
    Mutation("the rule stays", _the_rule_stays, "polling is over by the deadline"),
    Mutation("memory stays", _memory_stays, "nothing is left in the parameter store"),
    Mutation("nothing wakes the handler", _nothing_wakes_the_handler, _HANGING),
    Mutation("an answer turned away is given up", _an_answer_that_was_turned_away_is_given_up, _HANGING),
    Mutation("a problem is swallowed", _a_problem_is_swallowed, _HANGING),
    Mutation("any status is taken for delivered", _any_status_is_delivered, _HANGING),
    Mutation("the rule stays, without a target", _the_bare_rule_stays, "nothing is left in EventBridge"),
    Mutation("a rollback fails", _a_rollback_fails, "a rollback never fails"),
    Mutation("a rollback goes unnoticed", _a_rollback_goes_unnoticed, _CALLED_FOR),
    Mutation("a Delete fails", _a_delete_fails, "a Delete always succeeds"),
    Mutation("a Delete patches", _a_delete_patches, "a Delete touches no cluster"),
    Mutation("physical ids are random", _physical_ids_are_random, _STABLE),
    Mutation("physical ids are empty", _physical_ids_are_empty, "every answer is valid and has at most 4096 bytes"),
    Mutation("answers are not cut", _answers_are_not_cut, "every answer is valid and has at most 4096 bytes"),
    Mutation("attributes are missing", _attributes_are_missing, "every attribute has a value"),
    Mutation("the event is in the rule", _the_event_is_in_the_rule, "no rule holds a ResponseURL"),
    Mutation("requests are Strings", _requests_are_strings, "no String holds a ResponseURL"),
    Mutation("windows are Strings", _windows_are_strings, "no String holds a ResponseURL"),
    Mutation("the event is logged", _the_event_is_logged, "no ResponseURL reaches a log"),
    Mutation("parameters are too big", _parameters_are_too_big, "a parameter holds at most 4 KB"),
    Mutation("a value may name another parameter", _a_value_is_base85, "no parameter's value names another parameter"),
    Mutation("nobody looks at the time", _nobody_looks_at_the_time, "no invocation takes over 150 seconds"),
    Mutation("a quota is waited for", _a_quota_is_waited_for, "a quota that is used up is told at once"),
    Mutation("rule names are too long", _rule_names_are_too_long, "a rule's name has at most 64 characters"),
    Mutation("nothing is handed over", _nothing_is_handed_over, "every request is answered by its deadline"),
    Mutation("between windows it calls", _between_windows_it_calls, "a patch is called only while CloudFormation waits for it"),
    Mutation("what nobody remembers succeeded", _what_nobody_remembers_succeeded, _TRUE),
    Mutation("a patch that goes on is passed on", _a_patch_that_goes_on_is_passed_on, "no stack operation completes while its patch goes on"),
    Mutation("a result is not passed on", _a_result_is_not_passed_on, _TRUE),
    Mutation("the long timeout is cut to the hour", _the_long_timeout_is_cut_to_the_hour, _TRUE),
    Mutation("the adapter raises", _crhelper_keeps_its_timer, "an invocation that nothing disturbs comes to its end"),
    Mutation("a defect in the rules", _a_defect_in_the_rules, "the handler meets no defect of its own"),
)  # fmt: skip
"""Every invariant is broken by at least one of them."""

"""What a call to AWS that did not succeed means for its request."""

from __future__ import annotations

import pytest

from hyperpod_software.model.decision import Finish, Wait
from hyperpod_software.model.errors import Problem
from hyperpod_software.rules.errors import PERMISSIONS_SETTLE, Standing, weigh
from tests.lifecycle.samples import NOW, reason, request

Kind = Problem.Kind


def standing(*, called: bool = False, now: float = NOW) -> Standing:
    return Standing(request().ticket, "ml", "us-east-1", called=called, ends=NOW + 3420, now=now)


def problem(kind: Problem.Kind, operation: str = "DescribeCluster") -> Problem:
    return Problem(operation, kind, "Code", "The service's words.")


def ended(decision: Finish | Wait) -> str:
    assert isinstance(decision, Finish)
    assert not decision.succeeded
    return reason(decision)


@pytest.mark.parametrize("called", [False, True])
@pytest.mark.parametrize("kind", [Kind.PASSING, Kind.CONFLICT])
def test_what_passes_is_tried_again(kind: Problem.Kind, *, called: bool) -> None:
    assert isinstance(weigh(problem(kind), standing(called=called)), Wait)


def test_a_denied_call_is_tried_again_for_three_minutes() -> None:
    """IAM spreads a new policy slowly."""
    settled = NOW + PERMISSIONS_SETTLE
    assert isinstance(weigh(problem(Kind.DENIED), standing(now=settled - 1)), Wait)
    assert ended(weigh(problem(Kind.DENIED), standing(now=settled))) == (
        "DescribeCluster said Code: The service's words. Nothing was patched."
    )


def test_a_refusal_fails_at_once() -> None:
    said = ended(weigh(problem(Kind.REFUSED, "UpdateClusterSoftware"), standing()))
    assert said == "UpdateClusterSoftware said Code: The service's words. Nothing was patched."


def test_rule_20_a_quota_is_told_at_once_by_name_and_with_what_to_do() -> None:
    rules = Problem("PutRule", Kind.QUOTA, "LimitExceededException", "The service's words.")
    assert ended(weigh(rules, standing())) == (
        "EventBridge allows no more rules in this account and region (LimitExceededException): "
        "raise the quota of rules per event bus, or remove rules. Nothing was patched."
    )
    parameters = Problem("PutParameter", Kind.QUOTA, "ParameterLimitExceeded", "")
    assert "(ParameterLimitExceeded): raise the quota" in ended(weigh(parameters, standing()))
    other = Problem("UpdateClusterSoftware", Kind.QUOTA, "ResourceLimitExceeded", "Its words.")
    assert ended(weigh(other, standing())) == (
        "UpdateClusterSoftware said ResourceLimitExceeded: Its words: raise that quota of the "
        "account. Nothing was patched."
    )


@pytest.mark.parametrize("kind", [Kind.DENIED, Kind.REFUSED, Kind.QUOTA])
def test_while_a_patch_runs_no_other_no_is_its_end(kind: Problem.Kind) -> None:
    later = NOW + PERMISSIONS_SETTLE
    assert isinstance(weigh(problem(kind), standing(called=True, now=later)), Wait)


def test_a_cluster_that_is_not_there_is_named_with_its_region_and_account() -> None:
    assert ended(weigh(problem(Kind.NOT_FOUND), standing())) == (
        f"Cluster ml does not exist in us-east-1 of account {request().ticket.account}. Nothing was patched."
    )


def test_a_cluster_that_disappears_while_it_is_patched_is_told_so() -> None:
    said = ended(weigh(problem(Kind.NOT_FOUND), standing(called=True)))
    assert said == "While being patched, cluster ml disappeared."


def test_something_else_that_is_not_found_says_nothing_about_the_cluster() -> None:
    assert isinstance(weigh(problem(Kind.NOT_FOUND, "DescribeStacks"), standing()), Wait)


def test_at_the_deadline_a_request_without_a_call_says_that_nothing_was_patched() -> None:
    said = ended(weigh(problem(Kind.PASSING), standing(now=NOW + 3420)))
    assert said.startswith("Nothing was patched, and it is too late to begin: DescribeCluster")


def test_at_the_deadline_a_request_with_a_call_says_that_its_end_is_not_known() -> None:
    said = ended(weigh(problem(Kind.PASSING), standing(called=True, now=NOW + 3420)))
    assert said.startswith("How the patch ended is not known: at the timeout DescribeCluster")
    assert said.endswith("no longer monitors it.")

"""What a call to AWS that did not succeed means for its request."""

from __future__ import annotations

import pytest

from hyperpod_software.model.decision import Finish, Wait
from hyperpod_software.model.errors import AwsError
from hyperpod_software.rules.errors import PERMISSIONS_SETTLE, ErrorContext, on_aws_error
from tests.lifecycle.samples import NOW, reason, request

Kind = AwsError.Kind


def standing(*, called: bool = False, now: float = NOW) -> ErrorContext:
    return ErrorContext(request().info, "ml", "us-east-1", called=called, ends=NOW + 3420, now=now)


def problem(kind: AwsError.Kind, operation: str = "DescribeCluster") -> AwsError:
    return AwsError(operation, kind, "Code", "The service's words.")


def ended(decision: Finish | Wait) -> str:
    assert isinstance(decision, Finish)
    assert not decision.succeeded
    return reason(decision)


@pytest.mark.parametrize("called", [False, True])
@pytest.mark.parametrize("kind", [Kind.TRANSIENT, Kind.CONFLICT])
def test_what_passes_is_tried_again(kind: AwsError.Kind, *, called: bool) -> None:
    assert isinstance(on_aws_error(problem(kind), standing(called=called)), Wait)


def test_a_denied_call_is_tried_again_for_three_minutes() -> None:
    """IAM spreads a new policy slowly."""
    settled = NOW + PERMISSIONS_SETTLE
    assert isinstance(on_aws_error(problem(Kind.DENIED), standing(now=settled - 1)), Wait)
    assert ended(on_aws_error(problem(Kind.DENIED), standing(now=settled))) == (
        "DescribeCluster said Code: The service's words. Nothing was patched."
    )


def test_a_refusal_fails_at_once() -> None:
    said = ended(on_aws_error(problem(Kind.REFUSED, "UpdateClusterSoftware"), standing()))
    assert said == "UpdateClusterSoftware said Code: The service's words. Nothing was patched."


def test_rule_20_a_quota_is_told_at_once_by_name_and_with_what_to_do() -> None:
    rules = AwsError("PutRule", Kind.QUOTA, "LimitExceededException", "The service's words.")
    assert ended(on_aws_error(rules, standing())) == (
        "EventBridge allows no more rules in this account and region (LimitExceededException): "
        "raise the quota of rules per event bus, or remove rules. Nothing was patched."
    )
    parameters = AwsError("PutParameter", Kind.QUOTA, "ParameterLimitExceeded", "")
    assert "(ParameterLimitExceeded): raise the quota" in ended(
        on_aws_error(parameters, standing())
    )
    other = AwsError("UpdateClusterSoftware", Kind.QUOTA, "ResourceLimitExceeded", "Its words.")
    assert ended(on_aws_error(other, standing())) == (
        "UpdateClusterSoftware said ResourceLimitExceeded: Its words: raise that quota of the "
        "account. Nothing was patched."
    )


@pytest.mark.parametrize("kind", [Kind.DENIED, Kind.REFUSED, Kind.QUOTA])
def test_while_a_patch_runs_no_other_no_is_its_end(kind: AwsError.Kind) -> None:
    later = NOW + PERMISSIONS_SETTLE
    assert isinstance(on_aws_error(problem(kind), standing(called=True, now=later)), Wait)


def test_a_cluster_that_is_not_there_is_named_with_its_region_and_account() -> None:
    assert ended(on_aws_error(problem(Kind.NOT_FOUND), standing())) == (
        f"Cluster ml does not exist in us-east-1 of account {request().info.account}. Nothing was patched."
    )


def test_a_cluster_that_disappears_while_it_is_patched_is_told_so() -> None:
    said = ended(on_aws_error(problem(Kind.NOT_FOUND), standing(called=True)))
    assert said == "While being patched, cluster ml disappeared."


def test_something_else_that_is_not_found_says_nothing_about_the_cluster() -> None:
    assert isinstance(on_aws_error(problem(Kind.NOT_FOUND, "DescribeStacks"), standing()), Wait)


def test_at_the_deadline_a_request_without_a_call_says_that_nothing_was_patched() -> None:
    said = ended(on_aws_error(problem(Kind.TRANSIENT), standing(now=NOW + 3420)))
    assert said.startswith("Nothing was patched, and it is too late to begin: DescribeCluster")


def test_at_the_deadline_a_request_with_a_call_says_that_its_end_is_not_known() -> None:
    said = ended(on_aws_error(problem(Kind.TRANSIENT), standing(called=True, now=NOW + 3420)))
    assert said.startswith("How the patch ended is not known: at the timeout DescribeCluster")
    assert said.endswith("no longer monitors it.")

"""An instance group has one declaration in a stack."""

from __future__ import annotations

import gc
from collections.abc import Sequence

import pytest
from aws_cdk import App, CfnParameter, Stack
from constructs import Construct

from hyperpod_patching import ClusterSoftware, SoftwareImage


def declare(
    scope: Construct, name: str, cluster: str, groups: Sequence[str] | None
) -> ClusterSoftware:
    return ClusterSoftware(
        scope, name, cluster=cluster, image=SoftwareImage.latest(), instance_groups=groups
    )


def test_the_same_group_declared_twice_fails_and_names_both_constructs(stack: Stack) -> None:
    declare(stack, "Nightly", "ml", ["login", "workers"])
    with pytest.raises(ValueError, match="instance group") as refused:
        declare(Construct(stack, "Other"), "Weekly", "ml", ["workers", "more"])
    assert str(refused.value) == (
        "Training/Nightly and Training/Other/Weekly declare software of the same cluster, ml, "
        "both the instance group workers; an instance group can have one declaration only"
    )


@pytest.mark.parametrize(("first", "second"), [(None, ["a"]), (["a"], None), (None, None)])
def test_every_group_overlaps_with_any(
    stack: Stack, first: list[str] | None, second: list[str] | None
) -> None:
    declare(stack, "First", "ml", first)
    with pytest.raises(ValueError, match="one of them every instance group"):
        declare(stack, "Second", "ml", second)


def test_different_groups_and_different_clusters_do_not_overlap(stack: Stack) -> None:
    declare(stack, "First", "ml", ["a"])
    declare(stack, "Second", "ml", ["b"])
    declare(stack, "Third", "other", ["a"])
    declare(stack, "Fourth", "another", None)


def test_a_token_is_the_same_as_itself_and_no_other(stack: Stack) -> None:
    one, other = (CfnParameter(stack, name) for name in ("One", "Other"))
    declare(stack, "First", one.value_as_string, [one.value_as_string])
    declare(stack, "Second", one.value_as_string, [other.value_as_string])
    declare(stack, "Third", other.value_as_string, [one.value_as_string])
    with pytest.raises(ValueError, match="Training/First and Training/Fourth"):
        declare(stack, "Fourth", one.value_as_string, [one.value_as_string])


def test_two_stacks_may_declare_the_same_group(app: App, stack: Stack) -> None:
    declare(stack, "Software", "ml", ["a"])
    declare(Stack(app, "Other"), "Software", "ml", ["a"])


def test_a_refused_declaration_takes_nothing(stack: Stack) -> None:
    declare(stack, "First", "ml", ["a"])
    with pytest.raises(ValueError, match="one declaration only"):
        declare(stack, "Second", "ml", ["a", "b"])
    declare(stack, "Third", "ml", ["b"])


def test_a_declaration_nobody_holds_on_to_is_still_known() -> None:
    def make(app: App) -> None:
        declare(Stack(app, "Training"), "First", "ml", ["a"])

    app = App()
    make(app)
    gc.collect()
    stack = app.node.find_child("Training")
    assert isinstance(stack, Stack)
    with pytest.raises(ValueError, match="Training/First and Training/Second"):
        declare(stack, "Second", "ml", ["a"])

"""Stacks to declare things in, and what became of them in the template."""

from __future__ import annotations

from pathlib import Path

import pytest
from aws_cdk import App, Stack

from hyperpod_software.contract.properties import SOFTWARE_TYPE
from tests.constructs.templates import Declared, Synthesize, Template, only, template_of


@pytest.fixture
def app(tmp_path: Path) -> App:
    return App(outdir=str(tmp_path / "cdk.out"), stack_traces=False)


@pytest.fixture
def stack(app: App) -> Stack:
    return Stack(app, "Training")


@pytest.fixture
def synthesize(app: App) -> Synthesize:
    """The template of a stack, as CloudFormation gets it."""

    def synthesized(stack: Stack) -> Template:
        return template_of(app, stack.stack_name)

    return synthesized


@pytest.fixture
def declared(stack: Stack, synthesize: Synthesize) -> Declared:
    """The properties of the only custom resource of the stack."""

    def properties() -> Template:
        resource = only(synthesize(stack), SOFTWARE_TYPE)
        return {
            name: value
            for name, value in resource["Properties"].items()
            if name not in {"ServiceToken", "ServiceTimeout", "Timeout"}
        }

    return properties

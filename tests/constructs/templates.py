"""Reading templates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Union

from aws_cdk import App, Stack

Json = Union[dict[str, "Json"], list["Json"], str, float, bool, None]  # noqa: UP007 - names itself
Template = dict[str, Any]

Synthesize = Callable[[Stack], Template]
Declared = Callable[[], Template]


def template_of(app: App, stack: str = "Training") -> Template:
    template: Template = app.synth().get_stack_by_name(stack).template
    return template


def of_type(template: Template, kind: str) -> list[Template]:
    return [one for one in template["Resources"].values() if one["Type"] == kind]


def only(template: Template, kind: str) -> Template:
    (one,) = of_type(template, kind)
    return one


def flat(value: Json) -> Any:
    """A value with its joins made: `arn:<AWS::Partition>:…`."""
    match value:
        case {"Fn::Join": [str(mark), list(parts)]}:
            return mark.join(flat(part) for part in parts)
        case {"Ref": str(name)}:
            return f"<{name}>"
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            return f"<{name}.{attribute}>"
        case dict():
            return {key: flat(one) for key, one in value.items()}
        case list():
            return [flat(one) for one in value]
        case _:
            return value


def statements(template: Template) -> dict[str, Template]:
    """The only policy's statements by their first action; a dict, so that none can be doubled."""
    policy = only(template, "AWS::IAM::Policy")["Properties"]["PolicyDocument"]
    found: dict[str, Template] = {}
    for statement in flat(policy["Statement"]):
        assert statement.pop("Effect") == "Allow"
        actions = statement["Action"]
        name = actions if isinstance(actions, str) else actions[0]
        assert name not in found
        found[name] = statement
    return found

"""`python -m sandbox`: keep a sandbox running, and talk to one that runs."""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from sandbox.aws.environment import tools_path
from sandbox.aws.images import NEW, Image
from sandbox.clusters import Description
from sandbox.control import Control, ControlError
from sandbox.progress import progress_lines
from sandbox.runner import Sandbox, SandboxError
from sandbox.saved import SavedError, read_cluster, read_json

_SPEED = 60.0
_UNSET = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_CA_BUNDLE",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit status. Bad input is one line on standard error, and 2."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except (SavedError, SandboxError, ControlError) as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox",
        description="A local AWS on loopback with a simulated SageMaker HyperPod.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    up = commands.add_parser("up", help="keep a sandbox running until Ctrl-C")
    up.add_argument(
        "--cluster",
        metavar="FILE",
        type=Path,
        action="append",
        default=[],
        help="a saved `aws sagemaker describe-cluster`; may be given again (default: two examples)",
    )
    for option, what in (("--image", "works"), ("--failing-image", "fails on every node")):
        up.add_argument(
            option,
            metavar="AMI",
            type=_ami,
            action="append",
            default=[],
            help=f"a further AMI that {what}; may be given again",
        )
    up.add_argument("--faults", metavar="FILE", type=Path, help="settings of the service, as JSON")
    up.add_argument(
        "--speed",
        metavar="N",
        type=float,
        help=f"seconds of the service's time in one of ours (default {_SPEED:g})",
    )
    up.add_argument("--auth", action="store_true", help="enforce IAM policies")
    up.add_argument(
        "--no-bootstrap", action="store_true", help="leave `cdk bootstrap` to you: faster"
    )
    up.set_defaults(command=_up)

    status = commands.add_parser("status", help="show the clusters as they truly are")
    status.set_defaults(command=_status)

    calls = commands.add_parser("calls", help="list the UpdateClusterSoftware calls received")
    calls.add_argument("cluster", nargs="?")
    calls.set_defaults(command=_calls)

    setting = commands.add_parser("set", help="change settings: speed=10 skipped_nodes=2 …")
    setting.add_argument("--cluster", help="of this cluster only")
    setting.add_argument("settings", nargs="+", metavar="NAME=VALUE", help="VALUE as JSON, or text")
    setting.set_defaults(command=_set)

    commands.add_parser(
        "reset", help="back to the settings at start, but for the speed"
    ).set_defaults(command=_reset)

    vanish = commands.add_parser("vanish", help="let a cluster disappear")
    vanish.add_argument("cluster")
    vanish.set_defaults(command=_vanish)

    image = commands.add_parser("image", help="add an AMI")
    image.add_argument("ami", type=_ami)
    image.add_argument("--fails", action="store_true", help="on every node")
    image.set_defaults(command=_image)

    scale = commands.add_parser("scale", help="scale a group, as somebody else would")
    scale.add_argument("cluster")
    scale.add_argument("group")
    scale.add_argument("count", type=int)
    scale.set_defaults(command=_scale)
    return parser


def _ami(text: str) -> str:
    if not re.fullmatch(r"ami-[0-9a-fA-F]{8,17}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not an AMI id")
    return text


# --- up -----------------------------------------------------------------------------------------


def _up(options: argparse.Namespace) -> int:
    clusters: list[Description] = []
    for path in options.cluster:
        description, unknown = read_cluster(path)
        clusters.append(description)
        if unknown:
            print(f"sandbox: {path}: left out, unknown here: {', '.join(unknown[:5])}")
    faults = read_json(options.faults) if options.faults else {}
    if options.speed is not None or "speed" not in faults:
        faults["speed"] = options.speed if options.speed is not None else _SPEED
    sandbox = Sandbox(
        clusters=clusters or None,
        images=[
            *(Image(ami, "works; as you said") for ami in options.image),
            *(Image(ami, "fails; as you said", fails=True) for ami in options.failing_image),
        ],
        faults=faults,
        auth=options.auth,
        bootstrap=not options.no_bootstrap,
    )
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    print("Starting …", flush=True)
    try:
        with sandbox:
            print(banner(sandbox), flush=True)
            # Not for ever in one go, so that a MiniStack that died is noticed.
            while not ended.wait(1.0):
                if not sandbox.ministack.alive:
                    raise SandboxError("MiniStack has ended by itself")
    except KeyboardInterrupt:
        pass
    print("\nStopped; nothing is left running.", flush=True)
    return 0


def _leave(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def banner(sandbox: Sandbox) -> str:
    """What there is, and what to type in a second terminal."""
    status = sandbox.control.status()
    lines = ["", "A local AWS with a simulated HyperPod is up.", "", "Clusters"]
    for cluster in status["Clusters"]:
        kind = "Eks" if "Eks" in cluster.get("Orchestrator", {}) else "Slurm"
        mode = cluster.get("NodeProvisioningMode", "older mode")
        lines.append(f"  {cluster['ClusterName']}  ({kind}, {mode})")
        lines += [f"    {_group_line(group)}" for group in cluster["InstanceGroups"]]
    lines += ["", "AMIs"]
    lines += [f"  {image.id}  {image.about}" for image in sandbox.images()]
    lines += ["", f"One second here is {status['Speed']:g} seconds of the service.", ""]
    lines += ["In a second terminal, in this directory:", ""]
    lines += ["  unset " + " ".join(_UNSET)]
    lines += [f"  export {name}={value}" for name, value in sandbox.settings.items()]
    path = tools_path({"PATH": "$PATH"})
    lines += [f'  export PATH="{path}"', ""]
    first = status["Clusters"][0]
    group = first["InstanceGroups"][-1]["InstanceGroupName"]
    batch = " -c batch=25%" if "Eks" in first.get("Orchestrator", {}) else ""
    lines += [
        "and then, for example:",
        "",
        f"  cdk deploy -c cluster={first['ClusterName']} -c image={NEW.id} -c groups={group}{batch}",
        "  python -m sandbox status",
        "",
        "Ctrl-C ends it.",
    ]
    return "\n".join(lines)


def _group_line(group: dict[str, Any]) -> str:
    count = group["CurrentCount"]
    image = group.get("CurrentImageId", "image not shown")
    release = group.get("CurrentImageReleaseVersion")
    software = f"{image} {release}" if release else image
    return f"{group['InstanceGroupName']}: {count} × {group.get('InstanceType', '?')}, {software}"


# --- the others ---------------------------------------------------------------------------------


def _control() -> Control:
    url = os.environ.get("AWS_ENDPOINT_URL_SAGEMAKER")
    if not url:
        raise ControlError(
            "AWS_ENDPOINT_URL_SAGEMAKER is not set: paste the lines that `up` prints"
        )
    return Control(url, os.environ.get("AWS_ENDPOINT_URL"))


def _status(_options: argparse.Namespace) -> int:
    for cluster in _control().status()["Clusters"]:
        print(f"{cluster['ClusterName']}  {cluster['ClusterStatus']}")
        for line in progress_lines(cluster):
            print(f"  {line}")
        if cluster.get("FailureMessage"):
            print(f"  {cluster['FailureMessage']}")
    return 0


def _calls(options: argparse.Namespace) -> int:
    for call in _control().calls(options.cluster):
        lost = " (answer lost)" if call["AnswerLost"] else ""
        parameters = json.dumps(call["Parameters"])
        print(f"{call['Outcome']}{lost}  {call['Nodes']} nodes  {parameters}")
    return 0


def _set(options: argparse.Namespace) -> int:
    faults: dict[str, Any] = {}
    for setting in options.settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise ControlError(f"{setting!r} is not NAME=VALUE")
        try:
            faults[name] = json.loads(text)
        except ValueError:
            faults[name] = text
    _control().set(options.cluster, **faults)
    return 0


def _reset(_options: argparse.Namespace) -> int:
    _control().reset()
    return 0


def _vanish(options: argparse.Namespace) -> int:
    _control().vanish(options.cluster)
    return 0


def _scale(options: argparse.Namespace) -> int:
    _control().scale(options.cluster, options.group, options.count)
    return 0


def _image(options: argparse.Namespace) -> int:
    _control().add_images([Image(options.ami, "added by hand", fails=options.fails)])
    return 0

"""A local AWS on loopback: MiniStack and a simulated SageMaker HyperPod.

`python -m sandbox up` keeps one running; `with Sandbox() as sandbox:` is the same from Python.
Nothing of it can reach a real account, and nothing is left behind when it ends.
"""

from sandbox.control import Control, ControlError
from sandbox.runner import Sandbox, SandboxError

__all__ = ["Control", "ControlError", "Sandbox", "SandboxError"]

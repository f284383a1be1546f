"""A local AWS on loopback: MiniStack and a simulated SageMaker HyperPod.

`python -m sandbox up` keeps one running; `with Sandbox() as sandbox:` is the same from Python.
Nothing of it can reach a real account, and nothing is left behind when it ends.

`hyperpod/` is the simulated service, `aws/` the local AWS around it, and `demo/` what `make demo`
runs on both. What all of them use lies here. Imports go from `demo` to `aws` to `hyperpod`.
"""

from sandbox.control import Control, ControlError
from sandbox.runner import Sandbox, SandboxError

__all__ = ["Control", "ControlError", "Sandbox", "SandboxError"]

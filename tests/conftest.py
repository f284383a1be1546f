"""What all tests stand on: the Node and the command line that set-up installed, and no account."""

import os
from pathlib import Path

ROOT = Path(__file__).parent.parent

# Also when pytest is called by itself, not by make.
os.environ["PATH"] = os.pathsep.join(
    [str(ROOT / ".venv/bin"), str(ROOT / "node_modules/.bin"), os.environ.get("PATH", os.defpath)]
)

# No test can reach a real account, whatever the shell is logged in to.
for name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[name]
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"

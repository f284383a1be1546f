"""Run by its path in Python's isolated mode.

The search path is that of this process only. Lambda functions, which are processes of their own,
find nothing of the repository on theirs.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3]))

from sandbox.aws.inside.application import main

if __name__ == "__main__":
    main()

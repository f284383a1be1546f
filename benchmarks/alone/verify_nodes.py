"""Read and count every node of a cluster, as the handler does it at the end of a patch.

Arguments are the cluster's name and how often. Prints JSON: seconds of each time, nodes counted,
and the most memory that was allocated beyond what was there before, in bytes.
"""

import json
import sys
import time
import tracemalloc

from hyperpod_software.adapters.sagemaker import SageMaker
from hyperpod_software.model.software import Software
from hyperpod_software.rules.nodes import tally

cluster, repetitions = sys.argv[1], int(sys.argv[2])
edge = SageMaker()
software = {"workers": Software(image_id="ami-0123456789abcdef0")}


def verify() -> int:
    """How many nodes were counted."""
    return sum(counted.total for counted in tally(edge.nodes(cluster), software, 0.0).values())


def timed() -> float:
    """How long it took."""
    begun = time.perf_counter()
    verify()
    return time.perf_counter() - begun


nodes = verify()  # which makes the client, too
seconds = [timed() for _ in range(repetitions)]
tracemalloc.start()
before, _ = tracemalloc.get_traced_memory()
verify()
_, peak = tracemalloc.get_traced_memory()
json.dump({"nodes": nodes, "seconds": seconds, "peak": peak - before}, sys.stdout)

"""One cold start: import a function from a directory, and let it answer one request.

Run by its path, without this environment's packages: arguments are the directory, the function as
`module:name`, and the request, none for an import alone. Prints seconds as JSON.
"""

import json
import sys
import time
from importlib import import_module
from types import SimpleNamespace

begun = time.perf_counter()
directory, function, request = sys.argv[1:]
sys.path.insert(0, directory)
module, _, name = function.partition(":")
handler = getattr(import_module(module), name)
if not request:
    handler("sagemaker")  # boto3.client
imported = time.perf_counter()
if request:
    context = SimpleNamespace(
        invoked_function_arn="arn:aws:lambda:us-east-1:000000000000:function:cold",
        function_name="cold",
        aws_request_id="cold",
        log_group_name="cold",
        log_stream_name="cold",
        # Too little for crhelper's pause of two minutes on Delete.
        get_remaining_time_in_millis=lambda: 60_000,
    )
    handler(json.loads(request), context)
answered = time.perf_counter()
json.dump({"import": imported - begun, "request": answered - imported}, sys.stdout)

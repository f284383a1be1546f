"""`python -m sandbox.demo`: a cluster is patched by the real CDK CLI, on a local AWS, and counted."""

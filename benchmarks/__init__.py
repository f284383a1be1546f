"""What it costs to wait for a patch and to be told of its end, ours and its peers side by side.

`python -m benchmarks` runs everything on the sandbox, prints the tables and writes
`docs/benchmarks.md`. Nothing of it is a test: figures are reported, never asserted.
"""

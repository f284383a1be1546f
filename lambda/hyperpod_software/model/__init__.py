"""What was declared, what the cluster looks like, what to do next: values only."""

"""The local AWS: MiniStack, the simulated HyperPod's port beside it, and what they share."""

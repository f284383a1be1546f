"""The functions that ours is compared with, each as its own documentation would have it."""

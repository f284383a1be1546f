"""What one invocation does: it ties the rules to the adapters."""

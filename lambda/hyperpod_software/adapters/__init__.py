"""Thin adapters to the services around the handler; raw answers end here."""

"""Pure functions from words to decisions: no clock, no network, no logging."""

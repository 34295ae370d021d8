"""The software card: virtual time, scripted and random callers, faults, recordings."""

"""The read-only JSON interface (product B5)."""

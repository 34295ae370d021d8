"""Drivers of real cards: a file or folder each, found by the entry point group ivrd.cards."""

"""Drivers of real cards: one file or folder each, found through the entry point group ivrd.cards."""

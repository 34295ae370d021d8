"""A card made of an Asterisk, through its REST interface (ARI)."""

from drivers.asterisk.card import AsteriskCard

__all__ = ["AsteriskCard"]

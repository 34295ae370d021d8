"""Bills, read in place out of the operator's own database."""

"""Dunning: campaigns, the gate below them, the dialler, and what a reminder call may ask for."""

"""Tests against a real Asterisk, with SIPp and baresip as telephones; `setup` gets them."""

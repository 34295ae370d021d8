"""The command line: a client of the daemon, and what needs no daemon.

Every command is in a file of its own and is loaded when it is asked for, so that none waits
for what another needs. What goes wrong ends in one of `EXIT_…`, with a message and no traceback.
"""

from __future__ import annotations

from ivrd.cli.app import main

__all__ = ["main"]

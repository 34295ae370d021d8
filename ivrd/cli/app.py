"""The `ivrd` command: which commands there are, and how a failure is told."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import click

from ivrd import __version__
from ivrd.cli.output import (
    EXIT_CONFIG,
    EXIT_DAEMON,
    EXIT_FAULT,
    EXIT_INTERRUPTED,
    EXIT_NO,
    Refused,
    tell_error,
)
from ivrd.errors import ControlError, IvrdError

COMMANDS = {
    "sample-data": ("sample_data:sample_data", "Make the sample database, and a sample ivrd.toml."),
    "run": ("run:run", "Run the daemon here, in the foreground."),
    "status": ("status:status", "Say how the daemon is."),
    "lines": ("status:lines", "List the lines and what each is doing."),
    "watch": ("watch:watch", "See every line live."),
    "call": ("call:call", "Call ivrd: a phone in the terminal, for the software card."),
    "dial": ("dial:dial", "Place a test call to a number of the test list."),
    "enquiry": ("enquiry:enquiry", "Start and stop enquiry on lines."),
    "dunning": ("dunning:dunning", "Give lines to dunning, and take them back."),
    "kill-switch": ("kill_switch:kill_switch", "Stop all dialling, of every campaign."),
    "why": ("why:why", "Say why a number or an account was called, or was not."),
    "debtor": ("debtor:debtor", "Show debtors, class them, and note what calls cannot know."),
    "dnc": ("dnc:dnc", "Keep the do-not-call list."),
    "worklist": ("worklist:worklist", "List what people are to do for debtors, and sign it off."),
    "report": ("report:report", "Report on calls and campaigns."),
    "campaign": ("campaign:campaign", "Make, start and stop campaigns, and import lists."),
    "backup": ("backup:backup", "Copy ivrd's own store, while it runs."),
    "restore": ("backup:restore", "Put a copy of the store in its place."),
    "reload": ("flow:reload", "Let the daemon read flows and voice files again."),
    "tail": ("tail:tail", "Show the log of a line."),
    "logs": ("logs:logs", "Ask the logs of the lines what happened."),
    "replay": ("replay:replay_files", "Replay line logs against the flow as it is now."),
    "flow": ("flow:flow", "Check, draw and reload call flows."),
    "prompts": ("prompts:prompts", "Check, list, make and copy voice files."),
    "billing": ("billing:billing", "Draft and check the billing mapping."),
    "import": ("import_:import_", "Import billing data, for stand-alone mode."),
    "api": ("api:api", "Keep the clients of the JSON interface."),
    "simulate": ("simulate:simulate", "Simulate a day of callers on virtual time."),
    "modem": ("modem:modem", "Emulate voice modems on serial ports."),
    "doctor": ("doctor:doctor", "Check this machine and the set-up."),
}
"""Each command: where it is, and what it does."""


class Commands(click.Group):
    """Loads a command when it is used, and ends every failure in a message and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names, in the order in which people need them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        """Import the file that holds a command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(f"ivrd.cli.{module}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as above
        """Write the list of commands without loading one."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, told) for name, (_, told) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; no failure leaves as a traceback."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            ctx.exit(EXIT_INTERRUPTED)
        except BrokenPipeError:
            # the reader of a pipe has gone; the interpreter must not flush into it either
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(EXIT_INTERRUPTED)
        except Exception as error:  # the last place where a failure can be told
            if os.environ.get("IVRD_DEBUG") == "1":
                traceback.print_exc()
            ctx.exit(_told(ctx, error))


def _told(ctx: click.Context, error: Exception) -> int:
    """Tell people what went wrong; return the exit code for it."""
    if isinstance(error, OSError) and error.filename is not None:
        error = IvrdError(f"{error.filename}: {error.strerror}")
    if not isinstance(error, IvrdError):
        what = f"a fault in ivrd itself: {type(error).__name__}; IVRD_DEBUG=1 shows where"
        tell_error(ctx, IvrdError(what))
        return EXIT_FAULT
    tell_error(ctx, error)
    if isinstance(error, ControlError):
        return EXIT_DAEMON
    return EXIT_NO if isinstance(error, Refused) else EXIT_CONFIG


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="ivrd", message="%(prog)s %(version)s")
@click.option(
    "--config",
    "-c",
    "config_file",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("ivrd.toml"),
    envvar="IVRD_CONFIG",
    show_envvar=True,
    help="The settings.  [default: ./ivrd.toml]",
)
@click.pass_context
def main(ctx: click.Context, config_file: Path) -> None:
    """Telephone bill enquiry and reminders: runs the daemon, talks to it, proves what it does.

    Exit codes: 0 done, 1 the answer is no (a difference, problems found), 2 wrong use or
    settings, 3 the daemon cannot be reached.
    """
    ctx.obj = config_file

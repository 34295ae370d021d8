"""`ivrd backup` and `ivrd restore`: ivrd's own store, while it runs (product O4)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import click
from rich.progress import Progress

from ivrd.cli.instants import local
from ivrd.cli.output import Refused, json_option, print_json
from ivrd.cli.own_store import intend, nudge, operator, own_store
from ivrd.cli.settings import settings
from ivrd.errors import StoreError
from ivrd.store import backup as backups
from ivrd.store.audit import head
from ivrd.store.backup import Backup
from ivrd.store.engine import Store
from ivrd.store.switches import KILL, is_on

Told: TypeAlias = Callable[[str, int, int], None]


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@json_option
@click.pass_obj
def backup(config_file: Path, file: Path, as_json: bool) -> None:
    """Copy ivrd's own store to FILE: campaigns, calls, promises, lists, audit.

    The daemon may run meanwhile. The head of the audit trail is told: kept elsewhere, it shows
    whether the trail was cut.
    """
    config = settings(config_file)
    with own_store(config) as store:
        intend(store, "store.backup", {"file": file.name})
        with _progress("Copying the store") as told:
            made = backups.backup(store, file, told)
        last = store.read(head)
    if as_json:
        print_json({**_plain(made), "audit_head": str(last)})
    else:
        click.echo(f"{file} written: {_counted(made)}")
        click.echo(f"head of the audit trail: {last}")


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--replace", is_flag=True, help="Let go of what is in the store now.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def restore(config_file: Path, file: Path, replace: bool, yes: bool, as_json: bool) -> None:
    """Put the copy in FILE into the store; all of it, or nothing.

    A store that holds anything is only replaced with --replace. The copy knows of no call, promise
    or do-not-call number since it was made: where a campaign runs in it, the kill switch is put
    on, so that nobody is called who should not be.
    """
    config = settings(config_file)
    known = backups.read_backup(file)
    if replace and not yes:
        made = local(known.made_at, config.zone)
        click.confirm(f"Everything since {made} is lost: calls, promises, do-not-call numbers."
                      " Replace the store?", abort=True, err=True)  # fmt: skip
    with own_store(config) as store:
        with _progress("Writing the store") as told:
            done = _restore(store, file, replace=replace, told=told)
        killed = store.read(lambda tx: is_on(tx, KILL))
    nudge(config)
    if as_json:
        print_json({**_plain(done), "kill_switch": killed})
        return
    click.echo(f"the store is as of {local(done.made_at, config.zone)}: {_counted(done)}")
    if killed:
        click.echo("the kill switch is on: a campaign runs in this copy, and what was called since"
                   " is not counted; `ivrd kill-switch off` lets it go on")  # fmt: skip


def _restore(store: Store, file: Path, *, replace: bool, told: Told) -> Backup:
    try:
        return backups.restore(store, file, by=operator(), replace=replace, progress=told)
    except StoreError as error:
        if replace or "not empty" not in str(error):
            raise
        raise Refused("the store is not empty; --replace lets go of what is in it") from None


def _plain(made: Backup) -> dict[str, Any]:
    return {"file": made.file, "made_at": made.made_at.isoformat(), "version": made.version,
            "rows": made.rows}  # fmt: skip


_COUNTED = ("campaigns", "targets", "attempts", "promises", "do_not_call")


def _counted(made: Backup) -> str:
    return ", ".join(f"{made.rows.get(name, 0):,} {name.replace('_', ' ')}" for name in _COUNTED)


@contextmanager
def _progress(what: str) -> Iterator[Told]:
    """Show on a terminal how far a copy is."""
    with Progress(disable=not sys.stderr.isatty(), transient=True) as bar:
        task = bar.add_task(what, total=None)

        def told(table: str, done: int, of: int) -> None:
            bar.update(task, description=f"{what}: {table}", completed=done, total=of)

        yield told

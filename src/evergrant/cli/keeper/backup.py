"""`evergrant keeper backup` and `evergrant keeper restore`: the whole vault in one file, and out of it again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from evergrant.cli import whole as moved
from evergrant.cli.keeper import whole
from evergrant.cli.keeper.place import existing, finished, told
from evergrant.cli.output import confirm, counting, instant, json_option, note, plural
from evergrant.cli.place import Place, placed

if TYPE_CHECKING:
    from evergrant.store.moving.file import Backup


@click.command("backup")
@click.argument("target", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--replace", is_flag=True, help="Overwrite the file when there is one.")
@placed
@json_option
def backup_(target: Path, replace: bool, place: Place, as_json: bool) -> None:
    """Write the whole vault into one file, as it is at one moment, while keepers go on.

    The file is for its owner alone, and there only when it is whole. Every token in it is sealed, and the keys are not
    in it: keep those apart, for without them nothing in a backup can be used, by a thief or by you.
    """
    existing(place.config)
    with told():
        source = whole.there(whole.configured(place.config))
    moved.refuse_overwriting(target, replace=replace)
    made = finished(lambda: _back_up(source, target, replace=replace))
    moved.said(made, as_json=as_json)
    note(f"backed up {moved.summary(made.sums, whole.SHOWN)}; SHA-256 {made.checksum}")


async def _back_up(source: whole.Place, file: Path, *, replace: bool) -> Backup:
    from evergrant import __version__
    from evergrant.keeper.moving import back_up
    from evergrant.store.moving.backup import Made

    made = Made(moved.now(), __version__, source.shown)
    async with whole.opened(source) as vault:
        with whole.trouble():
            return await moved.watched(
                vault, "backing up", lambda progress: back_up(vault, file, made, progress, replace=replace)
            )


@click.command("restore")
@click.argument("backup", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--replace", is_flag=True, help="Give up what is in the vault now.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@placed
@json_option
def restore_(backup: Path, replace: bool, yes: bool, place: Place, as_json: bool) -> None:
    """Fill the vault from a backup.

    A vault that went back in time holds refresh tokens that were spent since. Connections go on for as long as their
    access tokens do, and wherever the provider takes the older refresh token; where it has rotated and does not, the
    connection becomes needs_reauth with the reason vault_restored at its next refresh, and its user connects again.

    Whatever interrupts a restore leaves the vault as it was. It needs the keys of the vault that was backed up.
    """
    from evergrant.keeper.vault.layout import VAULT
    from evergrant.store.moving.file import checked

    target = whole.configured(place.config)
    with moved.moving(str(target.path)):
        file = checked(backup, VAULT)
    with told():
        if target.in_use():
            moved.refuse_used(target.shown, "stop its keepers first: what they write now would be lost")
    if replace:
        confirm(f"what is in {target.shown} now will be gone. Restore {backup} over it?", yes=yes)
    if not target.url:
        moved.refuse_crowded(target.path.parent, file)
    marked = finished(lambda: _restored(target, file, replace=replace))
    moved.said(file, as_json=as_json, restored=marked)
    note(f"restored {moved.summary(file.sums, whole.SHOWN)}, as they were at {instant(file.head.made_at)}")
    if marked:
        note(
            f"{plural(marked, 'refresh token', 'refresh tokens')} may have been spent since; where the provider "
            "refuses one, its user connects again: evergrant keeper list --health needs_reauth"
        )
    note("what was ended after the backup is alive again, API keys too; the keys of the vault are not in a backup")


async def _restored(target: whole.Place, file: Backup, *, replace: bool) -> int:
    from evergrant.keeper.moving import restore

    async with whole.opened(target) as vault:
        total = sum(one.rows for one in file.sums.values())
        with whole.trouble(), moved.moving(target.shown), counting("restoring", total) as done:
            return await restore(vault, file, moved.now(), lambda _, rows: done(rows), replace=replace)

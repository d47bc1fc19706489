"""`evergrant backup` and `evergrant restore`: everything in one file, and out of it again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from evergrant.cli import whole
from evergrant.cli.output import Failure, confirm, counting, emit_line, instant, json_option, note
from evergrant.cli.place import Place, current, existing, finished, placed, whereabouts

if TYPE_CHECKING:
    from evergrant.domain.epoch import Epoch
    from evergrant.store.moving.file import Backup
    from evergrant.store.whereabouts import Whereabouts


@click.command("backup")
@click.argument("target", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--replace", is_flag=True, help="Overwrite the file when there is one.")
@placed
@json_option
def backup_(target: Path, replace: bool, place: Place, as_json: bool) -> None:
    """Write everything into one file, at one moment, while the server goes on.

    The file is for its owner alone, and there only when it is whole. It holds no usable token, and not the
    key-encryption key: keep that apart, for without it nothing in a backup can be used, by a thief or by you.
    """
    source = current(existing(place.config))
    whole.refuse_overwriting(target, replace=replace)
    made = finished(lambda: _back_up(source, target, replace=replace))
    whole.said(made, as_json=as_json)
    note(f"backed up {whole.summary(made.sums)}; SHA-256 {made.checksum}")


async def _back_up(source: Whereabouts, file: Path, *, replace: bool) -> Backup:
    from evergrant import __version__
    from evergrant.store.moving.backup import Made, back_up

    made = Made(whole.now(), __version__, source.shown)
    async with whole.opened(source) as store:
        return await whole.watched(
            store, "backing up", lambda progress: back_up(store, file, made, progress, replace=replace)
        )


@click.command("restore")
@click.argument("backup", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option("--replace", is_flag=True, help="Give up what is in the store now.")
@click.option(
    "--declare", is_flag=True,
    help="Restore nothing: say that the store was restored by other means, such as to a point in time.",
)  # fmt: skip
@click.option("--failover", is_flag=True, help="With --declare: only its last moments were lost, in a failover.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@placed
@json_option
def restore_(
    backup: Path | None, replace: bool, declare: bool, failover: bool, yes: bool, place: Place, as_json: bool
) -> None:  # fmt: skip
    """Fill the store from a backup, or declare that it was restored by other means.

    A store that went back in time takes spent tokens for unspent ones. A restore therefore begins an epoch: clients
    that prove themselves go on, with whatever token they have; people at public clients sign in again, and nobody is
    taken for a thief. After a failover that lost its last moments, public clients go on too, but for those whose last
    token was lost.

    Whatever interrupts a restore leaves the store as it was. It needs the key-encryption key of the store that was
    backed up.
    """
    if declare:
        if backup is not None or replace:
            raise Failure("--declare restores nothing: leave the file and --replace away")
        _declared(current(existing(place.config)), failover=failover, yes=yes, as_json=as_json)
        return
    if failover:
        raise Failure("--failover needs --declare")
    if backup is None:
        raise Failure("which file? or say --declare", hint="see: evergrant restore --help")
    _restored(whereabouts(place.config), backup, replace=replace, yes=yes, as_json=as_json)


def _declared(target: Whereabouts, *, failover: bool, yes: bool, as_json: bool) -> None:
    if not failover:
        confirm("everybody at a public client will have to sign in again. Was the store restored?", yes=yes)

    async def declared() -> Epoch:
        from evergrant.store.moving.backup import declare

        async with whole.opened(target) as store:
            return await declare(store, whole.now(), heads_trusted=failover)

    epoch = finished(declared)
    if as_json:
        emit_line({"epoch": epoch.number, "restored": epoch.restored})
    note(f"epoch {epoch.number} has begun; servers hear of it within a second")


def _restored(target: Whereabouts, file: Path, *, replace: bool, yes: bool, as_json: bool) -> None:
    from evergrant.store.moving.file import checked

    with whole.moving(target.shown):
        backup = checked(file)
    if whole.in_use(target):
        whole.refuse_used(target.shown, "stop its servers first: what they write now would be lost")
    if replace:
        confirm(f"what is in {target.shown} now will be gone. Restore {file} over it?", yes=yes)
    if target.file is not None:
        whole.refuse_crowded(target.folder, backup)

    async def filled() -> Epoch:
        from evergrant.store.moving.backup import restore

        async with whole.opened(target) as store:
            total = sum(one.rows for one in backup.sums.values())
            with counting("restoring", total) as done:
                return await restore(store, backup, whole.now(), lambda _, rows: done(rows), replace=replace)

    with whole.moving(target.shown):
        epoch = finished(filled)
    whole.said(backup, as_json=as_json, epoch=epoch.number)
    note(f"restored {whole.summary(backup.sums)}, as they were at {instant(backup.head.made_at)}")
    note(f"epoch {epoch.number} has begun: people at public clients sign in again, all others go on")
    note("the key-encryption key is not in a backup: the servers need the one that this store was sealed with")

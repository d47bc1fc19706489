"""`evergrant keeper key`: the keys that seal the vault, and the turn from one to the next while everything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from evergrant.cli.keeper.place import existing, keeping, keyring
from evergrant.cli.output import Column, Exit, Failure, confirm, emit_list, emit_one, json_option, note, progress
from evergrant.cli.place import Place, placed
from evergrant.cli.verbs import Parts
from evergrant.keeping.places import key_file

if TYPE_CHECKING:
    from collections import Counter
    from pathlib import Path

    from evergrant.config import Config
    from evergrant.keeper.keeper import Keeper
    from evergrant.keeper.rewrapping import Progress


@click.group("key", cls=Parts)
def key_() -> None:
    """See the keys that seal the vault, and turn from one to the next without a pause.

    Losing the key loses every token in the vault; keep a copy of it apart from the copies of the vault.
    """


@key_.command("list")
@placed
@json_option
def list_(place: Place, as_json: bool) -> None:
    """List the keys in the keyring and how many sealed values need each of them."""
    existing(place.config)
    ring = keyring(place.config)
    used = keeping(place, _counted)
    rows = [{"id": one, "current": one == ring.current.id, "values": used.pop(one, 0)} for one in ring.ids]
    rows += [{"id": one or None, "current": False, "values": count} for one, count in used.items()]
    emit_list(rows, KEYS, as_json=as_json)


@key_.command("rotate")
@click.option("--rewrap-only", is_flag=True, help="Make no new key; bring everything under the current one.")
@placed
@json_option
def rotate(rewrap_only: bool, place: Place, as_json: bool) -> None:
    """Add a new current key, and wrap every data key in the vault with it, a few connections at a time.

    Everything may go on meanwhile: the old key stays in the keyring and still opens what it sealed, and processes that
    run on learn of the new one by themselves. When it was stopped, begin again with --rewrap-only. Afterwards
    `keeper key retire` takes the old key away.
    """
    config = place.config
    existing(config)
    before = keyring(config)
    if not rewrap_only:
        _add(config)
    done = keeping(place, _rewrap)
    after = keyring(config)
    record = {
        "key": after.current.id, "before": before.current.id, "connections": done.total, "values": done.changed,
        "unreadable": done.unreadable,
    }  # fmt: skip
    emit_one(record, TURNED, as_json=as_json)
    if done.unreadable:
        note(f"{done.unreadable} values could not be read and were left as they are: see keeper key list")
    if before.current.id != after.current.id:
        note(
            f"keep a copy of the new key; once every process has been restarted: keeper key retire {before.current.id}"
        )


@key_.command("retire")
@click.argument("key_id", metavar="KEY")
@click.option("--yes", is_flag=True, help="Do not ask.")
@placed
@json_option
def retire(key_id: str, yes: bool, place: Place, as_json: bool) -> None:
    """Take an old key out of the key file, once nothing in the vault needs it any more.

    A process that has not been restarted since the rotation may still seal under it: restart them first. Copies of the
    vault that are older than the rotation need it for as long as you keep them.
    """
    config = place.config
    existing(config)
    path = _file(config)
    ring = keyring(config)
    if key_id not in ring.ids:
        raise Failure(
            f"{key_id} is not in {path}", hint="see them with: evergrant keeper key list", code=Exit.NOT_FOUND
        )
    needed = keeping(place, _counted)[key_id]
    if needed and key_id != ring.current.id:
        raise Failure(
            f"{needed} values in the vault still need {key_id}", hint="run: evergrant keeper key rotate --rewrap-only",
            code=Exit.CONFLICT,
        )  # fmt: skip
    confirm(f"copies of the vault that need {key_id} cannot be opened any more; go on?", yes=yes)
    from evergrant.entropy import SystemEntropy
    from evergrant.keeper.keyring import retire as retired

    left = retired(path, key_id, SystemEntropy())
    emit_list([{"id": one, "current": one == left.current.id} for one in left.ids], KEYS[:2], as_json=as_json)


async def _rewrap(keeper: Keeper) -> Progress:
    from evergrant.keeper.rewrapping import rewrap_all

    ground = (await keeper.rooms()).ground
    total = max(sum((await ground.vault.counts()).values()), 1)
    with progress(range(total), "sealing under the new key", total) as bar:
        seen = 0

        def moved(now: Progress) -> None:
            nonlocal seen
            for _ in range(now.done - seen):
                next(steps, None)
            seen = max(seen, now.done)

        steps = iter(bar)
        done = await rewrap_all(ground.vault, ground.sealer, ground.clock, moved)
        for _ in steps:
            pass  # a vault without connections, or with fewer than when it was counted
        return done


async def _counted(keeper: Keeper) -> Counter[str]:
    from evergrant.keeper.rewrapping import key_ids

    return await key_ids((await keeper.rooms()).ground.vault)


def _file(config: Config) -> Path:
    """The key file. Raises `Failure` where the keys come from somewhere else."""
    keeper = config.keeper
    if keeper.keys or keeper.keyring:
        where = "the environment or the configuration" if keeper.keys else "the operating system's keyring"
        raise Failure(f"the keys come from {where}, which is yours to change", hint="see docs/keeper/operate.md")
    return key_file(config)


def _add(config: Config) -> None:
    from evergrant.entropy import SystemEntropy
    from evergrant.keeper.keyring import add_current, add_current_to_system

    if config.keeper.keyring:
        add_current_to_system(SystemEntropy(), account=config.keeper.keyring)
    elif config.keeper.keys:
        raise Failure(
            "the keys come from the environment or the configuration, which is yours to change",
            hint="put a new key and a comma before the others, then: evergrant keeper key rotate --rewrap-only",
        )
    else:
        add_current(_file(config), SystemEntropy())


KEYS: Final = (
    Column("id", "key"), Column("current", show=lambda value: "yes" if value else "no"),
    Column("values", "sealed values", right=True),
)  # fmt: skip
TURNED: Final = (
    Column("key", "current key"), Column("before", "key before"), Column("connections"),
    Column("values", "values wrapped anew"), Column("unreadable"),
)  # fmt: skip

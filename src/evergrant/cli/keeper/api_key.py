"""`evergrant keeper api-key`: who may ask the keeper's REST API, for which tenant, and for what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from evergrant.cli.keeper.place import keeping, kept
from evergrant.cli.output import Column, confirm, emit_list, emit_one, emit_secret, instant, json_option, listed, note
from evergrant.cli.place import Place
from evergrant.cli.verbs import Parts

if TYPE_CHECKING:
    from evergrant.domain.secret import Secret
    from evergrant.keeper.keeper import Keeper
    from evergrant.keeper.vault.port import ApiKey


@click.group("api-key", cls=Parts)
def api_key_() -> None:
    """Make, see and revoke the keys with which programs ask the REST API. Each is of one tenant.

    Scopes: connections:read, connections:write, leases, events, admin.
    """


@api_key_.command("add")
@click.argument("name")
@click.option("--scope", "scopes", metavar="SCOPE", multiple=True, required=True,
              help="What it allows, one of those above; may be repeated.")  # fmt: skip
@kept
@json_option
def add(name: str, scopes: tuple[str, ...], tenant: str, place: Place, as_json: bool) -> None:
    """Make a key. It is shown once, alone on standard output, and kept as a digest."""

    async def work(keeper: Keeper) -> tuple[ApiKey, Secret]:
        from evergrant.keeper.serving.api_keys import ApiKeys

        return await ApiKeys(keeper).make(tenant, name, scopes)

    key, secret = keeping(place, work, make=True)
    if as_json:
        emit_one(_record(key) | {"secret": secret.reveal()}, (), as_json=True)
    else:
        note(f"key {key.id} for {key.name}: {listed(key.scopes)}")
        emit_secret(secret.reveal(), "API key")


@api_key_.command("list")
@kept
@json_option
def list_(tenant: str, place: Place, as_json: bool) -> None:
    """List the keys of a tenant, revoked ones too."""

    async def work(keeper: Keeper) -> list[ApiKey]:
        from evergrant.keeper.serving.api_keys import ApiKeys

        return await ApiKeys(keeper).of(tenant)

    emit_list(map(_record, keeping(place, work)), COLUMNS, as_json=as_json, none="no keys")


@api_key_.command("revoke")
@click.argument("key_id", metavar="KEY")
@click.option("--yes", is_flag=True, help="Do not ask.")
@kept
@json_option
def revoke(key_id: str, yes: bool, tenant: str, place: Place, as_json: bool) -> None:
    """Revoke a key. A running server refuses it within a second."""

    async def work(keeper: Keeper) -> ApiKey:
        from evergrant.keeper.serving.api_keys import ApiKeys

        return await ApiKeys(keeper).end(tenant, key_id)

    confirm(f"whoever uses {key_id} is refused from now on; go on?", yes=yes)
    emit_one(_record(keeping(place, work)), COLUMNS, as_json=as_json)


def _record(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id, "tenant": key.tenant or None, "name": key.name, "scopes": list(key.scopes),
        "made_at": key.made_at, "used_at": key.used_at or None, "ended_at": key.ended_at or None,
    }  # fmt: skip


COLUMNS: Final = (
    Column("id", "key"), Column("name"), Column("scopes", show=listed), Column("made_at", "made", instant),
    Column("used_at", "last used", instant), Column("ended_at", "revoked", instant),
)  # fmt: skip

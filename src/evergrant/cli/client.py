"""`evergrant client`: the applications people sign in to, and the services that act for themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from evergrant.cli.kinds import Word
from evergrant.cli.output import emit_list, emit_one, emit_secret, json_option, shown_once
from evergrant.cli.place import Place, change, placed, read
from evergrant.cli.registration import (
    COLUMNS,
    LIST_COLUMNS,
    SIGN_IN_SCOPES,
    changes,
    judge,
    record,
    registration_options,
)
from evergrant.domain.client import AUTHORIZATION_CODE, Client, ClientType
from evergrant.domain.registration import GRANTS_OF, METHODS, PRESET_OF

if TYPE_CHECKING:
    from evergrant.assembly import House
    from evergrant.domain.secret import Secret

SECRET: Final = "client secret"


@click.group("client")
def client_() -> None:
    """Register applications, change them, give them new secrets.

    A client is named by its id (cli_…) or by its name.
    """


@client_.command("add")
@click.argument("name")
@click.option("--type", "type_", type=Word(ClientType), required=True,
              help="What it is: a script in a browser (spa), an installed application (native), a web application with "
                   "a server (web), or a service without users (service). Decides every default below.")  # fmt: skip
@registration_options(update=False)
@placed
@json_option
def add(name: str, type_: ClientType, place: Place, as_json: bool, **said: Any) -> None:
    """Register an application.

    A client that can keep a secret gets one; it is printed once. With --json the document has it under `secret`.
    """
    client, secret = change(place, lambda house: _added(house, name, type_, changes(said)), make=True)
    if as_json:
        emit_one({**record(client), "secret": secret.reveal() if secret else None}, COLUMNS, as_json=True)
        if secret:
            shown_once(SECRET)
        return
    emit_one(record(client), COLUMNS, as_json=False)
    if secret:
        emit_secret(secret.reveal(), SECRET)


async def _added(house: House, name: str, type_: ClientType, said: dict[str, Any]) -> tuple[Client, Secret | None]:
    grants = said.get("grant_types", GRANTS_OF[type_])
    alg = house.config.keys.default_alg
    defaults = {
        "auth_method": METHODS[type_], "preset": PRESET_OF[type_], "grant_types": grants, "redirect_uris": (),
        "scopes": SIGN_IN_SCOPES if AUTHORIZATION_CODE in grants else (), "id_token_alg": alg, "access_token_alg": alg,
    }  # fmt: skip
    client = Client(
        id=house.clients.new_id(), name=name, type=type_, created_at=house.clock.now(), **{**defaults, **said}
    )
    judge(client, house.config)
    return await house.clients.add(client)


@client_.command("list")
@placed
@json_option
def list_(place: Place, as_json: bool) -> None:
    """List every client."""
    from evergrant.issuer.service.clients import every

    found = read(place, lambda tx: [record(client) for client in every(tx)])
    emit_list(found, LIST_COLUMNS, as_json=as_json, none="no clients yet; register one with: evergrant client add")

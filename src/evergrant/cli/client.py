"""`evergrant client`: the applications people sign in to, and the services that act for themselves."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import click

from evergrant.cli.kinds import DAY, Seconds, Word
from evergrant.cli.output import (
    confirm,
    emit_line,
    emit_list,
    emit_one,
    emit_secret,
    instant,
    json_option,
    note,
    plural,
    shown_once,
)
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
from evergrant.cli.verbs import Parts
from evergrant.domain.client import AUTHORIZATION_CODE, Client, ClientType
from evergrant.domain.registration import GRANTS_OF, METHODS, PRESET_OF

if TYPE_CHECKING:
    from evergrant.assembly import House
    from evergrant.domain.secret import Secret

SECRET: Final = "client secret"


@click.group("client", cls=Parts)
def client_() -> None:
    """Register applications, change them, give them new secrets.

    A client is named by its id (cli_…) or by its name.
    """


@client_.command("add")
@click.argument("name")
@click.option("--type", "type_", type=Word(ClientType), required=True,
              help="What it is: a script in a browser (spa), an installed application (native), a web application "
                   "with a server (web), or a service without users. Decides the defaults below.")  # fmt: skip
@registration_options(update=False)
@placed
@json_option
def add(name: str, type_: ClientType, place: Place, as_json: bool, **said: Any) -> None:
    """Register an application.

    Those that sign people in get the scopes openid, profile, email and offline_access unless --scope says otherwise,
    and need a --redirect-uri. A client that can keep a secret gets one, which is printed once; with --json it is in the
    document, under `secret`.

    \b
    Examples:
      evergrant client add "Web shop" --type spa --redirect-uri https://shop.example.com/callback
      evergrant client add "Nightly report" --type service --scope reports:write
    """  # noqa: D301  click's own mark for lines that stay as they are
    client, secret = change(place, lambda house: _added(house, name, type_, changes(said)), make=True)
    _show(client, secret, as_json=as_json)


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


def _show(client: Client, secret: Secret | None, *, as_json: bool) -> None:
    if as_json:
        emit_one({**record(client), "secret": secret.reveal() if secret else None}, COLUMNS, as_json=True)
        if secret:
            shown_once(SECRET)
        return
    emit_one(record(client), COLUMNS, as_json=False)
    if secret:
        emit_secret(secret.reveal(), SECRET)


@client_.command("list")
@placed
@json_option
def list_(place: Place, as_json: bool) -> None:
    """List every client."""
    from evergrant.issuer.service.clients import every

    found = read(place, lambda tx: [record(client) for client in sorted(every(tx), key=lambda each: each.name)])
    emit_list(found, LIST_COLUMNS, as_json=as_json, none="no clients yet; register one with: evergrant client add")


@client_.command("show")
@click.argument("client")
@placed
@json_option
def show(client: str, place: Place, as_json: bool) -> None:
    """Show one client's registration. Its secrets are stored as digests and cannot be shown."""
    from evergrant.issuer.service.clients import wanted

    emit_one(read(place, lambda tx: record(wanted(tx, client))), COLUMNS, as_json=as_json)


@client_.command("update")
@click.argument("client")
@click.option("--name", metavar="NAME", help="Another name.")
@registration_options(update=True)
@placed
@json_option
def update(client: str, place: Place, as_json: bool, **said: Any) -> None:
    """Change what is said here, and leave the rest.

    A running server knows within a second. Families that exist keep the lifetimes they were given; a scope that is
    taken away is missing from the next refresh on.
    """
    wished = changes(said)

    async def work(house: House) -> Client:
        held = await house.clients.find(client)
        judge(replace(held, **wished), house.config)
        return await house.clients.update(held.id, **wished) if wished else held

    changed = change(place, work)
    emit_one(record(changed), COLUMNS, as_json=as_json)
    if not wished:
        note("nothing was said, so nothing was changed; see: evergrant client update --help")
    elif changed.confidential and not changed.secrets:
        note(f"it has no secret yet; give it one with: evergrant client rotate-secret {changed.id}")


@client_.command("rotate-secret")
@click.argument("client")
@click.option("--overlap", type=Seconds(0, 90 * DAY), default="1d", show_default=True,
              help="How long the old secret goes on working; 0 ends it at once, as after a leak.")  # fmt: skip
@placed
@json_option
def rotate_secret(client: str, overlap: int, place: Place, as_json: bool) -> None:
    """Give a client a new secret, which is printed once.

    The old one goes on working for the overlap, so that every instance of the application can be given the new one.
    """
    changed, secret = change(place, lambda house: house.clients.rotate_secret(client, overlap))
    if as_json:
        emit_one({**record(changed), "secret": secret.reveal()}, COLUMNS, as_json=True)
        shown_once(SECRET)
    else:
        emit_secret(secret.reveal(), SECRET)
    old = changed.secrets[:-1]
    note(f"the old secret works until {instant(old[-1].ends_at)}" if old else "no older secret works any more")


@client_.command("delete")
@click.argument("client")
@click.option("--yes", is_flag=True, help="Do not ask.")
@placed
@json_option
def delete(client: str, yes: bool, place: Place, as_json: bool) -> None:
    """Delete a client. Every family it has ends at once, and every consent given to it is forgotten."""
    from evergrant.issuer.service.clients import wanted

    held = read(place, lambda tx: wanted(tx, client))
    confirm(f"delete the client {held.name} and end every family it has?", yes=yes)
    gone, count = change(place, lambda house: house.clients.delete(held.id))
    if as_json:
        emit_line({"id": gone.id, "name": gone.name, "families_ended": count})
    note(f"deleted the client {gone.name} ({gone.id}); {plural(count, 'family', 'families')} ended")

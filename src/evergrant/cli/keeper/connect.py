"""`evergrant keeper connect`: send somebody to a provider, and keep the tokens they come back with."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

import click

from evergrant.cli.keeper.listing import pairs
from evergrant.cli.keeper.place import keeping, kept
from evergrant.cli.keeper.records import ONE, record
from evergrant.cli.output import Failure, duration, emit_one, json_option, note
from evergrant.cli.place import Place

if TYPE_CHECKING:
    from evergrant.keeper.connection import Connection
    from evergrant.keeper.keeper import Keeper
    from evergrant.keeper.service.device import Prompt
    from evergrant.keeper.service.told import Connected

MYSELF: Final = "me"
PATIENCE: Final = 300


@click.command("connect")
@click.argument("client", metavar="PROVIDER", required=False, default="")
@click.option(
    "--account", metavar="NAME", help="Your own name for the account.  [default: the only one there is, or me]"
)
@click.option("--scope", "scopes", metavar="SCOPE", multiple=True, help="What to ask for; may be repeated.")
@click.option("--device", is_flag=True, help="Show a code to enter on another device, instead of a browser here.")
@click.option("--no-browser", is_flag=True, help="Print the address, and open nothing.")
@click.option("--within", metavar="SECONDS", type=click.IntRange(1, 3600), default=PATIENCE, show_default=True,
              help="How long to wait for somebody to come back.")  # fmt: skip
@click.option("--value", "values", metavar="NAME=VALUE", multiple=True,
              help="What fills a gap in the provider's addresses, such as shop=my-shop; may be repeated.")  # fmt: skip
@click.option("--tag", "tags", metavar="KEY=VALUE", multiple=True, help="To find it again; may be repeated.")
@click.option("--issuer", metavar="URL", help="Any OpenID Connect or RFC 8414 issuer, by its address alone.")
@click.option("--client-id", metavar="ID", help="With --issuer: the client's id there.")
@click.option("--secret-stdin", is_flag=True, help="With --issuer: read the client's secret from standard input.")
@kept
@json_option
def connect_(
    client: str, account: str | None, scopes: tuple[str, ...], device: bool, no_browser: bool, within: int,
    values: tuple[str, ...], tags: tuple[str, ...], issuer: str | None, client_id: str | None, secret_stdin: bool,
    tenant: str, place: Place, as_json: bool,
) -> None:  # fmt: skip
    """Connect an account with a browser on this machine, or with a code on another device.

    The browser comes back to a port of 127.0.0.1: register http://127.0.0.1/callback/PROVIDER at the provider. An
    account that is connected already is connected again; what it had works on until the new tokens are there.

    PROVIDER is the name of a client in the configuration. With --issuer a client that is not there yet is written into
    the configuration file first.
    """
    if issuer:
        from evergrant.cli.keeper.registering import register

        client = register(place, client, issuer, client_id, secret_stdin=secret_stdin)
    elif not client:
        raise Failure("which provider?", hint="name a client of the configuration, or an issuer: --issuer URL")
    more: dict[str, Any] = {
        "tags": pairs(tags, "--tag"), "values": pairs(values, "--value"), "tenant": tenant,
    }  # fmt: skip

    async def work(keeper: Keeper) -> Connected:
        whose, before = await _who(keeper, client, account, tenant)
        # Only whoever connected an account may do so again, and it is asked for no less than it was.
        user = before.user if before is not None else whose
        more["scopes"] = scopes or (before.asked_scope if before is not None else ())
        if device:
            return await keeper.connect_device(client, whose, lambda prompt: _show(prompt, keeper), user=user, **more)
        opening = _print if no_browser else _open
        return await keeper.connect_here(client, whose, opening, within=within, user=user, **more)

    done = keeping(place, work, make=True)
    emit_one(record(done.connection) | _told(done), ONE, as_json=as_json)
    if done.missing:
        note(f"not granted: {' '.join(done.missing)}")
    if done.advice:
        note(done.advice)
    note(f"connected; an access token: evergrant keeper token {client}")


async def _who(keeper: Keeper, client: str, account: str | None, tenant: str) -> tuple[str, Connection | None]:
    """The account to connect, and its connection as it is."""
    from evergrant.keeper.connection import Health

    (await keeper.rooms()).ground.client(client)
    found = await keeper.list(tenant=tenant, client=client, account=account or "", limit=2)
    known = [one for one in found if account is not None or one.health is not Health.REVOKED]
    if account is None and len(known) > 1:
        raise Failure(
            f"several accounts are known at {client}", hint="say which one, or name a new one: --account NAME"
        )
    if known:
        return known[0].account, known[0]
    return account or MYSELF, None


def _told(done: Connected) -> dict[str, Any]:
    return {
        "reconnected": done.reconnected, "missing": list(done.missing), "refreshable": done.refreshable,
        "advice": done.advice or None,
    }  # fmt: skip


def _open(url: str) -> None:
    """Open the browser beside us: some browsers end only when their window does."""
    import webbrowser

    _print(url)
    threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()


def _print(url: str) -> None:
    note(f"open this address in a browser on this machine: {url}")


async def _show(prompt: Prompt, keeper: Keeper) -> None:
    now = (await keeper.rooms()).ground.clock.now()
    note(f"on any device, open {prompt.verification_uri}")
    note(f"and enter the code {prompt.user_code}, within {duration(max(prompt.expires_at - now, 0))}")

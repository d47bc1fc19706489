"""`evergrant keeper token`: an access token that works, alone on a line, for scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from evergrant.cli.keeper.place import keeping, kept
from evergrant.cli.keeper.whose import account_of, named
from evergrant.cli.output import Failure, emit_one, emit_text, json_option
from evergrant.cli.place import Place

if TYPE_CHECKING:
    from evergrant.keeper.keeper import Keeper
    from evergrant.keeper.service.lease import Lease

CALLER: Final = "command line"


@click.command("token")
@named
@click.option(
    "--record", metavar="NAME", default="", help="Which one, where a provider gives several (Slack: bot, user)."
)
@click.option("--header", is_flag=True, help="Print the whole header that presents it, fit for curl -H.")
@click.option(
    "--for",
    "request",
    nargs=2,
    metavar="METHOD URL",
    default=("", ""),
    help="The request it is for, where tokens are bound to a key (DPoP): the headers then prove the key for it.",
)
@click.option("--rejected", is_flag=True, help="The API has answered 401 to the token you had: print a newer one.")
@kept
@json_option
def token_(
    client: str,
    account: str | None,
    record: str,
    header: bool,
    request: tuple[str, str],
    rejected: bool,
    tenant: str,
    place: Place,
    as_json: bool,
) -> None:
    """Print a fresh access token, and nothing else on standard output.

    It comes from the vault while it is good, and is refreshed first when it is not: never twice at once, however many
    ask. Ask for it where it is used, and keep it nowhere.

    \b
    curl -H "Authorization: Bearer $(evergrant keeper token github)" https://api.github.com/user
    curl -H "$(evergrant keeper token github --header)" https://api.github.com/user
    """  # noqa: D301  click's own mark for lines that stay as they are

    async def work(keeper: Keeper) -> Lease:
        whose = await account_of(keeper, client, account, tenant)
        lease = await keeper.lease(client, whose, tenant=tenant, record=record, caller=CALLER)
        return await keeper.report_unauthorized(lease, caller=CALLER) if rejected else lease

    lease = keeping(place, work)
    if as_json:
        emit_one(_record(lease, request), (), as_json=True)
    elif header:
        emit_text("\n".join(f"{name}: {value}" for name, value in _headers(lease, request).items()))
    else:
        emit_text(lease.token.reveal())


def _headers(lease: Lease, request: tuple[str, str]) -> dict[str, str]:
    if lease.prover is not None and not all(request):
        raise Failure(
            "this token is bound to a key, and its headers are for one request",
            hint="say which: evergrant keeper token … --header --for GET https://…",
        )
    return lease.headers(*request)


def _record(lease: Lease, request: tuple[str, str]) -> dict[str, Any]:
    return {
        "token": lease.token.reveal(), "headers": _headers(lease, request), "token_type": lease.token_type,
        "version": lease.version, "safe_until": lease.safe_until or None, "scope": list(lease.scope),
        "client": lease.client, "account": lease.account, "record": lease.record, "connection": lease.connection_id,
        "health": lease.health,
        "fields": dict(lease.fields),
    }  # fmt: skip

"""`evergrant keeper provider`: who is known, what is known of them, and how sure that is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from evergrant.cli.keeper.place import told
from evergrant.cli.output import Column, Exit, emit_list, emit_one, emit_text, json_option, listed, note, yes_or_no
from evergrant.cli.place import Place, placed
from evergrant.cli.verbs import Parts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evergrant.keeper.provider.check import Report
    from evergrant.keeper.provider.model import Provider


@click.group("provider", cls=Parts)
def provider_() -> None:
    """See which providers are known, and check a provider's file.

    A provider is a file of facts: addresses, how a client proves itself, how refresh tokens behave, how long what
    lives. Files of your own are found in the folder that keeper.providers names.
    """


@provider_.command("list")
@placed
@json_option
def list_(place: Place, as_json: bool) -> None:
    """List every provider with what decides how its tokens are kept."""
    from evergrant.keeping.configured import catalog

    with told():
        known = catalog(place.config)
        records = [_summary(known.get(one)) for one in known.ids()]
    emit_list(records, COLUMNS, as_json=as_json)


@provider_.command("show")
@click.argument("provider_id", metavar="ID")
@placed
@json_option
def show(provider_id: str, place: Place, as_json: bool) -> None:
    """Show the facts of one provider, as they hold with the overrides of its file alone."""
    from evergrant.keeping.configured import catalog

    with told():
        known = catalog(place.config)
        record = _facts(known.get(provider_id)) | {"file": str(known.file(provider_id))}
    emit_one(record, [Column(key, show=_text) for key, value in record.items() if _stated(value)], as_json=as_json)


@provider_.command("check")
@click.argument("which", metavar="FILE_OR_ID")
@placed
@json_option
def check(which: str, place: Place, as_json: bool) -> int:
    """Check a provider's file: what is wrong, what nobody has verified, and how old it is.

    It says what each gap makes the keeper do, too. Text with a slash or with the ending .toml is a file. The exit code
    is 6 when the file cannot be used.
    """
    import os
    from datetime import UTC, datetime

    from evergrant.clock import clock_from_environment
    from evergrant.keeper.provider.check import check as checked
    from evergrant.keeping.configured import catalog

    now = clock_from_environment(os.environ).now()
    with told():
        report = checked(which, today=datetime.fromtimestamp(now, UTC).date(), catalog=catalog(place.config))
    if as_json:
        emit_one(_report(report), (), as_json=True)
    else:
        emit_text(report.text())
        if report.unverified:
            note(f"look up what is not verified before you rely on it: {len(report.unverified)} facts")
    return Exit.OK if report.ok else Exit.NOT_READY


def _summary(provider: Provider) -> Mapping[str, Any]:
    from evergrant.keeper.provider.check import lost_reply

    return {
        "id": provider.id, "name": provider.name, "refresh_tokens": provider.refresh_tokens,
        "rotates": provider.rotates, "retry": provider.retry, "grace": provider.grace,
        "lost_reply": lost_reply(provider), "device": bool(provider.device_url),
        "revoke": provider.revoke.verb, "unverified": len(provider.unverified), "checked_on": provider.checked_on,
        "notes": dict(provider.notes),
    }  # fmt: skip


def _facts(provider: Provider) -> dict[str, Any]:
    import dataclasses

    found = {name: _plain(value) for name, value in dataclasses.asdict(provider).items()}
    found["records"] = {one["name"]: one["reply"] for one in found["records"]}
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def _stated(value: Any) -> bool:
    return value not in (None, "", [], {}, False)


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return listed(f"{key}={_text(inner)}" for key, inner in value.items() if _stated(inner))
    return (
        "; ".join(map(_text, value)) if isinstance(value, list) else yes_or_no(value) if value is True else str(value)
    )


def _report(report: Report) -> Mapping[str, Any]:
    return {
        "id": report.id, "file": report.file, "ok": report.ok, "problems": list(report.problems),
        "warnings": list(report.warnings), "unverified": list(report.unverified), "unknown": dict(report.unknown),
        "lost_reply": report.lost_reply or None, "revocation": report.revocation or None,
        "checked_on": report.checked_on or None, "age_days": report.age_days,
    }  # fmt: skip


COLUMNS: Final = (
    Column("id", "provider"), Column("name"), Column("refresh_tokens", "refresh tokens", yes_or_no), Column("rotates"),
    Column("retry", "lost reply"), Column("device", show=yes_or_no), Column("revoke", "revoked by"),
    Column("unverified", "not verified", right=True), Column("checked_on", "checked on"),
)  # fmt: skip

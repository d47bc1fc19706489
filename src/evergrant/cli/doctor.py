"""`evergrant doctor`: what is not fit for production, why, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from evergrant.cli.output import Exit, emit_one, emit_text, json_option, note, plural
from evergrant.cli.place import Place, existing, finished, placed, reading
from evergrant.keeping.places import vault_path

if TYPE_CHECKING:
    from evergrant.cli.checks import Finding
    from evergrant.cli.checks.facts import Facts
    from evergrant.config import Config


@click.command("doctor")
@placed
@json_option
def doctor_(place: Place, as_json: bool) -> int:
    """Look at everything that a team forgets before it goes live.

    Each line is ok, warn or fail; warnings and failures say why they matter and what to do. Nothing is changed. While
    the server runs, it is asked as well. A keeper's vault in the same place is looked at too; where there is no issuer,
    `evergrant keeper doctor` looks at it alone. The exit code is 6 when something failed.
    """
    found = list(_findings(place))
    config = place.config
    if config.keeper.vault_url or vault_path(config).exists():
        from evergrant.cli.keeper.doctor import findings

        found += findings(config, vault_path(config))
    return report(found, as_json=as_json)


def report(found: list[Finding], *, as_json: bool) -> int:
    """Print findings, and return the exit code that they mean."""
    from evergrant.cli.checks import Verdict

    worst = next((v for v in (Verdict.FAIL, Verdict.WARN) if any(each.verdict is v for each in found)), Verdict.OK)
    if as_json:
        emit_one({"verdict": worst, "checks": [_record(finding) for finding in found]}, (), as_json=True)
    else:
        for finding in found:
            emit_text(_lines(finding))
        note(_summary(found))
    return Exit.NOT_READY if worst is Verdict.FAIL else Exit.OK


def _findings(place: Place) -> Iterator[Finding]:
    import os

    from evergrant.cli.checks import Verdict
    from evergrant.cli.checks.address import address
    from evergrant.cli.checks.database import database
    from evergrant.cli.checks.files import files
    from evergrant.cli.checks.finding import fail
    from evergrant.clock import clock_from_environment
    from evergrant.store.port import StoreUnavailable, StoreUnusable

    config = place.config
    where, clock = existing(config), clock_from_environment(os.environ)
    yield from address(config)
    held = files(config, where.file, clock) if where.file is not None else database(config, where.url, clock)
    at_rest = list(held)
    yield from at_rest
    if any(finding.check == "database" and finding.verdict is Verdict.FAIL for finding in at_rest):
        return
    try:
        facts = finished(lambda: _facts(place))
    except (StoreUnusable, StoreUnavailable) as error:
        yield fail("store", str(error), "nothing in it can be looked at", "restore it, or upgrade Evergrant")
        return
    yield from _about(config, facts, clock.now(), simulated=clock.simulated)


async def _facts(place: Place) -> Facts:
    from evergrant.cli.checks.facts import gather

    async with reading(place) as room:
        now = room.clock.now()
        return await room.store.read(lambda tx: gather(tx, now))


def _about(config: Config, facts: Facts, now: int, *, simulated: bool) -> Iterator[Finding]:
    from evergrant.cli.checks import registrations, running, signing, trail

    yield from signing.opening(config, facts)
    yield from signing.turns(config, facts, now)
    yield from registrations.registrations(config, facts, now)
    yield trail.clock(facts, now, simulated=simulated)
    yield trail.retention(config, facts, now)
    yield from trail.alarms(facts)
    yield from running.running(config, facts)


def _record(finding: Finding) -> dict[str, str | None]:
    return {name: text or None for name, text in finding._asdict().items()}


def _lines(finding: Finding) -> str:
    lines = [f"{finding.verdict:<4}  {finding.check}: {finding.said}"]
    lines += [f"      {word}: {text}" for word, text in (("why", finding.why), ("do", finding.todo)) if text]
    return "\n".join(lines)


def _summary(found: list[Finding]) -> str:
    from evergrant.cli.checks import Verdict

    failed = sum(each.verdict is Verdict.FAIL for each in found)
    warned = sum(each.verdict is Verdict.WARN for each in found)
    if failed:
        return (
            f"not fit for production: {plural(failed, 'failure', 'failures')}, {plural(warned, 'warning', 'warnings')}"
        )
    return f"fit for production, with {plural(warned, 'warning', 'warnings')}" if warned else "fit for production"

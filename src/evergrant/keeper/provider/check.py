"""What is to be said of one provider's file: what is wrong, what nobody verified, what each gap makes the keeper do.

What lives here: the report and its text. What must not: the rules themselves (`rules`), the verb that prints (the
command line).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final

from evergrant.keeper.provider.catalog import Catalog
from evergrant.keeper.provider.document import read_document
from evergrant.keeper.provider.load import judged
from evergrant.keeper.provider.model import Provider, Retry, ReuseEffect, RevokeVerb, Rotates, Stands
from evergrant.keeper.provider.problem import BadProvider
from evergrant.keeper.provider.reading import read_facts
from evergrant.keeper.provider.schema import FACTS, UNKNOWN

STALE_DAYS: Final = 180
"""Facts older than this are worth reading again."""
_ABOUT_REFRESH: Final = frozenset({
    "refresh_idle", "refresh_hard", "rotates", "retry", "reuse_effect", "dead_grant",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Report:
    """*unknown*: fact to what the keeper does for want of it. *age_days*: None when there is no readable day."""

    id: str
    file: str
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    unverified: tuple[str, ...] = ()
    unknown: Mapping[str, str] = field(default_factory=dict)
    lost_reply: str = ""
    revocation: str = ""
    checked_on: str = ""
    age_days: int | None = None

    @property
    def ok(self) -> bool:
        """Whether the file can be used."""
        return not self.problems

    def text(self) -> str:
        """The report for a terminal, plain, with an empty line between its parts."""
        return "\n".join(_lines(self))


def check(which: str | Path, *, today: date, catalog: Catalog | None = None) -> Report:
    """Check a provider of the catalog by its id, or a file by its path.

    Text with a slash or with the ending .toml is a path. Raises `UnknownProvider` for an id that there is not; whatever
    is wrong with a file is in the report.
    """
    is_path = isinstance(which, Path) or "/" in which or which.endswith(".toml")
    path = Path(which) if is_path else (catalog or Catalog.shipped()).file(str(which))
    try:
        document = read_document(path)
    except BadProvider as error:
        return Report(path.stem, str(path), tuple(str(problem) for problem in error.problems))
    provider, problems = judged(document, path.stem)
    stated = read_facts(document.values, document.place, whole=False).names
    age = _age(provider.checked_on, today)
    return Report(
        id=path.stem,
        file=str(path),
        problems=tuple(str(problem) for problem in problems),
        warnings=tuple(_warnings(provider, document.values, age)),
        unverified=provider.unverified,
        unknown=dict(_unknown(provider, stated)),
        lost_reply=lost_reply(provider),
        revocation=revocation(provider),
        checked_on=provider.checked_on,
        age_days=age,
    )


def lost_reply(provider: Provider) -> str:
    """What the keeper does when a refresh was sent and no answer came."""
    retry, grace = provider.retry, provider.grace or 0
    if not provider.refresh_tokens:
        return "there are no refresh tokens, so no reply can be lost"
    if retry is Retry.SAFE or provider.rotates is Rotates.NEVER or provider.reuse_effect is ReuseEffect.OLD_STILL_VALID:
        return "the same refresh token is sent again until an answer comes"
    if retry is Retry.UNTIL_SUCCESSOR_USED:
        most = f", for {duration(grace)} at most" if grace else ""
        return f"the same refresh token is sent again until an answer comes{most}"
    if retry in {Retry.WINDOW, Retry.CONFIGURABLE} and grace:
        return f"the same refresh token is sent again for {duration(grace)}; later on {_without_promise(provider)}"
    return _without_promise(provider)


def _without_promise(provider: Provider) -> str:
    if provider.reuse_effect is ReuseEffect.CLIENT_USER_REVOKED:
        return "nothing is sent again, because that would end the user's other connections too: the user reconnects"
    if provider.retry in {Retry.UNKNOWN, Retry.CONFIGURABLE} and not provider.grace:
        return (
            "the same refresh token is sent again once, at once; after that only when the access token is about to end"
        )
    if provider.kills_old_access_token and provider.probe_url:
        return "a call with the old access token tells whether the refresh happened"
    return "the access token serves on until it is about to end; then the same refresh token is sent once more"


def revocation(provider: Provider) -> str:
    """How a connection is ended at the provider, and what else ends."""
    revoke = provider.revoke
    if revoke.verb is RevokeVerb.NONE:
        return revoke.blast_radius
    return f"{revoke.method} {revoke.url} with the {revoke.token.replace('_', ' ')}. Ends: {revoke.blast_radius}"


def duration(seconds: int) -> str:
    """Seconds in the largest unit that says them exactly."""
    for size, unit in ((31_536_000, "year"), (86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size and seconds % size == 0:
            count = seconds // size
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{seconds} second{'' if seconds == 1 else 's'}"


def _unknown(provider: Provider, stated: frozenset[str]) -> Iterator[tuple[str, str]]:
    gaps = {fact.name: fact.unknown for fact in FACTS if fact.unknown} | UNKNOWN
    for name, effect in gaps.items():
        pointless = not provider.refresh_tokens and name in _ABOUT_REFRESH
        pointless |= name == "reuse_effect" and (provider.rotates is Rotates.NEVER or provider.retry is Retry.SAFE)
        pointless |= name == "issuer" and bool(provider.discovery_url)
        if name not in stated and not pointless:
            yield name, effect


def _warnings(provider: Provider, values: Mapping[str, object], age: int | None) -> Iterator[str]:
    if age is not None and age > STALE_DAYS:
        yield f"the facts are {age} days old; read the sources again and set checked_on"
    if age is not None and age < 0:
        yield "checked_on is a day that has not come yet"
    if provider.retry is Retry.CONFIGURABLE:
        yield "whether a lost reply may be repeated is set at the provider: override retry and grace as yours is"
    if provider.rotates is Rotates.OPTIONAL:
        yield "rotation is set at the provider: override rotates as yours is"
    if "loopback_http" in values:
        yield "loopback_http is for trying things out; no real provider needs it"
    for name in provider.placeholders:
        rule = provider.fills[name]
        if rule.stands is Stands.HOST and not rule.hosts:
            yield f"{{{name}}} may be any host, and secrets go there: say which in placeholders.{name}.hosts"
    for name in ("retry", "grace", "revoke.url"):
        if name in provider.unverified:
            yield f"{name} is not verified, and a mistake there costs connections: look it up before you rely on it"


def _age(checked_on: str, today: date) -> int | None:
    try:
        return (today - date.fromisoformat(checked_on)).days
    except ValueError:
        return None


def _lines(report: Report) -> Iterator[str]:
    age = "" if report.age_days is None else f", {report.age_days} days ago"
    yield f"{report.id}: {'can be used' if report.ok else 'cannot be used'}"
    yield f"  {report.file}"
    if report.checked_on:
        yield f"  facts compared with their sources on {report.checked_on}{age}"
    for title, entries in (("Wrong", report.problems), ("Mind", report.warnings)):
        if entries:
            yield from ("", f"{title}:", *(f"  {entry}" for entry in entries))
    if report.unverified:
        yield from ("", "Not verified, taken from general knowledge:", f"  {', '.join(report.unverified)}")
    if report.unknown:
        yield from ("", "Unknown, and what the keeper does:")
        yield from (f"  {name}: {effect}" for name, effect in report.unknown.items())
    if report.lost_reply:
        yield from ("", "When the reply of a refresh is lost:", f"  {report.lost_reply}")
    if report.revocation:
        yield from ("", "Disconnecting:", f"  {report.revocation}")

"""Write docs/reference/providers.md from the providers' files and their schema: `python docs/generate/providers.py`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from evergrant.keeper.provider.catalog import Catalog
from evergrant.keeper.provider.check import duration, lost_reply, revocation
from evergrant.keeper.provider.model import Provider, Retry
from evergrant.keeper.provider.schema import (
    FACTS,
    LISTED,
    MEANINGS,
    NAMED,
    OF_CONNECTION,
    SECTIONS,
    UNKNOWN,
    Fact,
)  # fmt: skip

PAGE: Final = Path(__file__).parent.parent / "reference" / "providers.md"

_INTRODUCTION: Final = """\
<!-- Made by docs/generate/providers.py from src/evergrant/keeper/providers and the schema; edit there, not here. -->

# Providers

What differs between other people's authorization servers is data: one TOML file per provider, with its sources and the
day on which somebody compared the facts with them. A fact that is missing is unknown, never "no", and the keeper has a
careful way for each. Facts that rest on general knowledge are marked; look them up before you rely on them.

- `evergrant keeper provider list` shows them, `provider show ID` one of them with its overrides, `provider check FILE`
  what is wrong with a file, what is unverified, and what each gap makes the keeper do.
- **A provider of your own** is a file in a folder of yours; its name is the provider's id. A file named as one that is
  shipped replaces it. Begin it with `#:schema` and the path of
  [provider.schema.json](../../src/evergrant/keeper/providers/provider.schema.json): your editor checks it as you type.
- **Any OpenID Connect or OAuth server** that describes itself (OpenID Connect Discovery, RFC 8414) needs no file: its
  issuer's address is enough.
- **Overrides** change facts for a deployment or a client of yours: tables are merged, an empty text removes an entry,
  all else is replaced. For a single connection only facts about how its tokens behave can be overridden, because a
  connection's overrides may come from an application: never where codes and secrets are sent.
- **Placeholders** such as `{tenant}` are filled by the deployment, by the connection, or by the callback, with plain
  host names, labels and path segments only.

```toml
name = "Example"
checked_on = "2026-11-21"
sources = ["https://developers.example.com/oauth"]
authorize_url = "https://{tenant}.example.com/authorize"
token_url = "https://{tenant}.example.com/token"
client_auth = ["basic"]
access_lifetime = 3600
rotates = "always"
retry = "window"
grace = 60

[placeholders.tenant]
stands = "label"

[revoke]
verb = "rfc7009"
url = "https://{tenant}.example.com/revoke"
blast_radius = "The refresh token and its access tokens."
```

A provider that describes itself, found by its issuer's address:

```python
from evergrant.keeper.provider.catalog import Catalog
from evergrant.keeper.provider.discovery import discover
from evergrant.keeper.wire.fetch import Fetcher

catalog = Catalog.shipped()
catalog.add(await discover("https://id.example.com", Fetcher(), provider_id="example"))
```

The document must call itself exactly what was asked for. No redirect is followed, and no address of this machine or
of a private network is asked unless `Reach` allows it; endpoints at another origin than the issuer are told in quirks.
`evergrant.keeper.provider.writing.written` makes a file of what was found, to be completed with what no document says:
whether refresh tokens rotate, how long they live, whether a lost reply may be repeated.

## At a glance

Lost reply: whether the refresh token of a request whose answer never came may be sent again.

| provider | id | access token | ends unused / whatever happens | rotates | lost reply |
|---|---|---|---|---|---|"""

_ANSWERS: Final = {
    Retry.SAFE: "safe",
    Retry.UNTIL_SUCCESSOR_USED: "until the successor is used",
    Retry.CONFIGURABLE: "a setting",
    Retry.NO: "no",
    Retry.UNKNOWN: "?",
}


def render() -> str:
    """Return the whole page."""
    catalog = Catalog.shipped()
    providers = sorted((catalog.get(each) for each in catalog.ids()), key=lambda each: each.name.lower())
    rows = [_row(provider) for provider in providers]
    parts = [line for provider in providers for line in _part(provider)]
    return "\n".join([_INTRODUCTION, *rows, "", *parts, *_facts(), ""])


def _row(provider: Provider) -> str:
    grace = f", {duration(provider.grace)}" if provider.grace else ""
    lost = "within a window" if provider.retry is Retry.WINDOW else _ANSWERS[provider.retry]
    ends = f"{_life(provider.refresh_idle)} / {_life(provider.refresh_hard)}"
    cells = (
        f"[{provider.name}](#{_anchor(provider.name)})", f"`{provider.id}`", _life(provider.access_lifetime),
        ends if provider.refresh_tokens else "-",
        (provider.rotates.value if provider.rotates else "?") if provider.refresh_tokens else "-",
        lost + grace if provider.refresh_tokens else "-",
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _part(provider: Provider) -> Iterator[str]:
    yield from (f"## {provider.name}", "")
    yield f"`{provider.id}`, compared with its sources on {provider.checked_on} ({_text(provider.seen)})."
    yield ""
    auth = ", ".join(f"`{way.value}`" for way in provider.client_auth)
    yield f"- Client authentication: {auth}."
    for name in provider.placeholders:
        rule = provider.fills[name]
        default = f"; `{rule.default}` unless said otherwise" if rule.default else ""
        yield f"- `{{{name}}}`: {_text(rule.about or rule.stands.value)}{default}."
    if provider.refresh_scope:
        yield f"- Without the scope `{provider.refresh_scope}` there is no refresh token."
    yield f"- When the reply of a refresh is lost, {lost_reply(provider)}."
    if provider.kills_old_access_token:
        yield "- A refresh ends the access token before it."
    limits = provider.limits
    if limits.refresh_tokens_per_user:
        most = f"At most {limits.refresh_tokens_per_user} refresh tokens of one user and client"
        yield f"- {most}: {_text(limits.overflow)}."
    if limits.refreshes and limits.per:
        yield f"- At most {limits.refreshes} refreshes of one refresh token in {duration(limits.per)}."
    yield f"- Disconnecting: {_text(revocation(provider))}"
    yield from (f"- {_text(quirk)}" for quirk in provider.quirks)
    if provider.unverified:
        yield f"- Not verified: {', '.join(f'`{name}`' for name in provider.unverified)}."
    yield f"- Sources: {', '.join(f'<{source}>' for source in provider.sources)}"
    yield ""


def _facts() -> Iterator[str]:
    yield from ("## What a file may state", "")
    yield "Lifetimes are seconds; 0 means that nothing ends by age. *C*: can be overridden for a single connection."
    yield from ("", *_table(FACTS))
    for name, table in SECTIONS.items():
        yield from ("", f"### `[{name}]`", "", f"{_sentence(MEANINGS[name])}.{_gap(name)}", "", *_table(table))
    for name, table in NAMED.items():
        yield from ("", f"### `[{name}.NAME]`", "", f"{_sentence(MEANINGS[name])}.", "", *_table(table))
    for name, table in LISTED.items():
        yield from ("", f"### `{name} = [...]`", "", f"{_sentence(MEANINGS[name])}.{_gap(name)}", "", *_table(table))


def _gap(name: str) -> str:
    return f" While it is unknown: {UNKNOWN[name]}." if name in UNKNOWN else ""


def _table(table: Iterable[Fact]) -> Iterator[str]:
    yield from ("| fact | | meaning | while it is unknown |", "|---|---|---|---|")
    for fact in table:
        marks = ("needed" if fact.needed else "") + ("C" if fact.name in OF_CONNECTION else "")
        yield f"| `{fact.name}` | {marks} | {_text(fact.about)} | {_text(fact.unknown)} |"


def _life(seconds: int | None) -> str:
    if seconds is None:
        return "?"
    return duration(seconds) if seconds else "no end"


def _text(sentence: str) -> str:
    return sentence.replace("<", "&lt;").replace("|", "\\|")


def _sentence(clause: str) -> str:
    return clause[:1].upper() + clause[1:]


def _anchor(title: str) -> str:
    return "".join(each for each in title.lower().replace(" ", "-") if each.isalnum() or each in "-_")


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(render(), encoding="utf-8")
    print(PAGE)

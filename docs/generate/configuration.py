"""Write docs/reference/configuration.md from the table of keys: `python docs/generate/configuration.py`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from evergrant.config import CLIENT_TABLE, RESOURCE_TABLE, TABLE, KeeperClientConfig, Key, ResourceConfig
from evergrant.config.model import DEFAULT_SCOPES, SECTIONS

PAGE: Final = Path(__file__).parent.parent / "reference" / "configuration.md"

_INTRODUCTION: Final = """\
<!-- Made by docs/generate/configuration.py from the table in src/evergrant/config/sections; edit there, not here. -->

# Configuration

One TOML file, named with `--config FILE` or by the variable `EVERGRANT_CONFIG`. Nothing in it is needed for a trial on
one machine; an issuer that others can reach needs `server.issuer`.

- **Who wins**: the command line, then the environment, then the file, then the default.
- **Environment**: every key has a twin, `EVERGRANT_<SECTION>_<KEY>`. Lists are separated by commas. `EVERGRANT_SCOPES`
  and `EVERGRANT_RESOURCE` hold JSON, an object and a list of objects. A client of the keeper is set key by key,
  `EVERGRANT_KEEPER_CLIENT_<NAME>_<KEY>`, or all of them as a JSON object, `EVERGRANT_KEEPER_CLIENT`.
- **Durations** are seconds, or strings such as `"90s"`, `"15m"`, `"12h"`, `"30d"`. **Sizes** are bytes, or strings such
  as `"512B"`, `"64KiB"`, `"1MiB"`.
- **Paths** in the file are relative to the file; elsewhere they are relative to the working directory.
- **Mistakes stop the start**: unknown keys, wrong types, groups half set and values that contradict each other are told
  all at once, each with its file and line. `evergrant config check` tells them without starting.
- `evergrant config show` prints what is in force and where each value was written, without secrets.

```toml
[server]
issuer = "https://id.example.com"

[tokens]
access_lifetime = "5m"

[scopes]
"orders:read" = "See your orders"

[[resource]]
identifier = "https://api.example.com"
scopes = ["orders:read"]

[keeper.client.github_app]
client_id = "Iv1.8a61f9b3a7aba766"
secret_file = "github.secret"
redirect_uri = "https://app.example.com/connected/github"
```
"""

_SCOPES: Final = """\
## `[scopes]`

What the consent page says about each scope, as `scope = "sentence"`. Scopes beyond these defaults are added; an empty
sentence withdraws a default one. A scope that is not described cannot be granted, because people cannot agree to what
they cannot read.
"""


def render() -> str:
    """Return the whole page."""
    parts = [_INTRODUCTION]
    for section, shape in SECTIONS.items():
        parts.append(_section(f"[{section}]", shape, (row for row in TABLE if row.section == section)))
    parts.append(_section("[keeper.client.NAME]", KeeperClientConfig, CLIENT_TABLE))
    parts.append(_section("[[resource]]", ResourceConfig, RESOURCE_TABLE))
    scopes = "\n".join(f"| `{scope}` | {sentence} |" for scope, sentence in DEFAULT_SCOPES.items())
    parts.append(f"{_SCOPES}\n| scope | sentence |\n|---|---|\n{scopes}\n")
    return "\n".join(parts)


def _section(title: str, shape: type[Any], rows: Iterable[Key]) -> str:
    lines = [f"## `{title}`", "", f"{shape.__doc__}", ""]
    for row in rows:
        lines += [f"### `{row.name}`", "", _text(row.doc), "", f"- Accepts {_text(row.kind.expects)}."]
        lines.append(f"- Default: {_default(row)}. {_text(row.why)}")
        if row.section != "resource":
            variable = row.variable.replace(".", "_").replace("_NAME_", "_<NAME>_")
            lines.append(f"- Environment: `{variable}`" + (". Never shown." if row.secret else ""))
        lines.append("")
    return "\n".join(lines)


def _default(row: Key) -> str:
    spelled = row.write(row.default)
    return "none" if spelled in {'""', "{}"} else f"`{spelled}`"


def _text(sentence: str) -> str:
    return sentence.replace("<", "&lt;")


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(render(), encoding="utf-8")
    print(PAGE)

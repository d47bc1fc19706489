"""Write the JSON Schema beside the providers' files: `python docs/generate/provider_schema.py`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from evergrant.keeper.provider.json_schema import FILE, json_schema

PAGE: Final = Path(__file__).parents[2] / "src" / "evergrant" / "keeper" / "providers" / FILE


def render() -> str:
    """Return the whole file."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
    print(PAGE)

"""Writes the README's table of variables and ``.env.example`` from the settings: ``python -m config.reference``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import SecretStr

from aiops.settings import Settings

ROOT = Path(__file__).parent.parent
BEGIN, END = "<!-- variables: begin -->", "<!-- variables: end -->"


def rows() -> list[tuple[str, str, str]]:
    """Return (variable, default, meaning) of every variable."""
    return [
        (str(field.validation_alias), _default(field.default), str(field.description) + _file(field.annotation))
        for field in Settings.model_fields.values()
    ]


def table() -> str:
    """Return the README's table."""
    lines = [f"| `{name}` | {f'`{default}`' if default else ''} | {meaning} |" for name, default, meaning in rows()]
    return "\n".join(["| variable | default | meaning |", "|---|---|---|", *lines])


def example() -> str:
    """Return ``.env.example``."""
    head = "# Copy to .env and uncomment what you change; the environment wins over this file.\n"
    return head + "".join(f"\n# {meaning}\n#{name}={default}\n" for name, default, meaning in rows())


def readme(text: str) -> str:
    """Return the README with its table made anew."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def _default(value: Any) -> str:
    return "" if value in ("", None) else str(value)


def _file(annotation: Any) -> str:
    return " (secret; or a file's path in the same name + `_FILE`)" if annotation is SecretStr else ""


if __name__ == "__main__":
    path = ROOT / "README.md"
    path.write_text(readme(path.read_text()))
    (ROOT / ".env.example").write_text(example())

"""The frame of every page that is one file: head, style, script, footer. Nothing is fetched from anywhere."""

from functools import cache
from html import escape
from pathlib import Path

STYLE = Path(__file__).with_name("page.css")


@cache
def _style() -> str:
    return STYLE.read_text(encoding="utf-8")


def document(title: str, body: str, footer: str = "", script: str = "") -> str:
    """Self-contained HTML. `body`, `footer` and `script` are markup already; `title` is text."""
    end = f"<footer>{footer}</footer>" if footer else ""
    code = f"<script>{script}</script>" if script else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        f'content="width=device-width,initial-scale=1"><title>{escape(title)}</title><style>{_style()}</style></head>'
        f"<body><main>{body}{end}</main>{code}</body></html>\n"
    )

from pathlib import Path

from health.drill_diagram import blocks

PAGE = Path(__file__).parents[2] / "docs" / "drills.md"


def test_page_on_drills_when_the_tables_change_is_drawn_anew() -> None:
    text = PAGE.read_text(encoding="utf-8")

    missing = [block for block in blocks() if block not in text]
    assert not missing, "python -m health.drill_diagram prints what belongs on the page"

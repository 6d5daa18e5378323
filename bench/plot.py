"""Bars in an SVG, a panel for each figure that is compared: as much of a plot as the benchmarks need. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

_WIDTH, _LABEL, _BAR, _GAP, _HEAD, _MARGIN = 720, 190, 22, 10, 48, 16
_VALUE = 90
_INK, _OURS, _OTHERS, _BOUND = "#1f2328", "#0b6e4f", "#9aa4b2", "#b3261e"


@dataclass(frozen=True, slots=True)
class Bar:
    """One figure. `ours` is drawn in the colour of the product."""

    label: str
    value: float
    ours: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """Figures of one unit beside each other; `bound` is the most that is allowed, drawn as a line."""

    title: str
    unit: str
    bars: tuple[Bar, ...]
    bound: float | None = None

    @property
    def height(self) -> int:
        return _HEAD + len(self.bars) * (_BAR + _GAP) + _MARGIN


def svg(panels: Sequence[Panel]) -> str:
    """One picture with the panels below each other."""
    height = sum(panel.height for panel in panels) + _MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img"',
        ' font-family="sans-serif" font-size="13">',
        f"<title>{escape('; '.join(panel.title for panel in panels))}</title>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
    ]
    top = _MARGIN
    for panel in panels:
        lines += _panel(panel, top)
        top += panel.height
    return "\n".join([*lines, "</svg>"]) + "\n"


def _panel(panel: Panel, top: int) -> list[str]:
    most = max([bar.value for bar in panel.bars] + [panel.bound or 0.0, 1e-9])
    room = _WIDTH - _LABEL - _VALUE - _MARGIN
    lines = [_text(_MARGIN, top + 18, f"{panel.title} ({panel.unit})", weight="bold")]
    for n, bar in enumerate(panel.bars):
        y = top + _HEAD + n * (_BAR + _GAP)
        width = round(bar.value / most * room, 1)
        lines.append(_text(_LABEL - 8, y + _BAR - 6, bar.label, anchor="end"))
        lines.append(f'<rect x="{_LABEL}" y="{y}" width="{width}" height="{_BAR}" fill="{_OURS if bar.ours else _OTHERS}"/>')
        lines.append(_text(_LABEL + width + 6, y + _BAR - 6, f"{bar.value:g}"))
    if panel.bound is not None:
        x = round(_LABEL + panel.bound / most * room, 1)
        bottom = top + _HEAD + len(panel.bars) * (_BAR + _GAP)
        lines.append(f'<line x1="{x}" y1="{top + _HEAD - 6}" x2="{x}" y2="{bottom}" stroke="{_BOUND}" stroke-dasharray="4 3"/>')
        lines.append(_text(x, top + _HEAD - 10, f"at most {panel.bound:g}", anchor="middle"))
    return lines


def _text(x: float, y: float, text: str, *, anchor: str = "start", weight: str = "normal") -> str:
    return f'<text x="{x}" y="{y}" fill="{_INK}" text-anchor="{anchor}" font-weight="{weight}">{escape(text)}</text>'

"""Lines over epochs as SVG in a page; colours come from the page's style."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup, escape

WIDTH, HEIGHT = 460, 250
LEFT, RIGHT, TOP, BOTTOM = 52, 10, 12, 38
N_TICKS = 4
N_COLOURS = 6  # the page's style has classes c0 to c5


@dataclass(frozen=True)
class Line:
    """Points (x, y) in order; `colour` counts passes, dashed lines are training."""

    label: str
    points: Sequence[tuple[float, float]]
    colour: int
    dashed: bool = False


def line_chart(title: str, lines: Sequence[Line], x_name: str = "epoch") -> Markup:
    """An SVG of the lines, with axes; empty where no line has a point."""
    points = [point for line in lines for point in line.points if math.isfinite(point[1])]
    if not points:
        return Markup("")
    xs, ys = zip(*points, strict=True)
    x_ticks = _ticks(min(xs), max(xs), whole=True)
    y_ticks = _ticks(min(ys), max(ys))
    x_range = (min(xs), max(max(xs), min(xs) + 1))
    y_range = (min(y_ticks[0], min(ys)), max(y_ticks[-1], max(ys)))
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">',
        *[_y_tick(value, _y(value, y_range)) for value in y_ticks],
        *[_x_tick(value, _x(value, x_range)) for value in x_ticks],
        f'<text class="axis" x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 6}" '
        f'text-anchor="middle">{escape(x_name)}</text>',
        *[_path(line, x_range, y_range) for line in lines],
        "</svg>",
    ]
    return Markup("".join(parts))


def _path(line: Line, x_range: tuple[float, float], y_range: tuple[float, float]) -> str:
    places = [
        f"{_x(x, x_range):.1f},{_y(y, y_range):.1f}" for x, y in line.points if math.isfinite(y)
    ]
    if not places:
        return ""
    style = f"line c{line.colour % N_COLOURS}" + (" dashed" if line.dashed else "")
    title = f"<title>{escape(line.label)}</title>"
    if len(places) == 1:
        x, y = places[0].split(",")
        return f'<circle class="{style}" cx="{x}" cy="{y}" r="3">{title}</circle>'
    return f'<polyline class="{style}" points="{" ".join(places)}">{title}</polyline>'


def _x_tick(value: float, x: float) -> str:
    y = HEIGHT - BOTTOM + 16
    return f'<text class="tick" x="{x:.1f}" y="{y}" text-anchor="middle">{value:g}</text>'


def _y_tick(value: float, y: float) -> str:
    return (
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>'
    )


def _x(value: float, x_range: tuple[float, float]) -> float:
    return LEFT + (value - x_range[0]) / (x_range[1] - x_range[0]) * (WIDTH - LEFT - RIGHT)


def _y(value: float, y_range: tuple[float, float]) -> float:
    low, high = y_range
    share = (value - low) / (high - low) if high > low else 0.5
    return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def _ticks(low: float, high: float, *, whole: bool = False) -> list[float]:
    """Round values from below low to above high (inside for `whole`), about `N_TICKS` of them.

    >>> _ticks(0.13, 0.97)
    [0.0, 0.25, 0.5, 0.75, 1.0]
    >>> _ticks(1, 10, whole=True)
    [1.0, 4.0, 7.0, 10.0]
    """
    if whole:
        whole_step = max(1, math.ceil((high - low) / N_TICKS))
        return [float(tick) for tick in range(int(low), int(high) + 1, whole_step)]
    if high == low:
        low, high = (low - 0.5, high + 0.5) if low == 0 else sorted((low * 0.9, high * 1.1))
    rough = (high - low) / N_TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = [round(i * step, 12) for i in range(first, last + 1)]
    assert all(a < b for a, b in pairwise(ticks))
    return ticks

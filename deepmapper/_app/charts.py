"""Charts of the report: lines as SVG, images and their colours as PNG."""

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup, escape
from PIL import Image

WIDTH, HEIGHT = 460, 250
LEFT, RIGHT, TOP, BOTTOM = 52, 10, 12, 38
N_TICKS = 4
N_LINE_COLOURS = 6  # the page's style has classes c0 to c5

# Anchors of the two scales, in even steps of lightness. Colours between them are interpolated.
# One-sided: from paper to deep blue. Two-sided: blue below, paper at 0, red above.
ONE_SIDED = ((247, 248, 250), (190, 214, 236), (104, 163, 209), (33, 102, 172), (8, 36, 84))
TWO_SIDED = (
    (8, 48, 107),
    (66, 134, 190),
    (176, 208, 230),
    (247, 248, 250),
    (244, 190, 170),
    (208, 90, 78),
    (110, 10, 30),
)
N_COLOURS = 256
LEAST_SIDE = 240  # a small image is enlarged to at least this many pixels a side

Range = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """Points (x, y) in order, of the pass number `colour`. Training lines are dashed."""

    label: str
    points: Sequence[tuple[float, float]]
    colour: int
    dashed: bool = False


def line_chart(title: str, lines: Sequence[Line]) -> Markup:
    """An SVG of the lines, with axes. Empty if no line has a finite point."""
    points = [point for line in lines for point in line.points if math.isfinite(point[1])]
    if not points:
        return Markup("")
    xs, ys = zip(*points, strict=True)
    low, high = int(min(xs)), int(max(xs))
    x_ticks = range(low, high + 1, max(1, math.ceil((high - low) / N_TICKS)))
    y_ticks = round_ticks(min(ys), max(ys))
    x_range = (low, max(high, low + 1))
    y_range = (min(y_ticks[0], min(ys)), max(y_ticks[-1], max(ys)))
    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">']
    for tick in y_ticks:
        y = _y(tick, y_range)
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>'
        )
    parts += [
        f'<text class="tick" x="{_x(tick, x_range):.1f}" y="{HEIGHT - BOTTOM + 16}" '
        f'text-anchor="middle">{tick:g}</text>'
        for tick in x_ticks
    ]
    parts.append(
        f'<text class="axis" x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 6}" '
        f'text-anchor="middle">epoch</text>'
    )
    return Markup("".join([*parts, *(_path(line, x_range, y_range) for line in lines), "</svg>"]))


def png_of(image: np.ndarray, largest: float, *, two_sided: bool) -> str:
    """The image (h, w) as a `data:` address of a PNG.

    `largest` is the value of the last colour. The first colour is 0, or -largest if values are
    `two_sided` (on both sides of 0).
    """
    low = -largest if two_sided else 0.0
    span = max(largest - low, 1e-30)
    codes = np.clip((image - low) / span * (N_COLOURS - 1), 0, N_COLOURS - 1).round()
    times = max(1, -(-LEAST_SIDE // max(image.shape)))
    enlarged = np.kron(codes.astype(np.uint8), np.ones((times, times), dtype=np.uint8))
    return _png(enlarged, two_sided)


def colour_bar(*, two_sided: bool) -> str:
    """The colours in a row, first to last, as a `data:` address of a PNG."""
    return _png(np.arange(N_COLOURS, dtype=np.uint8)[None], two_sided)


def round_ticks(low: float, high: float) -> list[float]:
    """About `N_TICKS` + 1 round values from below low to above high.

    >>> round_ticks(0.13, 0.97)
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    if high == low:
        low, high = (low - 0.5, high + 0.5) if low == 0 else sorted((low * 0.9, high * 1.1))
    rough = (high - low) / N_TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def _path(line: Line, x_range: Range, y_range: Range) -> str:
    points = [
        f"{_x(x, x_range):.1f},{_y(y, y_range):.1f}" for x, y in line.points if math.isfinite(y)
    ]
    if not points:
        return ""
    style = f"line c{line.colour % N_LINE_COLOURS}" + (" dashed" if line.dashed else "")
    title = f"<title>{escape(line.label)}</title>"
    if len(points) == 1:
        x, y = points[0].split(",")
        return f'<circle class="{style}" cx="{x}" cy="{y}" r="3">{title}</circle>'
    return f'<polyline class="{style}" points="{" ".join(points)}">{title}</polyline>'


def _x(value: float, x_range: Range) -> float:
    return LEFT + (value - x_range[0]) / (x_range[1] - x_range[0]) * (WIDTH - LEFT - RIGHT)


def _y(value: float, y_range: Range) -> float:
    share = (value - y_range[0]) / (y_range[1] - y_range[0])
    return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def _png(codes: np.ndarray, two_sided: bool) -> str:
    anchors = TWO_SIDED if two_sided else ONE_SIDED
    positions, colours = np.linspace(0, 1, len(anchors)), np.linspace(0, 1, N_COLOURS)
    channels = [np.interp(colours, positions, channel) for channel in zip(*anchors, strict=True)]
    image = Image.fromarray(codes)
    image.putpalette(np.stack(channels, axis=1).round().astype(np.uint8).tobytes())
    file = io.BytesIO()
    image.save(file, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()

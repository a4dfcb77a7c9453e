"""A run's gradient norms by layer as SVG, for its page in MLflow.

The SVG is written without a plotting library: importing one takes longer than mirroring a run.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from bpexp.record.run import Run

LAYER_FIGURE = "gradient_norm_by_layer.svg"
WIDTH, HEIGHT = 480, 260
LEFT, RIGHT, TOP, BOTTOM = 64, 110, 16, 40  # margins
MOST_TICKS = 6
COLOURS = {"before training": "#999999", "after training": "#0072b2"}


def layer_figure(run: Run) -> str:
    """Draw ||dC/dW^(l)|| of each layer before and after training, on a logarithmic axis.

    Norms that are zero or not finite are left out.
    """
    columns = run.tables("layers")["layers"]
    steps, norms = columns["step"], columns["grad_norm"]
    first, last = (norms[steps == step] for step in (steps.min(), steps.max()))
    lines = dict(zip(COLOURS, (first, last), strict=True))
    logs = {name: [_log(value) for value in values] for name, values in lines.items()}
    known = [value for line in logs.values() for value in line if value is not None]
    low = math.floor(min(known, default=-1))
    high = max(math.ceil(max(known, default=0)), low + 1)
    count = len(first)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
            f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="11">',
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
            *_axes(low, high, count),
            *(
                part
                for i, (name, values) in enumerate(logs.items())
                for part in _line(name, values, low, high, TOP + 12 + 16 * i)
            ),
            "</svg>",
        ]
    )


def _axes(low: int, high: int, count: int) -> list[str]:
    parts = []
    for power in range(low, high + 1, -(-(high - low) // MOST_TICKS)):
        y = _y(power, low, high)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        parts.append(
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">10'
            f'<tspan dy="-4" font-size="8">{power}</tspan></text>'
        )
    for layer in range(1, count + 1, -(-count // 10)):
        parts.append(
            f'<text x="{_x(layer, count):.1f}" y="{HEIGHT - BOTTOM + 16}" '
            f'text-anchor="middle">{layer}</text>'
        )
    middle = (LEFT + WIDTH - RIGHT) / 2
    return [
        *parts,
        f'<text x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">layer</text>',
        f'<text transform="translate(14 {HEIGHT / 2}) rotate(-90)" text-anchor="middle">'
        "gradient norm of weights</text>",
    ]


def _line(name: str, values: Sequence[float | None], low: int, high: int, height: int) -> list[str]:
    colour, count = COLOURS[name], len(values)
    points = [
        (_x(layer, count), _y(value, low, high))
        for layer, value in enumerate(values, start=1)
        if value is not None
    ]
    drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return [
        f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="2"/>',
        *(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points),
        f'<text x="{WIDTH - RIGHT + 10}" y="{height}" fill="{colour}">{name}</text>',
    ]


def _log(value: float) -> float | None:
    return math.log10(value) if math.isfinite(value) and value > 0 else None


def _x(layer: int, count: int) -> float:
    room = WIDTH - LEFT - RIGHT - 24
    return LEFT + 12 + room * ((layer - 1) / (count - 1) if count > 1 else 0.5)


def _y(power: float, low: int, high: int) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (high - power) / (high - low)

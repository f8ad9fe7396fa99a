"""A step plot as SVG: a few lines over time, and bars behind them on an axis of their own, for the
demonstration."""

from xml.sax.saxutils import escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 1100, 460, 60, 60, 64, 56
BARS = "#e8e2cf"
# Each line is narrower and darker than the one below it, so that none hides another, in grey too.
STROKES = (("#eb9", 9), ("#48e", 5), ("#000", 1.8))


def step_plot(title, x_name, x_labels, y_name, y_to, lines, bars_name, bars_to, bars):
    """SVG text. The x axis has len(bars) steps; `x_labels`: (x, text) along it.

    `lines` maps a name to (x, y) points, x in steps; each y holds until the next point. `bars`: a
    number each step, on the axis at the right, up to `bars_to`.
    """
    steps = len(bars)
    across = WIDTH - LEFT - RIGHT
    down = HEIGHT - TOP - BOTTOM

    def x_of(x):
        return LEFT + across * min(max(x, 0), steps) / steps

    def y_of(y, to=y_to):
        return TOP + down * (1 - min(y, to) / to)

    def text(x, y, what, anchor="middle", more=""):
        return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{escape(what)}</text>'

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}"'
        ' font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        text(LEFT, 22, title, "start", ' font-size="15"'),
    ]
    for i, value in enumerate(bars):
        top = y_of(value, bars_to)
        out.append(
            f'<rect x="{x_of(i):.1f}" y="{top:.1f}" width="{across / steps + 0.1:.1f}"'
            f' height="{TOP + down - top:.1f}" fill="{BARS}"/>'
        )
    for i in range(0, 8):
        y, value = y_of(y_to * i / 7), bars_to * i / 7
        out.append(f'<path d="M{LEFT} {y:.1f}h{across}" stroke="#ccc" stroke-width="0.6"/>')
        out.append(text(LEFT - 8, y + 4, f"{y_to * i / 7:g}", "end"))
        out.append(text(LEFT + across + 8, y + 4, f"{value:g}", "start"))
    for x, label in x_labels:
        out.append(text(x_of(x), HEIGHT - BOTTOM + 18, label))
    out.append(text(LEFT + across / 2, HEIGHT - 10, x_name))
    for x, what in ((18, y_name), (WIDTH - 12, bars_name)):
        middle = TOP + down / 2
        out.append(text(x, middle, what, more=f' transform="rotate(-90 {x} {middle:.0f})"'))
    at = LEFT
    for (name, points), (colour, width) in zip(lines.items(), STROKES, strict=True):
        # what held when the picture begins, and what changes inside it
        before = [y for x, y in points if x <= 0][-1:] or [0]
        path = [f"M{x_of(0):.1f} {y_of(before[0]):.1f}"]
        for x, y in points:
            if 0 < x < steps:
                path.append(f"H{x_of(x):.1f}V{y_of(y):.1f}")
        path.append(f"H{x_of(steps):.1f}")
        stroke = f'stroke="{colour}" stroke-width="{width}"'
        out.append(f'<path d="{"".join(path)}" fill="none" {stroke}/>')
        out.append(f'<path d="M{at} 42h28" {stroke}/>')
        out.append(text(at + 34, 46, name, "start"))
        at += 60 + 7 * len(name)
    out.append(f'<rect x="{at}" y="36" width="28" height="12" fill="{BARS}"/>')
    out.append(text(at + 34, 46, bars_name, "start"))
    return "\n".join([*out, "</svg>\n"])

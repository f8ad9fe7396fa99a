"""A step plot as SVG: few lines over one axis, for the demonstration."""

from xml.sax.saxutils import escape

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 1100, 420, 50, 50, 40
COLOURS = ("#c33", "#36c", "#2a2")


def step_plot(title, unit, lines, x_from, x_to, y_to):
    """SVG text: `lines` maps a name to (x, y) points; each y holds until the next point."""
    across = WIDTH - LEFT - 20
    down = HEIGHT - TOP - BOTTOM

    def x_of(x):
        return LEFT + across * (min(max(x, x_from), x_to) - x_from) / (x_to - x_from)

    def y_of(y):
        return TOP + down * (1 - min(y, y_to) / y_to)

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}"'
        ' font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{LEFT}" y="22" font-size="15">{escape(title)}</text>',
    ]
    for y in range(0, int(y_to) + 1, 5):
        out.append(
            f'<path d="M{LEFT} {y_of(y):.1f}h{across}" stroke="#ddd"/>'
            f'<text x="{LEFT - 8}" y="{y_of(y) + 4:.1f}" text-anchor="end">{y}</text>'
        )
    for x in range(int(x_from), int(x_to) + 1, 2):
        out.append(f'<text x="{x_of(x):.1f}" y="{HEIGHT - 20}" text-anchor="middle">{x} h</text>')
    out.append(f'<text x="{LEFT - 8}" y="{TOP - 12}" text-anchor="end">{escape(unit)}</text>')
    for i, (name, points) in enumerate(lines.items()):
        colour = COLOURS[i % len(COLOURS)]
        # what held when the picture begins, and what changes inside it
        before = [y for x, y in points if x <= x_from][-1:] or [0]
        path = [f"M{x_of(x_from):.1f} {y_of(before[0]):.1f}"]
        for x, y in points:
            if x_from < x < x_to:
                path.append(f"H{x_of(x):.1f}V{y_of(y):.1f}")
        path.append(f"H{x_of(x_to):.1f}")
        width = 3 if i == 0 else 1.4
        out.append(
            f'<path d="{"".join(path)}" fill="none" stroke="{colour}" stroke-width="{width}"'
            f' opacity="{0.45 if i == 0 else 1}"/>'
            f'<text x="{LEFT + 90 * i + 300}" y="40" fill="{colour}">{escape(name)}</text>'
        )
    return "\n".join([*out, "</svg>\n"])

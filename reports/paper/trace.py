"""Which cells stand behind which number of a view, in words."""

from reports.paper.exhibit import short
from reports.views import Block, View


def traces(view: View) -> list[str]:
    """A line for each number or group of numbers that share their cells, in reading order."""
    found: dict[tuple[str, ...], list[str]] = {}
    for block in view.blocks:
        for place, keys in _places(block, many=len(view.blocks) > 1):
            found.setdefault(keys, []).append(place)
    return [
        f"{', '.join(dict.fromkeys(places))}: {' '.join(short(key) for key in keys)}"
        for keys, places in found.items()
    ]


def _places(block: Block, many: bool) -> list[tuple[str, tuple[str, ...]]]:
    start = f"{block.dataset or block.caption} / " if many else ""
    return [(f"{start}{row[0].text}", cell.keys) for row in block.rows for cell in row if cell.keys]

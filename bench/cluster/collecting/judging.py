"""What counts in each place of the tables, and what is in dispute."""

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.cluster.collecting.found import Found, Place, age_of, alike, found_in
from bench.cluster.collecting.superseded import Superseded
from bench.errors import BenchError

Groups = list[list[Found]]  # of one place: alike within, in dispute between


@dataclass(frozen=True)
class Step:
    """What becomes of one place.

    Args:
        winner: the record that counts.
        own: the same record where `out` has it already.
        aside: other records, to be kept in cells/superseded.
        leaving: those records of `out` that no longer count.
    """

    winner: Found
    own: Found | None
    aside: list[Found]
    leaving: list[Found]


def read_places(folders: list[Path]) -> dict[Place, list[Found]]:
    """What all folders have, by place.

    A key is in one place, whatever the labels in its records: in `out` it is one file.
    """
    places: dict[Place, list[Found]] = defaultdict(list)
    place_of: dict[str, Place] = {}
    for folder in folders:
        for found in found_in(folder):
            places[place_of.setdefault(found.key, found.place)].append(found)
    return places


def judge(
    places: Iterable[list[Found]], out: Path, keep: list[Path], superseded: Superseded
) -> tuple[list[Step], list[Groups]]:
    """What becomes of each place, in their order; or, where that is open, what is in dispute."""
    steps, disputes = [], []
    for some in places:
        own = [found for found in some if found.folder == out]
        results = [found for found in some if found.is_result]
        # A run repeats what is unavailable or was cut short: such a record stands only alone.
        groups = _groups(results) if results else [[own[0] if own else max(some, key=age_of)]]
        group = groups[0] if len(groups) == 1 else _kept(groups, out, keep, superseded)
        if group is None:
            disputes.append(groups)
            continue
        leaving = [found for found in own if found not in group]
        aside = [others[0] for others in groups if others is not group]
        aside += [found for found in leaving if not found.is_result]
        mine = next((found for found in group if found.folder == out), None)
        steps.append(Step(group[0], mine, aside, leaving))
    return steps, disputes


def _groups(results: list[Found]) -> Groups:
    """Alike with alike; in each group, those with arrays first."""
    groups: Groups = []
    for found in sorted(results, key=lambda found: found.arrays is None):
        for group in groups:
            if alike(group[0], found):
                group.append(found)
                break
        else:
            groups.append([found])
    return groups


def _kept(
    groups: Groups, out: Path, keep: list[Path], superseded: Superseded
) -> list[Found] | None:
    """The group that counts: of a folder to keep, or of `out` where it was decided before."""
    for folder in keep:
        of_folder = [found for group in groups for found in group if found.folder == folder]
        if of_folder:
            newest = max(of_folder, key=age_of)
            return next(group for group in groups if newest in group)
    own = [group for group in groups if any(found.folder == out for found in group)]
    others = [group for group in groups if group not in own]
    if len(own) == 1 and all(superseded.holds(group[0].path) for group in others):
        return own[0]
    return None


def judge_tables(folders: list[Path], keep: list[Path]) -> tuple[list[Path], list[list[Path]]]:
    """The descriptions of tables that count, and those in dispute."""
    named: dict[str, list[Path]] = defaultdict(list)
    for folder in folders:
        for path in sorted((folder / "tables").glob("*.json")):
            named[path.name].append(path)
    chosen, disputes = [], []
    for paths in named.values():
        of_keep = [path for folder in keep for path in paths if path.parents[1] == folder]
        if all(facts_of(path) == facts_of(paths[0]) for path in paths[1:]):
            chosen.append(paths[0])
        elif of_keep:
            chosen.append(of_keep[0])
        else:
            disputes.append(paths)
    return chosen, disputes


def facts_of(path: Path) -> dict[str, Any]:
    """What a description says of the table: not how long it took to make, nor its label."""
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        return {k: v for k, v in facts.items() if k not in ("prepare_seconds", "label")}
    except (ValueError, AttributeError) as error:
        message = f"{path} cannot be read ({error}). Move it away: it can be made anew."
        raise BenchError(message) from error

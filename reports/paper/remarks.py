"""Footnotes that mark what is smaller than at full size, or was left out."""

from reports.paper.evidence import Evidence
from reports.views import Footnotes


def of_dataset(evidence: Evidence, dataset: str, notes: Footnotes) -> tuple[int, ...]:
    """Numbers of the footnotes for the head of its block."""
    smaller, left_out = evidence.smaller(dataset), evidence.left_out(dataset)
    texts = []
    if smaller:
        texts.append(f"{dataset} is smaller than at full size: {smaller}.")
    if left_out:
        texts.append(f"On {dataset}, not run at this size: {', '.join(left_out)}.")
    return tuple(notes.number(text) for text in texts)


def of_method(evidence: Evidence, dataset: str, method: str, notes: Footnotes) -> tuple[int, ...]:
    """Numbers of the footnotes for its line, beyond those of the dataset."""
    mine = evidence.smaller(dataset, method).removeprefix(evidence.smaller(dataset))
    mine = mine.removeprefix(", ")
    return (notes.number(f"{method} here: {mine}."),) if mine else ()

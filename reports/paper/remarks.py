"""Footnotes that mark what is smaller than at full size, or was left out."""

from reports.paper.evidence import Evidence
from reports.views import Footnotes


def of_dataset(evidence: Evidence, dataset: str, notes: Footnotes) -> tuple[int, ...]:
    """Numbers of the footnotes for the head of its block."""
    left_out = evidence.left_out(dataset)
    text = f"On {dataset}, not run at this size: {', '.join(left_out)}."
    return of_size(evidence, dataset, notes) + ((notes.number(text),) if left_out else ())


def of_size(evidence: Evidence, dataset: str, notes: Footnotes) -> tuple[int, ...]:
    """The number of the footnote that says what is smaller; () where nothing is."""
    smaller = evidence.smaller(dataset)
    text = f"{dataset} is smaller than at full size: {smaller}."
    return (notes.number(text),) if smaller else ()


def of_method(evidence: Evidence, dataset: str, method: str, notes: Footnotes) -> tuple[int, ...]:
    """Numbers of the footnotes for its line, beyond those of the dataset."""
    mine = evidence.smaller(dataset, method).removeprefix(evidence.smaller(dataset))
    mine = mine.removeprefix(", ")
    texts = [f"{method} here: {mine}."] if mine else []
    elsewhere = evidence.elsewhere(dataset, method)
    if elsewhere:
        texts.append(f"Measured on {elsewhere}: seconds do not compare with the others'.")
    shared = evidence.shared(dataset, method)
    if shared:
        texts.append(f"Without the seconds of {shared}: they were not alone on what they ran on.")
    return tuple(notes.number(text) for text in texts)

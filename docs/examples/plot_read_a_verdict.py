"""
Read a verdict of ``bench regress``
===================================

You get the meaning of the words in ``summary.md``: same, slower, vague, and the control. The
timings are made up.
"""

# %%
# ``bench regress`` times base and head in pairs of fresh processes. Each pair gives a ratio, head /
# base. Here head is 12% slower in one row, equal in a second, and too noisy to tell in a third.
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from bench.regress.verdict import Row, Verdict, estimate

rng = np.random.default_rng(0)


def ratios(centre, noise, n_pairs=7):
    """Paired ratios with log-normal noise."""
    return list(centre * np.exp(noise * rng.standard_normal(n_pairs)))


rows = [
    Row(
        "convert", (0.050, 0.056), estimate(ratios(1.12, 0.01)), estimate(ratios(1.12, 0.01)), True
    ),
    Row("screen", (0.030, 0.030), estimate(ratios(1.00, 0.01)), None, True),
    Row("train", (0.200, 0.204), estimate(ratios(1.02, 0.15)), None, True),
]

# %%
# A row that looks slower is measured a second time, with new pairs. Only the second estimate
# counts, because the first was selected for being large. The control is work that no change of ours
# affects.
verdict = Verdict(
    commits=("0" * 40, "1" * 40),
    rows=rows,
    control=estimate(ratios(1.0, 0.005, 21)),
    figures=[],
    n_expected=3,
    seconds=60.0,
)
print(f"{verdict.word}: exit code {verdict.exit_code}")
print(f"control moved: {verdict.control_moved}")
print(f"smallest slowdown that every row would show: {100 * (verdict.detectable - 1):.0f}%")
summary = pd.DataFrame(
    {
        row.name: {
            "head / base": round(row.estimate.ratio, 3),
            "low": round(row.estimate.low, 3),
            "high": round(row.estimate.high, 3),
            "status": row.status,
        }
        for row in rows
    }
)
summary.transpose()

# %%
# A row is slower if its ratio is at least 1.05 (dashed) and its whole interval lies above 1. It is
# vague if the interval reaches 1.10 (dotted): then a slowdown of 10% cannot be excluded. Run the
# check again on a quieter machine.
figure, axis = plt.subplots(figsize=(7, 3), layout="constrained")
for height, row in enumerate([*rows[::-1]]):
    e = row.estimate
    axis.plot([e.low, e.high], [height, height], color="tab:blue")
    axis.plot(e.ratio, height, "o", color="tab:blue")
axis.set_yticks(range(3), [f"{row.name}: {row.status}" for row in rows[::-1]])
axis.set(xlabel="head / base", ylim=(-0.5, 2.5))
axis.axvline(1, color="grey", lw=1)
axis.axvline(1.05, color="grey", ls="--", lw=1)
axis.axvline(1.10, color="grey", ls=":", lw=1)

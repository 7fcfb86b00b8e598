"""
Name the genes of a table
=========================

You get the genes that separate the classes, from DeepMapper and from an F-test, on a table whose
markers are known.
"""

# %%
# The table has 200 samples and 100 genes. Six of the genes mark a class.
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.feature_selection import f_classif

from deepmapper import DeepMapperClassifier
from generators import expression

made = expression.load(
    n_samples=200, n_features=100, n_classes=2, relevant_fraction=0.06, effect=0.2, seed=3
)
table = pd.DataFrame(made.X, columns=made.features)
status = np.array(["normal", "tumour"])[made.y]
markers = {made.features[i] for i in made.relevant}
print(sorted(markers))

# %%
# Fit two passes. The defaults make up to six, and are better; these settings keep the example
# short.
model = DeepMapperClassifier(
    passes=2, training={"max_epochs": 10}, device="cpu", random_state=0
).fit(table, status)
strength = pd.Series(model.evidence_.strength.max(axis=0), index=table.columns)
strength = strength.sort_values(ascending=False)
print(model.attributions_[["feature", "q_value", "evidence"]].head(6))

# %%
# The F-test compares the classes gene by gene, in milliseconds. Counts are taken as logarithms.
f_values, _ = f_classif(np.log1p(table), status)
f_test = pd.Series(f_values, index=table.columns).sort_values(ascending=False)

# %%
# Bars of true markers are filled.
figure, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
for axis, (name, values) in zip(
    axes, {"DeepMapper": strength, "F-test": f_test}.items(), strict=True
):
    best = values.head(12)[::-1]
    colours = ["tab:blue" if gene in markers else "white" for gene in best.index]
    axis.barh(best.index, best, color=colours, edgecolor="tab:blue")
    axis.set_title(
        f"{name}: {len(markers & set(values.index[: len(markers)]))} of "
        f"{len(markers)} markers in the top {len(markers)}"
    )

# %%
# The F-test names these genes as well, because each of them differs between the classes by itself.
# DeepMapper's ranking also sees variances and pairs of features, such as the XOR pair of
# ``generators.needles``.

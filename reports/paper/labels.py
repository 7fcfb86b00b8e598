"""The labels that the profiles `paper` and `paper_small` give to tables and methods.

The views find their cells by these; a test holds the profiles to them.
"""

MNIST = "MNIST"
SHUFFLED = "MNIST, shuffled"
NIHS_NOTEBOOK = "NIHS of the notebook"
NIHS = "NIHS of Table 1"
NIHS_RANDOM = "NIHS, random places"
TCGA = "TCGA"
TCGA_RAW = "TCGA, all types of the notebook"
EXPRESSION = "expression, 6,216 x 19,319"

FAITHFUL, CORRECTED, BEST = "faithful", "corrected", "best"
DEEPINSIGHT = "deepinsight_tsne"
DEEPINSIGHT_PUBLISHED = "deepinsight_tsne (published recipe)"
DEEPINSIGHT_EQUAL = "deepinsight_tsne (equal pixels)"

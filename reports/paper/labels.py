"""Labels of tables and methods in the profiles `paper` and `paper_small`."""

MNIST = "MNIST"
SHUFFLED = "MNIST, shuffled"
NIHS_NOTEBOOK = "NIHS of the notebook"
NIHS = "NIHS of Table 1"
NIHS_RANDOM = "NIHS, random places"
TCGA = "TCGA"
TCGA_NOTEBOOK = "TCGA, the notebook's types"
EXPRESSION = "expression"
MUTATIONS = "TCGA mutations"

FAITHFUL, CORRECTED, BEST = "faithful", "corrected", "best"
DEEPINSIGHT = "deepinsight_tsne"
DEEPINSIGHT_PUBLISHED = "deepinsight_tsne (published recipe)"
DEEPINSIGHT_EQUAL = "deepinsight_tsne (equal pixels)"
VIT, RETNET, DEEPER = "vit", "retnet", "resnet34"
MLP, CNN1D = "mlp", "cnn1d"
LSTM, TRANSFORMER = "lstm", "transformer"
ON_TRUE_GRID = {BEST: "best, true grid"}  # the same CNN with the pixels of MNIST in their places
PLAIN = (
    "stump",
    "univariate",
    "logistic",
    "linear_svm",
    "random_forest",
    "boosted_trees",
    "nearest_neighbours",
    "pairwise",
)
# Tables of one kind at growing size: the label and the number of features.
GROWTH = {
    "expression, 32 x 32": 1_024,
    "expression, 64 x 64": 4_096,
    "expression, 128 x 128": 16_384,
    "expression, 256 x 256": 65_536,
}

"""Fashion-MNIST: pictures of clothes in the sizes and the format of MNIST, and harder."""

from datasets.fetch import DataFile
from datasets.mnist import N_TEST, N_TRAIN, files_of_mirrors, table_of_images
from datasets.table import Source, Table

FILES = (
    "fashion_mnist/train-images-idx3-ubyte.gz",
    "fashion_mnist/train-labels-idx1-ubyte.gz",
    "fashion_mnist/t10k-images-idx3-ubyte.gz",
    "fashion_mnist/t10k-labels-idx1-ubyte.gz",
)
# Of the packed files, as TensorFlow Datasets publishes them (url_checksums/fashion_mnist.txt).
SHA256 = (
    "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
)
MIRRORS = (
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
)
CLASSES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
SOURCE = Source(
    citation="Xiao, Rasul, Vollgraf, Fashion-MNIST: a novel image dataset for benchmarking machine "
    "learning algorithms, arXiv:1708.07747 (2017)",
    address=MIRRORS[1],
    licence="MIT",
)


def load(*, n_train: int = N_TRAIN, n_test: int = N_TEST) -> Table:
    """Grey values 0..255 as published; 784 features, 10 classes, the official split.

    Args:
        n_train: the first n of the 60,000 training images (their order is random).
        n_test: the first n of the 10,000 test images.

    Raises:
        TableError: more images than available, or a file with other content than expected.
        DataUnavailable: see `datasets.fetch`.
    """
    return table_of_images("fashion_mnist", data_files(), CLASSES, SOURCE, n_train, n_test)


def data_files(*, n_train: int = N_TRAIN, n_test: int = N_TEST) -> list[DataFile]:
    """The four files, for any number of images."""
    return files_of_mirrors(FILES, MIRRORS, [f"sha256:{sha}" for sha in SHA256])

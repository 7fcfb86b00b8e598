"""Fashion-MNIST: pictures of clothes in the size and the format of MNIST.

70,000 images of 28 x 28 pixels (grey values 0 to 255), ten classes of equal size, official split
of 60,000 training and 10,000 test images. Xiao, Rasul and Vollgraf (2017), MIT licence.
Trap: classes overlap (shirt, T-shirt, coat), so it is harder than MNIST. Neighbouring features are
neighbouring pixels: a method that reads them as an image has information that a table lacks.
"""

from datasets.fetch import DataFile
from datasets.mnist import N_TEST, N_TRAIN, files_of_mirrors, table_of_images
from datasets.table import Source, Table

FILES = (
    "fashion_mnist/train-images-idx3-ubyte.gz",
    "fashion_mnist/train-labels-idx1-ubyte.gz",
    "fashion_mnist/t10k-images-idx3-ubyte.gz",
    "fashion_mnist/t10k-labels-idx1-ubyte.gz",
)
# Checksums of the packed files, from TensorFlow Datasets (url_checksums/fashion_mnist.txt).
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
    """Load the grey values, 0 to 255.

    Parameters
    ----------
    n_train, n_test : int
        Numbers of images: the first of 60,000 and of 10,000, whose order is random.

    Returns
    -------
    Table
        X (n_train + n_test, 784), float32, 10 classes, official split.
    """
    return table_of_images("fashion_mnist", data_files(), CLASSES, SOURCE, n_train, n_test)


def data_files(*, n_train: int = N_TRAIN, n_test: int = N_TEST) -> list[DataFile]:
    """Return the four files, the same for any number of images."""
    return files_of_mirrors(FILES, MIRRORS, [f"sha256:{sha}" for sha in SHA256])

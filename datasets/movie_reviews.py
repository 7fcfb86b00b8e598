"""Movie reviews: counts of words in 2,000 reviews, positive or negative.

2,000 reviews, about 12,500 words, two classes of 1,000, official split of 1,800 training and 200
test reviews. Polarity dataset 2.0 of Pang & Lee 2004, as in the R package quanteda.textmodels
(GPL-3; the texts are for research). Fold k of its ten folds tests on the files cv{k}00 to cv{k}99
of each class. A feature is a word of two or more letters or digits that occurs in at least 5
training reviews of the fold. So test reviews choose no words, and each fold has its own features.
Pang et al. 2002 used presence instead of counts.
Trap: most values are 0, and thousands of words carry a little of the label each. The file does not
name the critics, so reviews of one critic may be on both sides of a fold.
"""

import sys
from pathlib import Path

import numpy as np
from scipy import sparse

from datasets._converted import Arrays, convert_once, repository_file
from datasets._r_file import read_object
from datasets.fetch import DataFile
from datasets.table import Source, Table, TableError, wrong_file

REQUIRES = {"rdata": "rdata"}
FILES = ("wide/movie_reviews/data_corpus_moviereviews.rda",)
REPOSITORY, COMMIT = "cran/quanteda.textmodels", "862a9c0fc5e9c47992ad69a83128198ca73d52b9"
SHA256 = "d4418bc94b5fd68848f44729bc21f267a25500ba22ced838ab12fb5702706433"
SOURCE = Source(
    citation="Pang and Lee, A sentimental education: sentiment analysis using subjectivity "
    "summarization based on minimum cuts, ACL (2004) 271-278",
    address=f"https://github.com/{REPOSITORY}",
    licence="GPL-3 (the package); texts for research",
)
CLASSES = ("neg", "pos")
N_REVIEWS, N_FOLDS = 1_000, 10  # reviews of a class
MIN_REVIEWS = 5  # training reviews that have a word


def load(*, fold: int | None = None, seed: int = 0) -> Table:
    """Load the counts of a fold, one feature a word in alphabetical order.

    Parameters
    ----------
    fold : int, optional
        0 to 9, the first digit of the files of the test reviews. Default: the last digit of `seed`,
        so that the seeds of a run have different test reviews.
    seed : int

    Returns
    -------
    Table
        X (2000, n_words), float32, sparse, 2 classes, official split.
    """
    fold = seed % N_FOLDS if fold is None else fold
    if fold not in range(N_FOLDS):
        message = f"table 'movie_reviews': expected fold in 0..{N_FOLDS - 1}, got {fold!r}"
        raise TableError(message)
    arrays = convert_once(sys.modules[__name__], data_files(), read_file)
    counts = sparse.csr_matrix((arrays["data"], arrays["indices"], arrays["indptr"]))
    in_test = arrays["numbers"] // (N_REVIEWS // N_FOLDS) == fold
    frequent = (counts[~in_test] > 0).sum(axis=0).A1 >= MIN_REVIEWS
    return Table(
        name="movie_reviews",
        X=counts[:, frequent].astype(np.float32),
        y=arrays["y"],
        classes=CLASSES,
        features=arrays["words"][frequent].tolist(),
        source=SOURCE,
        official_split=(np.flatnonzero(~in_test), np.flatnonzero(in_test)),
    )


def data_files(*, fold: int | None = None, seed: int = 0) -> list[DataFile]:
    """Return the one file, the same for any fold."""
    source = f"data/{Path(FILES[0]).name}"
    return [repository_file(FILES[0], REPOSITORY, COMMIT, source, SHA256)]


def read_file(path: Path) -> Arrays:
    """Read the counts of all words, the words, y and the numbers of the reviews, 0 to 999.

    Raises a TableError for another file.
    """
    from sklearn.feature_extraction.text import CountVectorizer

    # A corpus is a vector of texts. The facts of each text are one of its attributes.
    constructors = {"corpus": lambda texts, attributes: (texts, attributes["docvars"])}
    content = read_object(path, path.stem, constructors=constructors)
    try:
        texts, facts = content
        y = np.array([CLASSES.index(label) for label in facts["sentiment"]], dtype=np.int64)
        numbers = np.array([int(name.removeprefix("cv")) for name in facts["id1"]], dtype=np.int64)
        vectorizer = CountVectorizer()
        counts = vectorizer.fit_transform(texts)
    except Exception as error:
        expected = "a corpus with sentiment (neg or pos) and id1 (cv000 to cv999)"
        raise wrong_file(path, expected, f"{type(error).__name__}: {error}") from error
    order = np.lexsort((numbers, y))
    if not np.array_equal(numbers[order], np.tile(np.arange(N_REVIEWS), 2)):
        raise wrong_file(path, f"cv000 to cv{N_REVIEWS - 1} of each class", f"{len(y)} reviews")
    counts = counts[order]
    return {
        "data": counts.data.astype(np.int16),
        "indices": counts.indices,
        "indptr": counts.indptr,
        "words": np.array(vectorizer.get_feature_names_out(), dtype=str),
        "y": y[order],
        "numbers": numbers[order],
    }

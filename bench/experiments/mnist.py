"""MNIST with its pixels in a random order.

`shuffled`: error of one CNN on the true grid and on layouts of shuffled pixels. Its cases named
`augmented` turn, stretch and shift the images in training, which a restored layout allows. Its case
`aggmap` repeats the published check of AggMap (Shen et al., Nucleic Acids Res 50, 2022): their CNN
reached 99.53% on MNIST, 96.70% on shuffled pixels, and 99.18% on AggMap's layout.

`few_images`: the same CNN with fewer images, on the learned layout and on the true grid, and the
default estimator, which chooses its layout.

`max_norm`: the perceptron of Srivastava et al., JMLR 15 (2014), Table 2, which ignores positions:
1.06% error with three layers of 1,024 rectified units, dropout and max-norm weights. An image
method has to be better on shuffled pixels.
"""

import time
from typing import Any

import numpy as np

from bench.catalog import entry
from bench.experiments.runner import Case, build_method, experiment, grid, load_table
from deepmapper import DeepMapperClassifier

AUGMENTED = 30  # epochs of training on moved images
LONG = 120  # epochs of one run that is closer to the paper's million steps


@experiment(
    "60,000 training images, 3 seeds: error <= 0.80% (hope 0.57%) and at most 0.15 points (hope "
    "0.05) from the same model on the true grid; aggmap: at most the published 0.82%; learned and "
    "augmented: <= 0.35% (hope 0.30%)",
    [
        *grid(
            "{layout}_seed_{seed}",
            seed=range(3),
            layout=("learned", "true_grid", "shuffled", "gated", "aggmap"),
        ),
        *grid(
            "{layout}_augmented_seed_{seed}",
            seed=range(3),
            layout=("learned", "true_grid"),
            augment=(True,),
        ),
    ],
)
def shuffled(
    layout: str, seed: int, device: str = "cpu", *, augment: bool = False
) -> dict[str, Any]:
    """Measure the test error of a model with one of five layouts.

    `true_grid` has the original images and `shuffled` the permuted ones. `gated` is `learned` with
    the gate, which dense signals do not need.
    """
    return measure_error(layout, seed, None, device, augment=augment)


@experiment(
    "error with the learned layout at most 0.2 points above that on the true grid from 10,000 "
    "images (hope 3,000)",
    grid(
        "{n_images}_{layout}_seed_{seed}",
        n_images=(1_000, 3_000, 10_000, 30_000),
        layout=("learned", "true_grid", "default"),
        seed=range(3),
    ),
)
def few_images(n_images: int, layout: str, seed: int, device: str = "cpu") -> dict[str, Any]:
    """Measure the test error after training on the first n images of a random order."""
    return measure_error(layout, seed, n_images, device)


def measure_error(
    layout: str, seed: int, n_images: int | None, device: str, *, augment: bool = False
) -> dict[str, Any]:
    images = (
        load_table("mnist") if layout == "true_grid" else load_table("shuffled_mnist", seed=seed)
    )
    training, test = images.official_split
    if n_images is not None:
        training = np.random.default_rng(seed).permutation(training)[:n_images]
    X, y = images.X[training], images.y[training]
    start = time.perf_counter()
    chosen: Any = "learned" if layout in ("learned", "gated") else "natural"
    if layout == "aggmap":
        chosen = entry("methods", "aggmap").load().aggmap_layout(X, seed)
    # Min-max or standardised pixels were compared on 10,000 held-out training images (seed 100,
    # 8 epochs): standardised had 48 errors on the true grid and 52 learned, min-max 43 and 64.
    model = DeepMapperClassifier(attribution=None, device=device, random_state=seed)
    if layout != "default":
        model.set_params(layout=chosen, backbone="cnn_small", gate=layout == "gated", passes=1)
        model.set_params(training={"validation_fraction": 0.0, "plain": ()})
    if augment:
        model.set_params(scale="none", training__augment=True, training__max_epochs=AUGMENTED)
    model.fit(X, y)
    seconds = time.perf_counter() - start
    wrong = model.predict(images.X[test]) != images.y[test]
    return {
        "error_percent": 100 * float(wrong.mean()),
        "n_test": len(wrong),
        "fit_seconds": seconds,
        "layout_quality": model.layout_.quality,
        "epochs": len(model.history_),
        "layout": model.layout_.name,
    }


@experiment(
    "60,000 training images of permuted MNIST, 3 seeds: test error about 1% (published 1.06%)",
    [
        *grid("seed_{seed}", seed=range(3)),
        Case(f"epochs_{LONG}_seed_0", {"seed": 0, "epochs": LONG}),
    ],
)
def max_norm(seed: int, epochs: int | None = None) -> dict[str, Any]:
    """Measure the test error of `mlp` with the recipe `maxnorm`."""
    images = load_table("shuffled_mnist", seed=seed)
    training, test = images.official_split
    pipeline = build_method("mlp", seed, recipe="maxnorm", epochs=epochs)
    start = time.perf_counter()
    pipeline.fit(images.X[training], images.y[training])
    seconds = time.perf_counter() - start
    wrong = pipeline.predict(images.X[test]) != images.y[test]
    model = pipeline.named_steps["model"]
    return {
        "error_percent": 100 * float(wrong.mean()),
        "n_train": len(training),
        "n_test": len(wrong),
        "fit_seconds": seconds,
        "epochs": len(model.history_),
        "n_parameters": model.n_parameters_,
    }

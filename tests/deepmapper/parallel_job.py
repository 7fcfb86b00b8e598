"""What the tests of one training on several devices run: here alone, or by `torchrun` on ranks.

`torchrun ... tests/deepmapper/parallel_job.py FOLDER NAME...` runs each case and writes
FOLDER/NAME-RANK.npz; "differ", "fit" and "fail" are jobs of their own.
"""

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from deepmapper.images._folded import RowsOf
from deepmapper.networks.backbones._cnn import SmallCNN
from deepmapper.networks.backbones._patch import PatchNet
from deepmapper.networks.backbones._resnet import resnet18
from deepmapper.networks.gate import GatedNetwork, PixelGate
from deepmapper.ranks import Ranks, all_ranks
from deepmapper.spread import OwnRows, spread
from deepmapper.training.objectives import Classification
from deepmapper.training.streams import torch_stream
from deepmapper.training.trainer import Epoch, TrainingSettings, predict_logits, train

ALONE = Ranks(0, 1, torch.device("cpu"))
SIDE = 8
# Plain gradient steps: what rounds differently stays as small as it is. AdamW divides a gradient
# that is all rounding (of a bias before a normalisation) by itself.
SGD = TrainingSettings(
    epochs=2, batch_size=16, optimiser="sgd", momentum=0.9, learning_rate=0.02, precision="float32"
)
ADAMW = TrainingSettings(epochs=2, batch_size=16, learning_rate=2e-3, precision="float32")
IMPATIENT = TrainingSettings(
    epochs=12, batch_size=16, learning_rate=3e-2, precision="float32", patience=2
)


def _gated(backbone: nn.Module) -> nn.Module:
    opening = torch.rand(1, SIDE, SIDE)
    opening[0, 2, 3] = 1.0
    return GatedNetwork(PixelGate(opening), backbone)


@dataclass(frozen=True)
class Case:
    """A training; n images to train on, in batches of 16."""

    build: Callable[[], nn.Module]
    settings: TrainingSettings
    n: int
    dtype: torch.dtype = torch.float32


# The last batch of 49 images has one more than the others; of 35 it has 3; of 34 it has 2, so that
# a third rank has none. ResNet-18 multiplies a rounding by thousands within these few steps, in
# this loop as in any other: in double precision what remains is no rounding.
CASES = {
    "patch_gate": Case(lambda: _gated(PatchNet((SIDE, SIDE), 3)), SGD, 49),
    "patch_gate_adamw": Case(lambda: _gated(PatchNet((SIDE, SIDE), 3)), ADAMW, 34),
    "cnn_small": Case(lambda: SmallCNN((SIDE, SIDE), 3), SGD, 35),
    "resnet18": Case(lambda: resnet18(3, channels=1), replace(SGD, epochs=1), 32, torch.float64),
    "early_stop": Case(lambda: _gated(PatchNet((SIDE, SIDE), 3)), IMPATIENT, 34),
}


class _Exact(Classification):
    """In the precision of the outputs."""

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        assert self.weight is not None
        return functional.cross_entropy(outputs, targets, weight=self.weight.to(outputs.dtype))


def result(name: str, ranks: Ranks = ALONE) -> dict[str, np.ndarray]:
    """What training a case gives: history (epochs, 5), weights (n,), logits (20, 3), by tensor."""
    case = CASES[name]
    n = case.n
    with torch_stream(0, "parallel"):
        images = torch.randn(n + 20, 1, SIDE, SIDE).to(case.dtype)
        noise = torch.randn(n + 20)
        network = case.build().to(case.dtype)
        if ranks.rank:  # the first rank's weights count
            with torch.no_grad():
                next(network.parameters()).add_(1.0)
    targets = (images[:, 0, 2, 3] + 0.5 * noise > torch.tensor([[-0.4], [0.6]])).long().sum(0)
    rows = torch.randperm(n, generator=torch.Generator().manual_seed(1))
    rest = torch.arange(n, n + 20)
    weight = torch.tensor([1.0, 3.0, 0.5])

    def run(images: object) -> list[Epoch]:
        return train(
            network,
            (RowsOf(images, rows), targets[rows]),
            case.settings,
            objective=_Exact(weight),
            generator=torch.Generator().manual_seed(2),
            validation=(RowsOf(images, rest), targets[rest]),
        )

    if ranks.is_shared:
        with spread(network, images, ranks) as own:
            history = run(own)
    else:
        history = run(images)
    figures = [
        [e.train_loss, e.train_score, e.validation_loss, e.validation_score, e.open_pixels or 0]
        for e in history
    ]
    values = {"history": np.array(figures), "logits": predict_logits(network, images[rest]).numpy()}
    return values | {f"weights.{k}": v.numpy() for k, v in network.state_dict().items()}


FIT = ("--passes", "1", "--epochs", "2", "--device", "cpu", "--set", "min_accuracy=0.0")


def command(folder: Path, run: str) -> None:
    """`deepmapper fit` of the shards in FOLDER/table."""
    from deepmapper._app import cli

    sys.argv = ["deepmapper", "fit", str(folder / "table"), "--out", str(folder / run), *FIT]
    cli.main()


def differ(folder: Path, ranks: Ranks) -> None:
    """Every rank calls `fit` with other labels."""
    from deepmapper import DeepMapperClassifier, DeepMapperError

    try:
        DeepMapperClassifier(device="cpu").fit(np.eye(6), np.roll([0, 0, 0, 1, 1, 1], ranks.rank))
    except DeepMapperError as error:
        (folder / f"differ-{ranks.rank}.txt").write_text(str(error))


def fail(folder: Path) -> None:
    """The second rank meets an error in the middle of a training that all share."""
    from deepmapper import DeepMapperError

    read, calls = OwnRows.__getitem__, []

    def read_or_fail(self: OwnRows, rows: torch.Tensor) -> torch.Tensor:
        calls.append(len(rows))
        if len(calls) > 3 and self.ranks.rank == 1:
            (folder / "failed_at").write_text(str(time.time()))
            raise DeepMapperError("the disk of this rank is gone")
        return read(self, rows)

    OwnRows.__getitem__ = read_or_fail  # type: ignore[method-assign]
    command(folder, "never")


def main() -> None:
    folder, names = Path(sys.argv[1]), sys.argv[2:]
    for name in names:
        if name == "fail":
            fail(folder)
        elif name == "fit":
            with suppress(SystemExit):
                command(folder, "run")
        else:
            with all_ranks(torch.device("cpu")) as ranks:
                if name == "differ":
                    differ(folder, ranks)
                else:
                    np.savez(folder / f"{name}-{ranks.rank}.npz", **result(name, ranks))


if __name__ == "__main__":
    main()

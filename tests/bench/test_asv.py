"""asv's benchmarks run."""

import pytest

from bench.asv.benchmarks import Figures, Rows


@pytest.mark.parametrize("row", ["normalise_standard", "train_patch", "store_append"])
def test_a_row_is_timed(row: str) -> None:
    benchmark = Rows()
    benchmark.setup(row)
    benchmark.time_run(row)


def test_figures_need_no_clock() -> None:
    assert Figures().track_figure("fold", "passes") > 0
    assert set(Figures.params[0]) < set(Rows.params[0:]) | {
        "train_resnet18",
        "train_vit",
        "integrated_gradients",
    }

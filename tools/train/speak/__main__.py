"""Train, export and measure the small speaking model: `python -m tools.train.speak --data DIR --out DIR`."""

from collections.abc import Callable

from tools.train.shared.device_command import StagedOptions, StagedRecipe, run_staged

RECIPE = StagedRecipe(
    task="speak",
    summary="Train, export and measure the small speaking model. It needs the program flite.",
    stages=("speech", "training", "export", "measure"),
    minutes=70.0,
    on_gpu=False,
)


def load() -> Callable[[StagedOptions], None]:
    """The recipe, with the libraries it needs."""
    from tools.train.speak.recipe import run

    return run


if __name__ == "__main__":
    run_staged(RECIPE, load)

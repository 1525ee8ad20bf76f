"""Train, export and measure the small transcribing model: `python -m tools.train.transcribe --data DIR --out DIR`."""

from collections.abc import Callable

from tools.train.shared.device_command import StagedOptions, StagedRecipe, run_staged

RECIPE = StagedRecipe(
    task="transcribe",
    summary="Train, export and measure the small transcribing model. It needs the programs espeak-ng and flite.",
    stages=("speech", "training", "export", "measure"),
    minutes=107.0,
    goes_on=True,
)


def load() -> Callable[[StagedOptions], None]:
    """The recipe, with the libraries it needs."""
    from tools.train.transcribe.recipe import run

    return run


if __name__ == "__main__":
    run_staged(RECIPE, load)

"""Train, calibrate, export and measure the small classifier: `python -m tools.train.classify --data DIR --out DIR`."""

from tools.train.shared.command import Recipe, Run, run_recipe

RECIPE = Recipe(
    task="classify",
    summary="Train, calibrate, export and measure the small classifier.",
    data_help=(
        "folder with train.tsv and validation.tsv (columns label, text): sentences of the sentence polarity dataset "
        "v1.0 of Pang and Lee (ACL 2005), CC BY 4.0, from https://www.cs.cornell.edu/people/pabo/movie-review-data/"
    ),
    minutes=8.0,
)


def load() -> Run:
    """The recipe, with the libraries it needs."""
    from tools.train.classify.recipe import run

    return run


if __name__ == "__main__":
    run_recipe(RECIPE, load)

"""Train, export and measure the small prose model: `python -m tools.train.text --data DIR --out DIR`."""

from tools.train.shared.command import Recipe, Run, run_recipe

RECIPE = Recipe(
    task="text",
    summary="Train, export and measure the small prose model.",
    data_help=(
        "folder of novels in the public domain, one UTF-8 .txt per book, including the held-out ones (see books.py); "
        "Project Gutenberg has them: https://www.gutenberg.org"
    ),
    minutes=75.0,
)


def load() -> Run:
    """The recipe, with the libraries it needs."""
    from tools.train.text.recipe import run

    return run


if __name__ == "__main__":
    run_recipe(RECIPE, load)

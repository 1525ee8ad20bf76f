"""Options that several tasks share, because their models draw tokens by chance."""

from typing import Annotated

from genai_cli.request.option import Option

Temperature = Annotated[
    float | None,
    Option(
        "--temperature", help="Randomness; 0 takes the likeliest always.", default="the model's own", low=0, high=100
    ),
]
TopK = Annotated[int | None, Option("--top-k", help="Draw from this many likeliest tokens; 0 from all.", low=0)]
TopP = Annotated[
    float | None,
    Option("--top-p", help="Draw from the likeliest tokens of this probability together.", low=0, high=1, above=True),
]
DEFAULT_NEW_TOKENS = 256
MaxNewTokens = Annotated[
    int | None,
    Option(
        "--max-new-tokens",
        "--max-tokens",
        help="Tokens to make at most.",
        default=f"{DEFAULT_NEW_TOKENS}, or what the context leaves",
        low=1,
    ),
]

"""What the libraries read from the environment when they are first imported."""

import os

from genai_cli.device.threads import set_waiting

SETTINGS = {
    # torch reads this when it first allocates memory on the CPU: large pages for its tensors, where Linux has them.
    # With small pages the decoder of Stable Diffusion takes 20 s instead of 15 for a picture of 512x512.
    "THP_MEM_ALLOC_ENABLE": "1",
    # Both libraries set the levels of their loggers from these.
    "TRANSFORMERS_VERBOSITY": "critical",
    "DIFFUSERS_VERBOSITY": "critical",
    # Otherwise tokenizers warns on stderr when a process that has used its threads is forked.
    "TOKENIZERS_PARALLELISM": "false",
}


def prepare_environment() -> None:
    """Set what shapes the libraries below; what the user has set stays.

    Every process that loads a model calls this first, before torch is imported. It imports nothing heavy itself.
    """
    from genai_cli.hub.environment import prepare_hub_environment

    set_waiting()
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    prepare_hub_environment()

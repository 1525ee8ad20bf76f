"""`python -m genai_cli` and the `genai` command."""

import sys

from genai_cli.collector import collector_off, set_aside


def run() -> None:
    """Run the command line and leave with its exit code."""
    with collector_off():
        from genai_cli.cli.main import main

        set_aside()
    code = main()
    set_aside()
    sys.exit(code)


if __name__ == "__main__":
    run()

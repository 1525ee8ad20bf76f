"""`python -m genai_cli` and the `genai` command."""

import sys


def run() -> None:
    """Run the command line and leave with its exit code."""
    from genai_cli.cli.main import main

    sys.exit(main())


if __name__ == "__main__":
    run()

"""The user's settings file: defaults of options, below the command line and the environment.

device = "cpu"

[image]
steps = 30
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genai_cli.errors import InputError, nearest
from genai_cli.modality.request import field_of

FILE_VARIABLE = "GENAI_CONFIG"


def settings_file() -> Path:
    """`config.toml` in the user's configuration folder, or the file that GENAI_CONFIG names."""
    if os.environ.get(FILE_VARIABLE):
        return Path(os.environ[FILE_VARIABLE])
    from platformdirs import user_config_path

    return user_config_path("genai") / "config.toml"


def load_settings(commands: Mapping[str, list[str]]) -> dict[str, Any]:
    """The defaults of each command, as Typer's default_map takes them; `commands` names each one's options.

    Raises InputError for a file that is broken, or names what no command has.
    """
    path = settings_file()
    if not path.is_file():
        return {}
    import tomllib

    try:
        stated = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {error}") from None
    tables = {name: value for name, value in stated.items() if isinstance(value, dict)}
    common = {field_of(name): value for name, value in stated.items() if name not in tables}
    everything = sorted({name for names in commands.values() for name in names})
    for name in common:
        check_name(name, everything, f"{path}: no command has an option")
    for table, values in tables.items():
        check_name(table, list(commands), f"{path}: there is no command")
        for name in values:
            check_name(field_of(name), commands[table], f"{path}: genai {table} has no option")
    return {
        command: {name: value for name, value in common.items() if name in names}
        | {field_of(name): value for name, value in tables.get(command, {}).items()}
        for command, names in commands.items()
    }


def check_name(name: str, known: list[str], complaint: str) -> None:
    """Raise InputError where the name is none of the known."""
    if name not in known:
        raise InputError(f"{complaint} {name!r}", hint=nearest(name, known))

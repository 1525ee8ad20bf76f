"""The user's settings file: defaults of options, below the command line and the environment.

device = "cpu"

[image]
steps = 30
"""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from genai_cli.errors import InputError, nearest
from genai_cli.request.option import convert, plain
from genai_cli.types import JsonObject

if TYPE_CHECKING:
    from genai_cli.cli.command import Command

FILE_VARIABLE = "GENAI_CONFIG"

Words = Mapping[str, Mapping[str, str]]
"""The fields that each command's settings may set, by all their names."""


def find_settings_file() -> Path:
    """`config.toml` in the user's configuration folder, or the file that GENAI_CONFIG names."""
    if os.environ.get(FILE_VARIABLE):
        return Path(os.environ[FILE_VARIABLE])
    from platformdirs import user_config_path

    return user_config_path("genai") / "config.toml"


def load_settings(list_words: Callable[[], Words]) -> dict[str, JsonObject]:
    """The defaults of each command, as Typer's default_map takes them; `list_words` is asked where there is a file.

    Raises InputError for a file that is broken, or has a name that no command knows.
    """
    path = find_settings_file()
    if not path.is_file():
        return {}
    import tomllib

    try:
        stated = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {error}") from None
    commands = list_words()
    tables = {name: value for name, value in stated.items() if isinstance(value, dict)}
    common = {plain(name): value for name, value in stated.items() if name not in tables}
    everything = sorted({word for words in commands.values() for word in words})
    for name in common:
        check_name(name, everything, f"{path}: no command has an option")
    for table, values in tables.items():
        check_name(table, list(commands), f"{path}: there is no command")
        for name in values:
            check_name(plain(name), list(commands[table]), f"{path}: genai {table} has no option")
    return {
        command: {words[name]: value for name, value in common.items() if name in words}
        | {words[plain(name)]: value for name, value in tables.get(command, {}).items()}
        for command, words in commands.items()
    }


def check_settings(commands: "Sequence[Command]") -> None:
    """Raise InputError for a file that is broken, or has a name or a value that no command takes."""
    stated = load_settings(lambda: {command.name: command.words() for command in commands})
    for command in commands:
        declared = command.declared()
        for field, value in stated.get(command.name, {}).items():
            option = declared[field][0]
            try:
                option.option.check(convert(value, option.hint, option.option.long))
            except InputError as error:
                raise InputError(f"{find_settings_file()}: {error.message}", error.hint) from None


def check_name(name: str, known: list[str], complaint: str) -> None:
    """Raise InputError where the name is not known."""
    if name not in known:
        raise InputError(f"{complaint} {name!r}", hint=nearest(name, known))

"""Files in the programs that the desktop opens them with."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from genai_cli.errors import InputError

OPENERS = {"darwin": ("open",), "linux": ("xdg-open", "gio open", "wslview")}


def open_files(files: list[Path]) -> None:
    """Open files in the desktop's programs, without waiting for them. Raises InputError where there is no desktop."""
    if sys.platform == "win32":
        for file in files:
            os.startfile(file)
        return
    platform = "darwin" if sys.platform == "darwin" else "linux"
    found = next((words for opener in OPENERS[platform] if shutil.which((words := opener.split())[0])), None)
    if found is None:
        raise InputError("no program opens files here", hint=f"--open needs {' or '.join(OPENERS[platform])}")
    for file in files:
        subprocess.Popen(
            [*found, str(file.absolute())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

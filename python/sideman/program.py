"""Finds the program that was installed with this package."""

import os
import shutil
from importlib import metadata
from pathlib import Path


class ProgramMissing(Exception):
    """The program is neither beside this package nor on PATH."""


def find():
    """Returns the path of the program `sideman`.

    The installer has recorded where it put the program, whichever scheme it used: a virtual environment, the user's
    directory or the system's. PATH is for installers that record nothing.
    """
    try:
        files = metadata.files("sideman") or []
    except metadata.PackageNotFoundError:
        files = []
    recorded = [Path(file.locate()).resolve() for file in files if file.parts[-2:] == ("bin", "sideman")]
    for path in recorded:
        if os.access(path, os.X_OK):
            return str(path)
    if path := shutil.which("sideman"):
        return path
    places = ", ".join(map(str, recorded)) or "the package's own list of files"
    raise ProgramMissing(
        f"the program sideman was not found: looked in {places} and on PATH. "
        "Reinstall it with `pip install --force-reinstall sideman`."
    )

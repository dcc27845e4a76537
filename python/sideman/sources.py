"""The settings of Sideman that the user has set. Needs no Django."""

import tomllib
from pathlib import Path


def is_set(environ, section, key, short=None):
    """Whether the user has set a key, by one of its variables or in the file that SIDEMAN_CONFIG names."""
    names = [f"SIDEMAN_{section}__{key}".upper(), short]
    if any(name and (name in environ or f"{name}_FILE" in environ) for name in names):
        return True
    return key in _section(environ.get("SIDEMAN_CONFIG"), section)


def setting(environ, section, key, short=None):
    """Returns the text of a key that the user has set by a variable or in the file that SIDEMAN_CONFIG names."""
    for name in (short, f"SIDEMAN_{section}__{key}".upper()):
        if name and name in environ:
            return environ[name]
        if name and f"{name}_FILE" in environ:
            try:
                return Path(environ[f"{name}_FILE"]).read_text(encoding="utf-8").strip()
            except (OSError, ValueError):
                return None
    value = _section(environ.get("SIDEMAN_CONFIG"), section).get(key)
    return None if value is None else str(value)


def _section(path, name):
    if not path:
        return {}
    try:
        with open(path, "rb") as file:
            section = tomllib.load(file).get(name, {})
    except (OSError, ValueError):
        # Sideman reports what is wrong with the file.
        return {}
    return section if isinstance(section, dict) else {}

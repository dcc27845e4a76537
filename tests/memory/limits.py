"""Resource limits that each process of the test raises."""

import resource

# More descriptors than any attack opens.
OPEN_FILES = 65536


def raise_open_files():
    """Raises the limit as far as this user may."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, max(hard, OPEN_FILES)))
    except ValueError:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

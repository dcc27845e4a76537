"""What each process of the test raises for itself."""

import resource

# More than any attack opens.
OPEN_FILES = 65536


def raise_open_files():
    """As far as this user may."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, max(hard, OPEN_FILES)))
    except ValueError:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

"""Sideman for Django: `manage.py sideman` serves the project, and system checks find settings that do not fit.

Add "sideman" to INSTALLED_APPS. The program `sideman` comes with this package.
"""

from .caching import PurgeError, purge

__all__ = ["PurgeError", "purge"]

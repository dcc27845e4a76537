"""The Django application: it has a command and system checks, and no models, URLs or middleware."""

from django.apps import AppConfig
from django.core import checks as framework

from . import checks


class SidemanConfig(AppConfig):
    name = "sideman"

    def ready(self):
        for check in checks.ALWAYS:
            framework.register(check, framework.Tags.security, checks.TAG)
        for check in checks.DEPLOY:
            framework.register(check, framework.Tags.security, checks.TAG, deploy=True)

"""Makes an editor, an index and two articles below it. Prints the number of the first article."""

import os

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand
from wagtail.models import Page, Site

from news.models import Article, Index


class Command(BaseCommand):
    help = __doc__

    def handle(self, *_, **__):
        name, password = os.environ["SITE_USER"], os.environ["SITE_PASSWORD"]
        get_user_model().objects.create_superuser(name, f"{name}@example.test", password)
        index = Page.get_first_root_node().add_child(instance=Index(title="News", slug="news"))
        first = index.add_child(instance=Article(title="First", slug="first", text="old text"))
        index.add_child(instance=Article(title="Second", slug="second", text="another text"))
        Site.objects.all().delete()
        Site.objects.create(hostname="example.test", root_page=index, is_default_site=True)
        self.stdout.write(str(first.pk))

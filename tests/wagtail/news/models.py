"""An index that lists its articles. Publishing an article purges the index too."""

from django.db import models
from django.dispatch import receiver
from wagtail.admin.panels import FieldPanel
from wagtail.contrib.frontend_cache.utils import PurgeBatch
from wagtail.models import Page
from wagtail.signals import page_published, page_unpublished


class Index(Page):
    pass


class Article(Page):
    text = models.TextField(blank=True)
    content_panels = [*Page.content_panels, FieldPanel("text")]


@receiver([page_published, page_unpublished], sender=Article)
def purge_index(instance, **_):
    batch = PurgeBatch()
    batch.add_page(instance.get_parent())
    batch.purge()

"""The editors' interface, thumbnails, and the pages."""

from django.urls import include, path
from wagtail import urls as pages
from wagtail.admin import urls as admin

from news.thumbnails import thumbnail

urlpatterns = [
    path("admin/", include(admin)),
    path("thumbnails/<int:width>.png", thumbnail),
    path("", include(pages)),
]

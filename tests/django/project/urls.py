"""The pages."""

from django.contrib import admin
from django.contrib.auth.views import LoginView
from django.urls import path, re_path

from project import views

urlpatterns = [
    path("", views.index),
    path("admin/", admin.site.urls),
    path("accounts/login/", LoginView.as_view()),
    path("private/", views.private),
    path("send/<str:name>/", views.send),
    path("upload/", views.upload),
    path("keep/", views.keep),
    path("download/<int:size>/", views.download),
    path("stream/<slug:token>/", views.stream),
    path("events/<slug:token>/", views.events),
    path("release/<slug:token>/", views.release),
    path("slow/", views.slow),
    path("health/", views.health),
    path("constant/", views.constant),
    re_path("^echo", views.echo),
]

"""The pages."""

from django.contrib import admin
from django.contrib.auth.views import LoginView
from django.urls import path, re_path

from project import cached, views

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
    *(
        path(f"cached/{view.__name__}/<int:number>/", view)
        for view in (
            cached.public,
            cached.language,
            cached.user,
            cached.session,
            cached.theme,
            cached.form,
            cached.notices,
            cached.private,
            cached.credentials,
            cached.origin,
        )
    ),
    path("cached/enter/", cached.enter),
    path("cached/leave/", cached.leave),
    path("cached/join/", cached.join),
    path("cached/say/", cached.say),
    re_path("^echo", views.echo),
]

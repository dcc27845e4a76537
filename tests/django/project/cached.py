"""Pages for the tests of a shared cache: each says for whom it was made, and for how long it may be stored.

Those that Django's own cache would give to others are kept out of it: the tests are about the cache in front.
"""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import get_user_model, login, logout
from django.http import HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.utils.cache import patch_vary_headers
from django.utils.translation import get_language
from django.views.decorators.cache import cache_control
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

SECONDS = 600


def page(request, **content):
    """A page with what tells it from others."""
    return JsonResponse({"path": request.path, "query": request.META["QUERY_STRING"], **content})


@cache_control(public=True, max_age=SECONDS)
def public(request, number):
    """For all."""
    return page(request)


@cache_control(public=True, max_age=SECONDS)
def language(request, number):
    """In the language that LocaleMiddleware has chosen."""
    return page(request, language=(get_language() or "en")[:2])


@cache_control(max_age=SECONDS)
def user(request, number):
    """Names the user: Django adds `Vary: Cookie`, and no cookie."""
    return page(request, user=request.user.get_username())


@cache_control(max_age=SECONDS)
def session(request, number):
    """Shows the session's data without a login, and counts the visits in it."""
    outside_djangos_cache(request)
    owner = request.session.get("owner", "")
    if owner:
        request.session["visits"] = request.session.get("visits", 0) + 1
    return page(request, owner=owner)


@cache_control(max_age=SECONDS)
def theme(request, number):
    """Depends on a cookie of the site's own."""
    response = page(request, theme=request.COOKIES.get("theme", ""))
    patch_vary_headers(response, ["Cookie"])
    return response


@cache_control(max_age=SECONDS)
def form(request, number):
    """Has a CSRF token, and sets its cookie each time."""
    outside_djangos_cache(request)
    token = get_token(request)
    secret = "" if settings.CSRF_USE_SESSIONS else request.META["CSRF_COOKIE"]
    return page(request, token=token, secret=secret)


@cache_control(max_age=SECONDS)
def notices(request, number):
    """Shows messages once. Django adds no `Vary` for them."""
    outside_djangos_cache(request)
    return page(request, messages=[str(message) for message in messages.get_messages(request)])


@cache_control(private=True, max_age=SECONDS)
def private(request, number):
    """For one user, says its Cache-Control."""
    return page(request, user=request.user.get_username())


@cache_control(max_age=SECONDS)
def credentials(request, number):
    """Depends on Authorization, and does not say so (RFC 9111, 3.5)."""
    outside_djangos_cache(request)
    return page(request, authorization=request.headers.get("Authorization", ""))


@cache_control(max_age=SECONDS)
def origin(request, number):
    """Varies as django-cors-headers does."""
    response = page(request, origin=request.headers.get("Origin", ""))
    patch_vary_headers(response, ["origin"])
    return response


@csrf_exempt
@require_POST
def enter(request):
    """Logs in whoever says a name."""
    name = request.GET["who"]
    account, _ = get_user_model().objects.get_or_create(username=name)
    login(request, account, backend="django.contrib.auth.backends.ModelBackend")
    return HttpResponse(status=204)


@csrf_exempt
@require_POST
def leave(request):
    logout(request)
    return HttpResponse(status=204)


@csrf_exempt
@require_POST
def join(request):
    """Keeps a name in the session, without a login."""
    request.session["owner"] = request.GET["who"]
    return HttpResponse(status=204)


@csrf_exempt
@require_POST
def say(request):
    """Leaves a message for the next page that shows them."""
    messages.info(request, request.GET["text"])
    return HttpResponse(status=204)


def outside_djangos_cache(request):
    request._cache_update_cache = False

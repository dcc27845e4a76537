# What a deployment adds to a fresh settings.py.
DEBUG = False
ALLOWED_HOSTS = ["shop.example"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
INSTALLED_APPS += ["sideman"]
STATIC_ROOT = BASE_DIR / "staticfiles"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"},
}
# The only directory that can be written to.
DATABASES["default"]["NAME"] = "/tmp/db.sqlite3"

"""Thumbnails that are made when they are asked for, and kept by nobody here. Making one takes until SITE_DATA/go exists;
each is a line in SITE_DATA/made."""

import os
import time
from io import BytesIO
from pathlib import Path

from django.http import HttpResponse
from django.views.decorators.cache import cache_control
from PIL import Image

DATA = Path(os.environ["SITE_DATA"])


@cache_control(public=True, max_age=86400)
def thumbnail(request, width):
    with (DATA / "made").open("a") as made:
        made.write(f"{width}\n")
    while not (DATA / "go").exists():
        time.sleep(0.01)
    # Noise compresses badly, as photographs do.
    image = Image.merge("RGB", [Image.effect_noise((1600, 1600), 90) for _ in range(3)])
    image.thumbnail((width, width))
    png = BytesIO()
    image.save(png, "PNG", compress_level=1)
    return HttpResponse(png.getvalue(), content_type="image/png")

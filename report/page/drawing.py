"""How the project's figures look: Matplotlib figures and images as data URIs."""

from __future__ import annotations

import base64
import io
from contextlib import AbstractContextManager

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from PIL import Image

WIDTH_INCHES, HEIGHT_INCHES = 3.4, 2.7
# Okabe and Ito's palette, which people with any colour vision can distinguish.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#7F7F7F")
DASHES = ("-", "--", "-.", ":")


def style() -> AbstractContextManager[None]:
    """Return the settings under which figures are made and written."""
    return matplotlib.rc_context(
        {
            "font.size": 10.0,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "svg.fonttype": "path",  # text as outlines: the same whatever fonts a phone has
            "svg.hashsalt": "report",  # the same figure has the same bytes
        }
    )


def create_figure(
    width_inches: float = WIDTH_INCHES, height_inches: float = HEIGHT_INCHES
) -> tuple[Figure, Axes]:
    """Return an empty figure and its axes; not of pyplot, which keeps what it has drawn."""
    figure = Figure(figsize=(width_inches, height_inches), layout="constrained")
    return figure, figure.add_subplot()


def svg_uri(figure: Figure) -> str:
    """Return a figure as the data URI of an SVG."""
    buffer = io.BytesIO()
    # Not `savefig`, which draws the figure once before to the same end: a quarter of its time.
    FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})
    return _data_uri("image/svg+xml", buffer.getvalue())


def image_uri(pixels: np.ndarray) -> str:
    """Return an image as the data URI of a JPEG file.

    Args:
        pixels: uint8 [h, w] or [h, w, 3].
    """
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="JPEG", quality=85, optimize=True)
    return _data_uri("image/jpeg", buffer.getvalue())


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64," + base64.b64encode(content).decode("ascii")

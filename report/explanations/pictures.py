"""The pictures of an explanation, each over the image that it is of."""

from __future__ import annotations

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from PIL import Image
from skimage.segmentation import mark_boundaries

from report.explanations.explanation import Explanation
from report.explanations.faithfulness import SMALLEST_MOVE
from report.explanations.feature_maps import FeatureMaps
from report.page.drawing import COLOURS, create_figure, image_uri, style, svg_uri
from report.page.parts import Picture

_SIDE_PX = 256
_DPI = 110
_SIDE_INCHES = 2.4
_PICTURE_PART = 0.83  # of a picture's height; the legend has the rest
_OUTLINE = (1.0, 0.85, 0.0)
_DIMMED = 0.45  # of the brightness, outside the mask
# Of LIME's legend, log-odds: weights far below it must not look strong.
_SMALLEST_SCALE = 0.5
_CURVE_MARGIN = 0.06  # of the curves' height, above and below them
_STRONGEST_TINT = 0.75  # of the colour, where a weight is at its largest
_MAX_CHANNELS = 16
_MAX_EARLY_CHANNELS = 8


def draw_image(image: np.ndarray, what: str) -> Picture:
    """Show an image as the network gets it: uint8 [s, s, 1]."""
    return Picture(image_uri(_enlarge(image)), f"{what}, as Transform leaves it", "Image")


def draw_lime_mask(image: np.ndarray, explanation: Explanation, what: str) -> Picture:
    """Outline the superpixels that speak most for the answer, and dim the others."""
    mask = _enlarge(explanation.lime.mask[..., np.newaxis].astype(np.uint8) * 255, smooth=False)
    grey = _enlarge(image) / 255.0
    dimmed = np.where(mask > 127, grey, _DIMMED * grey)
    drawn = mark_boundaries(dimmed, (mask > 127).astype(int), color=_OUTLINE, mode="thick")
    source = image_uri((drawn * 255).astype(np.uint8))
    count = len(np.unique(explanation.regions[explanation.lime.mask]))
    if count == 0:
        none = (
            f"no superpixel speaks for {_answer(explanation)} by more than "
            f"{explanation.lime.smallest:.2g} log-odds"
        )
        return Picture(source, f"{what}: nothing is outlined, {none}", f"LIME: {none}")
    return Picture(
        source,
        f"{what}: outlined, the {count} superpixels that speak most for {_answer(explanation)}, "
        f"{explanation.lime.mask.mean():.0%} of the image",
        f"LIME: what speaks most for {_answer(explanation)}",
    )


def draw_lime_weights(image: np.ndarray, explanation: Explanation, what: str) -> Picture:
    """Tint each superpixel by its weight: red for pneumonia, blue against it."""
    weights = explanation.lime.weights
    strongest = max(float(np.abs(weights).max()), _SMALLEST_SCALE)
    source = _tinted(image, weights[explanation.regions] / strongest, "RdBu_r", -1.0, strongest)
    return Picture(
        source,
        f"{what}: weights of {len(weights)} superpixels on the log-odds of pneumonia, from "
        f"{weights.min():+.2f} to {weights.max():+.2f}; {(weights > 0).sum()} speak for it and "
        f"{(weights < 0).sum()} against it",
        "LIME: red for pneumonia, blue against it, in log-odds",
    )


def draw_grad_cam(image: np.ndarray, explanation: Explanation, what: str) -> Picture | None:
    """Tint what Grad-CAM says speaks for the answer; None where the network has no maps."""
    cam = explanation.cam
    if cam is None:
        return None
    down, across = np.unravel_index(int(cam.argmax()), cam.shape)
    height = ("upper", "middle", "lower")[min(2, 3 * int(down) // cam.shape[0])]
    side = ("left", "centre", "right")[min(2, 3 * int(across) // cam.shape[1])]
    peak = (
        f"strongest in the {height} {side} of the picture, above a half on {(cam > 0.5).mean():.0%}"
        if cam.any()
        else "nothing speaks for it"
    )
    return Picture(
        _tinted(image, cam, "inferno", 0.0, 1.0),
        f"{what}: Grad-CAM for {_answer(explanation)}, {peak}",
        f"Grad-CAM: what speaks for {_answer(explanation)}",
    )


def draw_faithfulness(name: str, explanation: Explanation, what: str) -> Picture:
    """Draw the curves of deletion and insertion beside the mean of random orders."""
    check = explanation.checks[name]
    threshold = explanation.threshold_log_odds * (1.0 if explanation.is_pneumonia else -1.0)
    values = np.concatenate([check.deletion, check.insertion, check.random_mean])
    margin = _CURVE_MARGIN * max(float(np.ptp(values)), SMALLEST_MOVE)
    lowest, highest = float(values.min()) - margin, float(values.max()) + margin
    is_crossed = lowest < threshold < highest
    with style():
        figure, axes = create_figure(_SIDE_INCHES, _SIDE_INCHES)
        if is_crossed:
            axes.axhline(threshold, linewidth=0.8, color=COLOURS[6])
        steps = np.linspace(0.0, 1.0, len(check.random_mean))
        axes.plot(steps, check.random_mean, ":", color=COLOURS[7], label="random")
        axes.plot(steps, check.random_mean[::-1], ":", color=COLOURS[7])
        axes.plot(check.deleted_shares, check.deletion, color=COLOURS[1], label="deletion")
        axes.plot(check.inserted_shares, check.insertion, "--", color=COLOURS[0], label="insertion")
        axes.set(xlabel="share of the image", ylabel="log-odds of the answer")
        axes.set(xlim=(0.0, 1.0), ylim=(lowest, highest))
        figure.legend(
            loc="outside upper center", ncols=3, frameon=False, fontsize=7, columnspacing=1.0
        )
        source = svg_uri(figure)
    line = "a thin line marks the threshold" if is_crossed else "the threshold is never reached"
    return Picture(
        source,
        f"{what}: faithfulness of {name}, in log-odds of {_answer(explanation)}; {line}. Compared "
        f"with random orders, deletion is lower by {check.deletion_gain:.2f} and "
        f"insertion higher by {check.insertion_gain:.2f} on average: {check.verdict}",
        f"{name}: {check.verdict}",
    )


def draw_feature_maps(found: FeatureMaps, what: str) -> Picture:
    """Show the first channels of one convolution, each from its lowest to its highest value."""
    height, width, channels = found.maps.shape
    shown = min(channels, _MAX_CHANNELS)
    grid = _grid([_levels(found.maps[..., channel]) for channel in range(shown)], 4)
    return Picture(
        image_uri(grid),
        f"{what}: {shown} of {channels} maps of convolution {found.number}, {width}x{height} each",
        f"Convolution {found.number} ({found.layer}): {shown} of {channels} maps, {width}x{height}",
    )


def draw_early_maps(early: tuple[FeatureMaps, ...], what: str) -> Picture:
    """Show the first channels of all early convolutions, one row for each."""
    blank = np.full((64, 64), 255, np.uint8)
    tiles = []
    for found in early:
        shown = min(found.maps.shape[-1], _MAX_EARLY_CHANNELS)
        tiles += [_levels(found.maps[..., channel], 64) for channel in range(shown)]
        tiles += [blank] * (_MAX_EARLY_CHANNELS - shown)
    return Picture(
        image_uri(_grid(tiles, _MAX_EARLY_CHANNELS)),
        f"{what}: the first {_MAX_EARLY_CHANNELS} maps of convolutions 1 to {len(early)}, a row "
        "for each, ever coarser",
        f"All early convolutions, 1 to {len(early)} from top to bottom",
    )


def _answer(explanation: Explanation) -> str:
    return "pneumonia" if explanation.is_pneumonia else "normal"


def _enlarge(image: np.ndarray, *, smooth: bool = True, side_px: int = _SIDE_PX) -> np.ndarray:
    """Bring uint8 [h, w, 1] to uint8 [side_px, side_px]."""
    method = Image.Resampling.BICUBIC if smooth else Image.Resampling.NEAREST
    return np.asarray(Image.fromarray(image[..., 0]).resize((side_px, side_px), method))


def _tinted(
    image: np.ndarray, values: np.ndarray, colours: str, lowest: float, scale: float
) -> str:
    """Draw values in [lowest, 1] over an image, with a legend in units of `scale`."""
    grey = np.repeat(image / 255.0, 3, axis=-1)
    tint = colormaps[colours]((values - lowest) / (1.0 - lowest))[..., :3]
    strength = _STRONGEST_TINT * np.abs(values)[..., np.newaxis]
    with style():
        figure = Figure(figsize=(_SIDE_INCHES, _SIDE_INCHES / _PICTURE_PART), dpi=_DPI)
        axes = figure.add_axes((0.0, 1.0 - _PICTURE_PART, 1.0, _PICTURE_PART))
        axes.imshow((1.0 - strength) * grey + strength * tint, interpolation="nearest")
        axes.set_axis_off()
        legend = ScalarMappable(Normalize(lowest * scale, scale), colours)
        bar = figure.colorbar(
            legend, cax=figure.add_axes((0.03, 0.11, 0.94, 0.04)), orientation="horizontal"
        )
        bar.set_ticks([lowest * scale, (lowest + 1.0) / 2.0 * scale, scale])
        bar.ax.xaxis.set_major_formatter("{x:.2g}")
        first, _, last = bar.ax.get_xticklabels()
        first.set_horizontalalignment("left")
        last.set_horizontalalignment("right")
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        pixels = np.asarray(canvas.buffer_rgba())[..., :3]
    return image_uri(np.ascontiguousarray(pixels))


def _levels(channel: np.ndarray, side_px: int = 96) -> np.ndarray:
    """Bring float [h, w] to uint8 [side_px, side_px], from its lowest to its highest value."""
    span = float(np.ptp(channel))
    scaled = (channel - channel.min()) / span if span > 0.0 else np.zeros_like(channel)
    levels = (scaled * 255.0).astype(np.uint8)[..., np.newaxis]
    return _enlarge(levels, smooth=False, side_px=side_px)


def _grid(tiles: list[np.ndarray], columns: int) -> np.ndarray:
    """Arrange square tiles in rows, white between them."""
    side = tiles[0].shape[0] + 2
    rows = -(-len(tiles) // columns)
    grid = np.full((rows * side, columns * side), 255, np.uint8)
    for number, tile in enumerate(tiles):
        down, across = number // columns * side, number % columns * side
        grid[down : down + side - 2, across : across + side - 2] = tile
    return grid

"""The whole of a site's calibration: score, decide, and push a new version."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from contract.errors import InputError
from contract.settings import PipelineSettings
from evaluation.decision_band import DecisionBand
from models.provenance import Provenance, SiteCalibration, describe_site_origin, read_provenance
from models.reference_scores import ReferenceScores
from models.session_model import SessionModel
from serving.client.images import ReadyImage, prepare_image
from serving.push_folder import is_complete, push, pushed_versions, version_dir
from serving.site_calibration.alignment import ALIGNED, Alignment, align_scores
from serving.site_calibration.labelled import (
    RECHOSEN,
    Choice,
    MeasuredFigures,
    choose_for_site,
    measure,
)
from serving.site_calibration.new_version import check_version, write_version
from serving.site_calibration.scoring import LeftOut, ScoredImages, score_images
from serving.site_calibration.site_images import SiteImage, open_site

_NUM_CHECKED = 16  # images that the new version is compared on


@dataclasses.dataclass(frozen=True)
class Request:
    """How a model is calibrated for a site.

    Attributes:
        model_dir: A SavedModel's folder, or one of numbered versions, of which the newest counts.
        source: Where the site's images are.
        by: Who answers for it.
        work_dir: For what has to be unpacked.
        push_dir: Folder of numbered versions; None is where the model comes from.
        prevalence: The site's, in (0, 1), where it is known.
        ignore_labels: Treat labelled images as unlabelled; labels then only measure.
        dry_run: Push nothing.
    """

    model_dir: Path
    source: str
    by: str
    work_dir: Path
    push_dir: Path | None = None
    prevalence: float | None = None
    ignore_labels: bool = False
    dry_run: bool = False


class MeasuredChange(BaseModel):
    """What labels say of thresholds that were not chosen by them.

    Attributes:
        frozen: The threshold that the gate judged.
        aligned: The aligned one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    frozen: MeasuredFigures
    aligned: MeasuredFigures


class PushedVersion(BaseModel):
    """Where the new version is.

    Attributes:
        number: Its number.
        folder: Its folder.
        model_version: As its provenance has it.
        is_new: Whether it was pushed now; the same one may have been the newest before.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    folder: str
    model_version: str
    is_new: bool


class SiteReport(BaseModel):
    """A site's calibration, for programs and people.

    Attributes:
        verdict: "changed": there is a new threshold; "kept" and "refused": there is none.
        model_dir: The model that was used.
        model_version: Its version.
        served_threshold: Its threshold: another than the frozen one where it was already
            calibrated for a site.
        source: Where the images came from.
        by: Who answers for it.
        is_labelled: Whether the threshold was chosen by labels.
        num_images: Scored images.
        num_unfamiliar: Of these, images that the model refers because they are unlike its training
            images; None where it does not measure that.
        left_out: Files that were not scored.
        warnings: What to know about how the images were read.
        alignment: Of unlabelled images.
        choice: Of labelled images.
        measured: What labels say of an alignment that ignored them.
        pushed: The new version; None where nothing was pushed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    verdict: Literal["changed", "kept", "refused"]
    model_dir: str
    model_version: str
    served_threshold: float
    source: str
    by: str
    is_labelled: bool
    num_images: int
    num_unfamiliar: int | None = None
    left_out: tuple[LeftOut, ...]
    warnings: tuple[str, ...]
    alignment: Alignment | None = None
    choice: Choice | None = None
    measured: MeasuredChange | None = None
    pushed: PushedVersion | None = None


def calibrate_for_site(
    request: Request,
    settings: PipelineSettings,
    progress: Callable[[Iterable[SiteImage]], Iterable[SiteImage]] = lambda images: images,
) -> SiteReport:
    """Calibrate a model's threshold for a site, and push it as the next version.

    Args:
        request: What to do.
        settings: The sections `site_calibration`, `gate` and `data` count.
        progress: Wraps the images while they are scored.

    Raises:
        InputError: The model, the images, the prevalence or a folder cannot be used.
        WrongVersionError: The new version does not answer as it must.
    """
    model_dir, push_dir = _places(request)
    base = read_provenance(model_dir)
    reference = ReferenceScores.read(model_dir)
    if request.prevalence is not None and not 0.0 < request.prevalence < 1.0:
        raise InputError(
            f"expected a prevalence above 0 and below 1, got {request.prevalence:g}; give a share "
            "such as 0.3, not a percentage"
        )
    site = open_site(request.source, request.work_dir, settings.data)
    by_labels = site.is_labelled and not request.ignore_labels
    if by_labels and request.prevalence is not None:
        raise InputError(
            "expected --prevalence with unlabelled images only, got labelled ones, whose "
            "prevalence is counted; leave one of the two out, or add --ignore-labels"
        )
    model = SessionModel(model_dir)
    try:
        scored = score_images(
            model,
            progress(site.images),
            settings.data.max_image_pixels,
            settings.site_calibration.batch_size,
        )
        report = SiteReport(
            verdict="refused",
            model_dir=str(model_dir),
            model_version=base.model_version,
            served_threshold=base.threshold,
            source=request.source,
            by=request.by,
            is_labelled=by_labels,
            num_images=len(scored.images),
            num_unfamiliar=scored.num_unfamiliar,
            left_out=scored.left_out,
            warnings=site.warnings,
        )
        decide = _choose if by_labels else _align
        report = decide(report, scored, base, reference, request, settings)
        if report.verdict != "changed" or request.dry_run or push_dir is None:
            return report
        provenance = _origin(report, scored, base)
        pushed = _push(model, model_dir, push_dir, provenance, scored, settings)
    finally:
        model.close()
    return report.model_copy(update={"pushed": pushed})


def _places(request: Request) -> tuple[Path, Path | None]:
    folder = request.model_dir
    if is_complete(folder):
        versions = folder.parent if folder.absolute().name.isdigit() else None
        model_dir = folder
    elif numbers := pushed_versions(folder):
        versions, model_dir = folder, version_dir(folder, numbers[-1])
    else:
        raise InputError(
            f"expected a model's folder, or one of numbered versions, got {folder}, which holds "
            "neither; give e.g. output/serving/pneumonia"
        )
    push_dir = request.push_dir or versions
    if push_dir is None and not request.dry_run:
        raise InputError(
            f"expected to know where the new version goes, got the model {folder}, which is not in "
            "a folder of numbered versions; add --push-dir or --dry-run"
        )
    return model_dir, push_dir


def _frozen_threshold(base: Provenance) -> float:
    site = base.site_calibration
    return base.threshold if site is None else site.base_threshold


def _frozen_band(base: Provenance) -> DecisionBand | None:
    site = base.site_calibration
    return base.band if site is None else site.base_band


def _align(
    report: SiteReport,
    scored: ScoredImages,
    base: Provenance,
    reference: ReferenceScores,
    request: Request,
    settings: PipelineSettings,
) -> SiteReport:
    alignment = align_scores(
        scored.probabilities,
        reference,
        _frozen_threshold(base),
        settings.site_calibration,
        min_recall_lower_bound=settings.gate.min_recall_lower_bound,
        prevalence=request.prevalence,
        patients=[image.patient for image in scored.images],
        frozen_band=_frozen_band(base),
    )
    measured = None
    labels = _labels(scored)
    if len(labels) == len(scored.images):
        measured = MeasuredChange(
            frozen=measure(labels, scored.probabilities, alignment.frozen_threshold),
            aligned=measure(labels, scored.probabilities, alignment.threshold),
        )
    verdict = "changed" if alignment.verdict == ALIGNED else alignment.verdict
    return report.model_copy(
        update={"verdict": verdict, "alignment": alignment, "measured": measured}
    )


def _choose(
    report: SiteReport,
    scored: ScoredImages,
    base: Provenance,
    reference: ReferenceScores,
    request: Request,
    settings: PipelineSettings,
) -> SiteReport:
    choice = choose_for_site(
        _labels(scored),
        scored.probabilities,
        _frozen_threshold(base),
        base.target_sensitivity,
        settings.site_calibration,
        settings.gate,
        patients=[image.patient for image in scored.images],
        referral=base.referral,
    )
    verdict = "changed" if choice.verdict == RECHOSEN else "refused"
    return report.model_copy(update={"verdict": verdict, "choice": choice})


def _labels(scored: ScoredImages) -> list[int]:
    return [image.label for image in scored.images if image.label is not None]


def _origin(report: SiteReport, scored: ScoredImages, base: Provenance) -> Provenance:
    before = base.site_calibration
    facts = {
        "by": report.by,
        "num_images": report.num_images,
        "num_left_out": len(report.left_out),
        "images_sha256": scored.images_sha256,
        "base_model_version": base.model_version if before is None else before.base_model_version,
        "base_threshold": _frozen_threshold(base),
        "base_band": _frozen_band(base),
    }
    if report.alignment is not None:
        alignment = report.alignment
        figures = alignment.aligned
        site = SiteCalibration.model_validate(
            {
                **facts,
                "images": "unlabelled",
                "num_pneumonia": None,
                "prevalence": alignment.prevalence.value,
                "prevalence_source": "given" if alignment.prevalence_given else "estimated",
                "recall": figures.recall.value,
                "recall_low": figures.recall.low,
                "specificity": figures.specificity.value,
                "specificity_low": figures.specificity.low,
            }
        )
        return describe_site_origin(base, _float32(alignment.threshold), alignment.band, site)
    choice = report.choice
    if choice is None or choice.threshold is None or choice.rechosen is None:
        raise ValueError("expected a new threshold, got none")
    recall, specificity = choice.rechosen.recall, choice.rechosen.specificity
    if recall is None or specificity is None:
        raise ValueError("expected images of both classes, got one")
    site = SiteCalibration.model_validate(
        {
            **facts,
            "images": "labelled",
            "num_pneumonia": choice.num_pneumonia,
            "prevalence": choice.num_pneumonia / choice.num_images,
            "prevalence_source": "counted",
            "recall": recall.value,
            "recall_low": recall.low,
            "specificity": specificity.value,
            "specificity_low": specificity.low,
        }
    )
    return describe_site_origin(base, _float32(choice.threshold), choice.band, site)


def _float32(threshold: float) -> float:
    return float(np.float32(threshold))  # as the model compares


def _push(
    model: SessionModel,
    model_dir: Path,
    push_dir: Path,
    provenance: Provenance,
    scored: ScoredImages,
    settings: PipelineSettings,
) -> PushedVersion:
    versions = pushed_versions(push_dir)
    if versions:
        newest = version_dir(push_dir, versions[-1])
        # Content alone does not show it: a SavedModel's fingerprint is drawn anew each time.
        if _model_version(newest) == provenance.model_version:
            return _pushed(push_dir, versions[-1], provenance, is_new=False)
    with tempfile.TemporaryDirectory(prefix="site-calibration-") as folder:
        new_dir = Path(folder) / "model"
        write_version(model_dir, new_dir, provenance)
        check_version(model, new_dir, _some_images(scored, settings.data.max_image_pixels))
        number, is_new = push(new_dir, push_dir)
    return _pushed(push_dir, number, provenance, is_new=is_new)


def _model_version(folder: Path) -> str:
    try:
        return read_provenance(folder).model_version
    except InputError:
        return ""  # a model that others pushed


def _pushed(push_dir: Path, number: int, provenance: Provenance, *, is_new: bool) -> PushedVersion:
    return PushedVersion(
        number=number,
        folder=str(version_dir(push_dir, number)),
        model_version=provenance.model_version,
        is_new=is_new,
    )


def _some_images(scored: ScoredImages, max_image_pixels: int) -> list[bytes]:
    """Return images from the lowest to the highest score, so that both labels are among them."""
    order = np.argsort(scored.probabilities, kind="stable")
    picked = np.unique(np.linspace(0, order.size - 1, _NUM_CHECKED).round().astype(int))
    ready = (
        prepare_image(image.name, image.path, max_image_pixels)
        for image in (scored.images[order[index]] for index in picked)
    )
    return [each.encoded for each in ready if isinstance(each, ReadyImage)]

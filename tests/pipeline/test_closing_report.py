"""Tests of `pipeline.closing_report` and of the tables of `pipeline.closing_tables`."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pipeline.closing_report import next_commands, print_summary
from pipeline.summary import Summary

ROOT = Path(__file__).resolve().parents[2]


def report(summary: Summary, width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    print_summary(console, summary)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def words(lines: list[str]) -> list[list[str]]:
    return [line.split() for line in lines]


@pytest.mark.parametrize("width", [80, 120])
def test_nothing_is_cut_and_only_what_is_copied_is_longer_than_the_terminal(
    blessed_summary: Summary, width: int
) -> None:
    lines = report(blessed_summary, width)
    assert not [line for line in lines if "…" in line]
    commands = {command for _, command in next_commands(blessed_summary)}
    assert not [line for line in lines if len(line) > width and line not in commands]
    assert commands <= set(lines)


def test_the_data_is_counted(blessed_summary: Summary) -> None:
    lines = report(blessed_summary)
    assert "5,228 images of 2,897 patients, 4 rejected, from /data/chest_xray.zip" in lines
    header = ["split", "images", "patients", "normal", "pneumonia", "bacterial", "viral", "unknown"]
    assert header in words(lines)
    assert ["train", "3,662", "2,011", "915", "2,747", "1,831", "916", "0"] in words(lines)


def test_strong_shortcuts_are_told_and_no_others(
    blessed_summary: Summary, summary_fields: dict[str, Any]
) -> None:
    rows = words(report(blessed_summary))
    assert ["mean", "absolute", "gradient", "0.905", "[0.894,", "0.915]", "lower"] in rows
    assert not [row for row in rows if row[:1] == ["contrast"] or row[:1] == ["aspect"]]
    weak = summary_fields | {"shortcuts": summary_fields["shortcuts"][1:]}
    assert "Shortcuts" not in " ".join(report(Summary.model_validate(weak)))


def test_what_is_decided_is_told_of_both_splits(blessed_summary: Summary) -> None:
    text = " ".join(" ".join(report(blessed_summary)).split())
    assert (
        "Decided on validation: 716 of 784 images, 0.913 [0.893, 0.933], of these recall 0.991 "
        "[0.970, 1.000], specificity 0.987 [0.953, 1.000]; referred to a radiologist: 68, of them "
        "7 unlike the training images and 61 of uncertain score"
    ) in text
    # TFMA's slices do not separate the reasons.
    assert "Decided on test: 714 of 782 images, 0.913 [0.893, 0.933]" in text
    assert text.count("referred to a radiologist: 68") == 2
    assert text.count("unlike the training images") == 1


def test_candidate_and_operating_point_are_told(blessed_summary: Summary) -> None:
    lines = report(blessed_summary, width=120)
    row = ["cnn_deep", "*", "3,312,961", "11", "0.971", "0.890", "0.981", "0.965"]
    assert row in words(lines)
    assert "* selected: cnn_deep is the only candidate" in lines
    assert "cnn_deep: cnn_deep, learning_rate 0.0003, batch_size 32" in lines
    assert (
        "Operating point: probability >= 0.314 is called pneumonia; chosen on validation for a "
        "sensitivity of 0.97; calibration error 0.041 before calibration, 0.017 after"
    ) in " ".join(" ".join(lines).split())


def test_every_stress_of_the_selected_candidate_has_its_line(blessed_summary: Summary) -> None:
    rows = words(report(blessed_summary))
    place = rows.index(["stress", "recall", "specificity", "AUC"])
    assert ["blur", "0.964", "0.870", "0.981"] in rows[place:]
    assert ["low", "resolution", "0.956", "0.810", "0.981"] in rows[place:]


def test_the_worst_pseudo_sites_are_named(blessed_summary: Summary) -> None:
    text = " ".join(" ".join(report(blessed_summary)).split())
    where = "on a part of validation that simulates another hospital:"
    assert f"Lowest recall {where} 0.910 [0.830, 1.000], sharpness sharp" in text
    assert f"Lowest specificity {where} 0.710 [0.630, 1.000], sharpness soft" in text


def test_every_trial_has_its_line(blessed_summary: Summary) -> None:
    rows = words(report(blessed_summary))
    place = rows.index(["score", "rate", "size"])
    assert rows[place - 1] == ["learning", "batch"]
    assert rows[place + 2 : place + 5] == [
        ["0.974", "0.0003", "32"],
        ["0.960", "0.001", "64"],
        ["-", "0.1", "-"],
    ]


def test_many_candidates_with_long_names_fit(summary_fields: dict[str, Any]) -> None:
    (candidate,) = summary_fields["candidates"]
    name = "efficientnet_v2_b0_with_lung_crop"
    space = {
        "learning_rate": 0.0015,
        "weight_decay": 0.005,
        "dropout": 0.4,
        "label_smoothing": 0.05,
        "augmentation_strength": 1.2,
    }
    trials = [{"score": 0.9, "hyperparameters": space}]
    long = candidate | {"name": name, "parameters": 142_626_560, "trials": trials}
    ensemble = candidate | {"name": "ensemble", "members": [name, "cnn_deep"], "trials": []}
    fields = summary_fields | {"candidates": [ensemble, long, candidate], "selected": "ensemble"}
    lines = report(Summary.model_validate(fields))
    training = lines[: lines.index(next(line for line in lines if "Test split" in line))]
    assert not [line for line in training if len(line) > 80 or "…" in line]
    assert ["0.900", "0.0015", "0.005", "0.4", "0.05", "1.2"] in words(lines)
    assert f"ensemble: the mean of {name}, cnn_deep" in lines
    assert ["ensemble", "*"] in [row[:2] for row in words(lines)]


def test_a_run_on_a_cluster_is_reported_without_what_it_lacks(
    summary_fields: dict[str, Any],
) -> None:
    kept = ("verdict", "run_id", "ended", "versions", "gate", "pushed_model")
    fields = {name: summary_fields[name] for name in kept}
    lines = report(Summary.model_validate(fields))
    headings = [line.split(" -")[0] for line in lines if "----" in line]
    assert headings == ["Verdict", "Next", "Run"]
    assert any(line.startswith("BLESSED: of 9 checks") for line in lines)


def test_a_run_that_broke_says_what_broke(summary_fields: dict[str, Any]) -> None:
    fields = {name: summary_fields[name] for name in ("run_id", "ended", "versions")}
    broken = {"verdict": "broken", "error": "Trainer-small: InputError: no images"}
    lines = report(Summary.model_validate(fields | broken))
    assert "BROKEN" in lines
    assert "The run broke: Trainer-small: InputError: no images" in lines


def test_every_check_has_its_line(blessed_summary: Summary) -> None:
    rows = words(report(blessed_summary))
    assert ["passed", "recall", "overall", "0.967", ">=", "0.950", "581"] in rows
    assert ["passed", "recall", "change", "overall", "-0.003", ">=", "-0.010", "581"] in rows
    assert ["too", "small", "slice", "recall", "unknown", "0.750", ">=", "0.900", "4"] in rows
    assert ["passed", "tfma", "overall", "-", "validated", "782"] in rows
    text = " ".join(" ".join(row) for row in rows)
    assert "BLESSED: of 9 checks, 8 passed, 0 failed, 1 had too few cases to judge" in text
    assert "too small to judge: 4 pneumonia images" not in text  # the table has said it
    assert "earlier model" not in text


def test_every_slice_has_its_figures_with_intervals(blessed_summary: Summary) -> None:
    narrow, wide = report(blessed_summary), words(report(blessed_summary, width=120))
    place = next(number for number, line in enumerate(narrow) if line.startswith("overall  "))
    assert narrow[place].split() == ["overall", "782", "581", "0.967", "0.866", "0.981"]
    assert narrow[place + 1].split("]")[0].strip() == "[0.946, 0.988"
    assert ["normal", "201", "0", "-", "0.866", "-"] in words(narrow)
    overall = ["overall", "782", "581", "0.967", "[0.946,", "0.988]"]
    assert any(row[: len(overall)] == overall for row in wide)
    assert ["bacterial", "379", "379", "0.987", "[0.966,", "1.000]", "-", "-"] in wide
    assert ["by", "subtype"] in wide
    assert ["by", "size", "group"] in wide
    assert ["by", "sharpness", "group"] in wide
    sentence = "Overall precision 0.947 [0.928, 0.966], accuracy 0.941 [0.924, 0.958]"
    assert sentence.split() in wide


def test_a_pushed_model_and_the_log_are_named(blessed_summary: Summary) -> None:
    lines = report(blessed_summary)
    assert "Pushed: version 3 in /srv/output/serving/pneumonia/3" in lines
    assert "Log: /srv/output/logs/run.log" in lines
    text = " ".join(lines)
    assert "Time: 18 min 25 s, most of it Trainer-cnn-deep 13 min 32 s, Transform" in text


def test_a_refused_model_is_told_with_its_reason(refused_summary: Summary) -> None:
    lines = report(refused_summary, width=120)
    assert (
        "REFUSED: of 2 checks, 1 passed, 1 failed; there is no earlier model to compare with"
        in lines
    )
    assert ["FAILED", "specificity", "overall", "0.612", ">=", "0.800", "201"] in words(lines)
    place = lines.index("Nothing was pushed:")
    assert lines[place + 1] == "  failed: specificity (overall); 0.6120, at least 0.8000, n = 201"
    assert not any("-m serving" in line for line in lines)


def test_where_there_is_nothing_to_do_next_no_heading_says_so(refused_summary: Summary) -> None:
    assert [line for line in report(refused_summary) if line.startswith("Next -")]
    # As of an ensemble that was refused.
    without_curves = refused_summary.model_copy(update={"tensorboard_dir": None})
    assert not [line for line in report(without_curves) if line.startswith("Next -")]


def servability(**changes: Any) -> dict[str, Any]:
    served = {"blessed": True, "num_images": 16, "max_difference": 1e-5, "load_s": 1.52}
    served |= {"largest_difference": 1.2e-7, "first_answer_s": 0.43, "later_answer_s": 0.021}
    return {"servability": served | changes}


def test_how_the_export_was_served_is_told(summary_fields: dict[str, Any]) -> None:
    told = " ".join(report(Summary.model_validate(summary_fields | servability()), width=200))
    assert (
        "Served in a fresh process, on 16 validation images: matches the trainer within "
        "1e-07 (bound 1e-05), 1.5 s to load, 0.43 s for the first answer, 0.021 s for later ones"
    ) in told
    assert "Served by TensorFlow Serving" not in told
    asked = Summary.model_validate(summary_fields | servability() | {"tf_serving_blessed": True})
    assert "Served by TensorFlow Serving, by InfraValidator: answers" in report(asked)


@pytest.mark.parametrize(
    ("veto", "told"),
    [
        (
            servability(blessed=False, reasons=["a fresh process was ended by SIGSEGV"]),
            "  failed: serving: a fresh process was ended by SIGSEGV",
        ),
        (
            servability() | {"tf_serving_blessed": False},
            "  failed: serving: TensorFlow Serving did not load the model or did not answer; see "
            "the log",
        ),
    ],
)
def test_a_veto_after_the_gates_blessing_is_a_refusal(
    summary_fields: dict[str, Any], veto: dict[str, Any], told: str
) -> None:
    refused = {"verdict": "refused", "pushed_model": None}
    lines = report(Summary.model_validate(summary_fields | veto | refused))
    assert told in lines
    assert any(line.startswith("REFUSED: of 9 checks, 8 passed, 0 failed") for line in lines)


def study_row(name: str, **changes: Any) -> dict[str, Any]:
    estimate, undefined = {"value": 0.8, "low": 0.767, "high": 0.829}, {"value": None}
    metrics = {"n": 624, "positives": 390, "tp": 320, "fn": 70, "tn": 200, "fp": 34}
    metrics |= {"recall": estimate | {"value": 0.82}, "accuracy": estimate}
    metrics |= dict.fromkeys(("specificity", "precision", "auc"), undefined)
    metrics |= dict.fromkeys(("mean_probability", "prevalence", "brier", "log_loss"))
    published = {"accuracy": 0.891, "recall": 0.95, "specificity": 0.8}
    return {"name": name, "metrics": metrics, "published": published, **changes}


def study(*rows: dict[str, Any], comparable: bool = False) -> dict[str, Any]:
    reason = f"The rows are {'' if comparable else 'NOT '}comparable, since somebody says so."
    page = "/srv/a folder whose name is so long that its page's path does not fit/index.html"
    fields = {"page": page, "comparable": comparable, "comparability": reason}
    return {"study": fields | {"rows": rows}}


def test_the_study_stands_beside_what_was_published(summary_fields: dict[str, Any]) -> None:
    rows = [study_row("ann_deep"), study_row("mine", published=None)]
    lines = report(Summary.model_validate(summary_fields | study(*rows)))
    told = words(lines)
    place = told.index(["ann_deep", "accuracy", "0.800", "[0.767,", "0.829]", "0.891", "-0.091"])
    assert told[place + 1] == ["pneumonia", "0.820", "[0.767,", "0.829]", "0.950", "-0.130"]
    assert told[place + 2] == ["normal", "-", "0.800", "-"]
    assert ["mine", "accuracy", "0.800", "[0.767,", "0.829]", "-", "-"] in told
    assert "The rows are NOT comparable, since somebody says so." in lines
    assert any(line.endswith("does not fit/index.html") for line in lines)


def test_long_names_of_the_study_fit(summary_fields: dict[str, Any]) -> None:
    note = "its backbone has random weights, which the study's had not, so it is another row"
    names = ["xception_deep_augmented", "my_own_network_that_has_a_very_long_name"]
    rows = [study_row(name, note=note) for name in names]
    lines = report(Summary.model_validate(summary_fields | study(*rows)))
    start = next(place for place, line in enumerate(lines) if "NOT comparable" in line)
    end = next(place for place, line in enumerate(lines) if line.endswith("index.html"))
    assert not [line for line in lines[start:end] if len(line) > 80 or "…" in line]
    assert ["xception_deep_augmented", "(*)", "accuracy"] in [row[:3] for row in words(lines)]
    assert any(line.startswith("(*) xception_deep_augmented: its backbone") for line in lines)


def test_without_a_study_nothing_is_said_of_one(blessed_summary: Summary) -> None:
    assert "published" not in " ".join(report(blessed_summary))


def test_drawn_images_are_announced_first_and_last(
    refused_summary: Summary, blessed_summary: Summary
) -> None:
    lines = [line for line in report(refused_summary) if line]
    assert "SYNTHETIC DATA" in lines[0]
    assert sum("SYNTHETIC DATA" in line for line in lines) == 2
    assert "clinically they mean nothing" in " ".join(lines[:4])
    assert "clinically they mean nothing" in " ".join(lines[-4:])
    real = " ".join(report(blessed_summary))
    assert "SYNTHETIC" not in real
    assert "For decision support only" in real


def test_a_pipe_gets_no_control_characters(blessed_summary: Summary) -> None:
    assert all(line.isprintable() for line in report(blessed_summary))


def test_commands_quote_their_paths(
    summary_fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.prefix", str(tmp_path / ".venv"))
    monkeypatch.chdir(tmp_path)
    pushed = {"path": "/my output/serving/pneumonia/3", "version": 3}
    changes = {"pushed_model": pushed, "tensorboard_dir": "/my output/tensorboard"}
    commands = [
        command for _, command in next_commands(Summary.model_validate(summary_fields | changes))
    ]
    assert commands[:3] == [
        ".venv/bin/python -m tensorboard.main --logdir '/my output/tensorboard'",
        ".venv/bin/python -m serving --model-dir '/my output/serving/pneumonia' "
        "--model-name pneumonia",
        ".venv/bin/python -m serving.client X-RAY.jpeg --model pneumonia",
    ]


def test_the_request_is_what_tensorflow_serving_reads(
    blessed_summary: Summary, tmp_path: Path
) -> None:
    command = next_commands(blessed_summary)[-1][1]
    image = bytes(range(256)) * 40  # enough that base64 would break it into lines
    (tmp_path / "X-RAY.jpeg").write_bytes(image)
    sender, _, curl = command.partition(" | curl ")
    assert curl == "--data-binary @- http://localhost:8501/v1/models/pneumonia:predict"
    sent = subprocess.run(["sh", "-c", sender], cwd=tmp_path, capture_output=True, check=True)
    instance = json.loads(sent.stdout)["instances"][0]["b64"]
    assert base64.b64decode(instance) == image


def test_only_what_exists_is_offered(summary_fields: dict[str, Any]) -> None:
    changes = {"verdict": "refused", "pushed_model": None, "tensorboard_dir": None}
    assert next_commands(Summary.model_validate(summary_fields | changes)) == []


def test_the_report_stays_quick_without_heavy_imports() -> None:
    code = (
        "import sys, pipeline.closing_report, pipeline.console, pipeline.summary\n"
        "heavy = {'tensorflow', 'tfx', 'apache_beam', 'keras', 'sklearn'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.parametrize("width", [80, 120])
def test_external_sets_are_shown_apart_from_the_test_split(
    summary_fields: dict[str, Any], external_sets: dict[str, Any], width: int
) -> None:
    summary = Summary.model_validate(summary_fields | {"external": external_sets})
    lines = report(summary, width)
    heading = next(number for number, line in enumerate(lines) if "Outside the training" in line)
    assert heading < next(number for number, line in enumerate(lines) if "Verdict" in line)
    told = "\n".join(lines[heading:])
    assert "nih_adults: 1,000 images of 900 patients, 5 rejected, from /data/nih.zip" in told
    assert "Mean probability of pneumonia: normal 0.731, pneumonia 0.780" in told
    assert "Calibration error 0.288, Brier score 0.331" in told
    assert "Referred to a person: 0.934 [0.917, 0.948]" in told
    assert "Unlike the training images: 0.917 [0.898, 0.933]" in told
    assert "Rejected 2.png: truncated" in told
    assert "and 2 more rejected" in told
    # The set of normals, judged by a model that decides nothing.
    assert "Mean probability of pneumonia: normal 0.200, no pneumonia images" in told
    assert "No pneumonia images: AUC and recall are undefined" in told
    assert "not measured, the model has no output `decision`" in told
    assert "Images that are also in train or validation: 7." in told
    rows = words(lines[heading:])
    assert ["nih_adults", "1,000", "500", "0.910"] in [row[:4] for row in rows]
    assert [row for row in rows if row[:3] == ["of", "them", "decided"]]


def test_without_external_sets_nothing_is_said_of_them(blessed_summary: Summary) -> None:
    assert "Outside" not in "\n".join(report(blessed_summary))

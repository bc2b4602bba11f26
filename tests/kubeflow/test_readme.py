"""The pages of kubeflow/: commands, settings, parameters and manifests are those of the code."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from apache_beam.options.pipeline_options_validator import PipelineOptionsValidator
from apache_beam.runners.portability.portable_runner import PortableRunner
from apache_beam.transforms.environments import ExternalEnvironment

import contract
from contract.settings import KubeflowSettings, PipelineSettings
from pipeline import convert, train_candidate
from pipeline.kubeflow.platform_document import BOUNDARY_NODES
from pipeline.kubeflow.run_parameters import run_parameters
from pipeline.kubeflow.submission import options as submission_options
from pipeline.load_config import load_settings

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = ("README.md", "object-store.md", "flink.md", "training.md")
README, *_ = TEXTS = [
    (REPOSITORY / "kubeflow" / page).read_text(encoding="utf-8") for page in PAGES
]
TEXT = "\n".join(TEXTS)
MAKEFILE = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
SETTINGS = PipelineSettings()
BLOCKS = re.findall(r"^ *```(\w+)\n(.*?)^ *```$", TEXT, re.MULTILINE | re.DOTALL)
SPANS = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", re.sub("```", "", TEXT))]
TYPES = {"STRING": "text", "NUMBER_DOUBLE": "number", "NUMBER_INTEGER": "whole number"}


def commands() -> list[list[str]]:
    """Return the words of every command in the shell blocks."""
    text = "".join(body for language, body in BLOCKS if language == "sh")
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    found = []
    for line in lines:
        for part in re.split(r" -- |\s\|\s", line):
            words = shlex.split(part, comments=True)
            found.append(words[:-1] if words[-1:] == ["&"] else words)
    assert all("&" not in words for words in found)
    return [words for words in found if words]


def starting_with(*first: str) -> list[list[str]]:
    """Return the arguments of the page's commands that begin so."""
    spans = [shlex.split(span) for span in SPANS if span.startswith(" ".join(first) + " ")]
    every = [*commands(), *spans]
    return [words[len(first) :] for words in every if words[: len(first)] == list(first)]


def parser_of(script: str) -> Callable[[list[str]], Any]:
    path = REPOSITORY / "kubeflow" / script
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.parse_arguments


def rows(title: str) -> list[list[str]]:
    """Return the cells of the table whose first column has this title, without the heading."""
    after = TEXT[TEXT.index(f"\n| {title} |") + 1 :]
    lines = after[: after.index("\n\n")].splitlines()[2:]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]


def test_every_script_that_is_named_is_there():
    named = set(re.findall(r"python (kubeflow/\w+\.py|-m [\w.]+)", " ".join(TEXT.split())))
    of_beam = "-m apache_beam.runners.worker.worker_pool_main"
    assert importlib.util.find_spec(of_beam.removeprefix("-m ")) is not None
    assert named - {of_beam} == {
        "kubeflow/compile.py",
        "kubeflow/submit.py",
        "-m pipeline.beam_worker",
        "-m pipeline.convert",
        "-m pipeline.train_candidate",
        "-m serving.rollback",
        "-m tools.kfp_emulator",
    }
    for name in named - {of_beam}:
        path = name.removeprefix("-m ").replace(".", "/") + ".py" if "-m" in name else name
        package = REPOSITORY / path.removesuffix(".py") / "__main__.py"
        assert (REPOSITORY / path).is_file() or package.is_file()


def test_compilations_have_options_and_settings_that_are_known():
    parse = parser_of("compile.py")
    found = starting_with("python", "kubeflow/compile.py")
    assert len(found) > 4
    for arguments in found:
        options = parse(arguments)
        load_settings(options.config, options.overrides)


def test_submissions_have_options_that_are_known():
    found = starting_with("python", "kubeflow/submit.py")
    assert len(found) > 2
    known = {each.name for each in run_parameters(SETTINGS)}
    for arguments in found:
        options = submission_options.parse_arguments(arguments)
        assert {text.partition("=")[0] for text in options.parameters} <= known


def test_conversions_have_options_that_are_known():
    found = starting_with("python", "-m", "pipeline.convert")
    assert len(found) > 2
    for arguments in found:
        assert convert.parse_arguments(arguments).output is not None


def test_make_has_the_targets_and_variables():
    found = starting_with("make")
    assert len(found) > 6
    parse = parser_of("local.py")
    known = {each.name for each in run_parameters(SETTINGS)}
    for target, *assignments in found:
        assert re.search(rf"^{re.escape(target)}:", MAKEFILE, re.MULTILINE), target
        given = dict(assignment.split("=", 1) for assignment in assignments)
        assert all(re.search(rf"^{name} \?=", MAKEFILE, re.MULTILINE) for name in given)
        if target == "kubeflow-local":
            options = parse(shlex.split(given.get("ARGS", "")))
            assert {text.partition("=")[0] for text in options.param} <= known


def test_settings_that_are_set_in_passing_are_known():
    found = [span.removeprefix("--set ") for span in SPANS if span.startswith("--set ")]
    assert len(found) > 2
    for text in found:
        load_settings(None, shlex.split(text))


def test_every_setting_that_is_named_is_there():
    sections = "|".join(PipelineSettings.model_fields)
    named = {span for span in SPANS if re.fullmatch(rf"({sections})(\.\w+)+", span)}
    named = {span for span in named if not span.startswith(("pipeline.", "models."))}
    assert len(named) > 15
    for name in named:
        tree: Any = SETTINGS.model_dump()
        for key in name.split("."):
            assert key in tree, name
            tree = tree[key]


def test_the_options_that_are_named_in_passing_are_there():
    first_words = {span.split()[0] for span in SPANS if span.startswith("--")}
    known = "".join(
        (REPOSITORY / path).read_text(encoding="utf-8")
        for path in (
            "kubeflow/compile.py",
            "kubeflow/local.py",
            "pipeline/kubeflow/submission/options.py",
            "pipeline/settings_options.py",
            "tools/kfp_emulator/__main__.py",
        )
    )
    foreign = {
        "--default-runtime=nvidia",
        "--experiments=pre_optimize=all",
        "--job_endpoint",
        "--job-host",
        "--environment_type=PROCESS",
        "--environment_type=EXTERNAL",
        "--data=/mnt/data/chest_xray.zip",
    }
    ours = first_words - foreign
    assert len(ours) > 8
    assert [name for name in sorted(ours) if f'"{name}"' not in known] == []


def test_the_table_of_parameters_is_that_of_a_run():
    listed = [tuple(cells[:3]) for cells in rows("parameter")]
    assert listed == [
        (
            each.name,
            TYPES.get(each.type, "true or false"),
            str(each.default).lower() if isinstance(each.default, bool) else str(each.default),
        )
        for each in run_parameters(SETTINGS)
    ]


def test_the_table_of_resources_is_that_of_the_settings():
    cluster = KubeflowSettings()
    listed = {name: (float(cpu), float(memory)) for name, cpu, memory in rows("nodes")}
    expected = {
        name: (each.cpu, each.memory_gb) for name, each in cluster.node_resources.items()
    } | {
        "all others": (cluster.resources.cpu, cluster.resources.memory_gb),
        "Tuner and Trainer with a GPU": (cluster.gpu.cpu, cluster.gpu.memory_gb),
    }
    assert listed == expected


def test_the_nodes_that_mount_the_volume_are_named():
    (sentence,) = re.findall(r"then only ([^:]*?) mount it", " ".join(TEXT.split()))
    assert set(re.findall(r"`(\w+)`", sentence)) == set(BOUNDARY_NODES)


def test_the_table_of_folders_is_that_of_the_settings():
    cluster = KubeflowSettings()
    assert [cells[0] for cells in rows("folder")] == [
        cluster.data_dir,
        cluster.push_dir,
        cluster.runs_dir,
        cluster.trials_dir,
    ]


@pytest.mark.parametrize("body", [body for language, body in BLOCKS if language == "yaml"])
def test_yaml_is_a_manifest_or_a_configuration(body, tmp_path):
    document = yaml.safe_load(body)
    if "apiVersion" in document:
        for version in ("1.29", kubernetes_validate.latest_version()):
            kubernetes_validate.validate(document, version, strict=True)
    else:
        path = tmp_path / "own.yaml"
        path.write_text(body, encoding="utf-8")
        assert load_settings(str(path)) != SETTINGS


@pytest.mark.slow
def test_beam_takes_the_options_for_flink(tmp_path):
    (body,) = [body for language, body in BLOCKS if language == "yaml" and "job_endpoint" in body]
    path = tmp_path / "flink.yaml"
    path.write_text(body, encoding="utf-8")
    settings = load_settings(str(path))
    assert set(settings.beam.node_pipeline_args) == {"StatisticsGen", "Transform", "Evaluator"}
    for arguments in settings.beam.node_pipeline_args.values():
        # As compiled: those of all nodes come first.
        options = PipelineOptions([*settings.beam.pipeline_args, *arguments])
        runner = PortableRunner()
        assert options.view_as(StandardOptions).runner == "PortableRunner"
        assert PipelineOptionsValidator(options, runner).validate() == []
        assert isinstance(runner._create_environment(options), ExternalEnvironment)


def test_the_image_has_this_version():
    tags = set(re.findall(r"pneumonia-pipeline:([\d.]+\d)", TEXT))
    assert tags == {contract.__version__}


@pytest.mark.parametrize(
    ("message", "source"),
    [
        ("NO BASELINE", "components/baseline.py"),
        ("REFUSED: ", "pipeline/verdict.py"),
        ("expected a folder at ", "pipeline/kubeflow/object_store.py"),
        ("of different versions", "pipeline/kubeflow/executor_input.py"),
        ("expected an output name that ends in .yaml", "pipeline/kubeflow/compilation.py"),
        ("stopped before Pusher", "pipeline/kubeflow/run_folder.py"),
    ],
)
def test_messages_that_users_meet_are_those_of_the_code(message, source):
    assert message in " ".join(TEXT.split())
    assert message in (REPOSITORY / source).read_text(encoding="utf-8")


def test_links_within_the_page_and_to_files_lead_somewhere():
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", README, flags=re.DOTALL), re.M)
    anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in headings}
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", TEXT) if "://" not in link]
    assert len(links) > 10
    for link in links:
        path, _, anchor = link.partition("#")
        assert (REPOSITORY / "kubeflow" / path).exists(), link
        if anchor and not path:
            assert anchor in anchors, link


def test_the_page_is_short_enough_to_be_read():
    assert len(README.splitlines()) <= 400


def test_the_workers_of_a_training_find_each_other_and_their_command_is_known():
    documents = [yaml.safe_load(body) for language, body in BLOCKS if language == "yaml"]
    (job,) = [each for each in documents if each.get("kind") == "Job"]
    (service,) = [each for each in documents if each.get("kind") == "Service"]
    (port,) = service["spec"]["ports"]
    pod = job["spec"]["template"]["spec"]
    assert pod["subdomain"] == service["metadata"]["name"]
    assert service["spec"]["selector"] == {"job-name": job["metadata"]["name"]}
    (container,) = pod["containers"]
    assert container["image"] == KubeflowSettings().image
    (script,) = container["args"]
    export, command = script.split("exec ")
    told = subprocess.run(
        ["sh", "-c", f"{export}\nprintf %s \"$TF_CONFIG\""],
        env={"JOB_COMPLETION_INDEX": "1"}, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    config = json.loads(told)
    assert config["task"] == {"type": "worker", "index": 1}
    workers = config["cluster"]["worker"]
    assert len(workers) == job["spec"]["completions"] == job["spec"]["parallelism"]
    name, subdomain = job["metadata"]["name"], pod["subdomain"]
    assert workers == [
        f"{name}-{index}.{subdomain}:{port['port']}" for index in range(len(workers))
    ]
    words = shlex.split(command.replace("\\\n", " "))
    assert words[:3] == ["python", "-m", "pipeline.train_candidate"]
    options = train_candidate.parse_arguments(words[3:])
    assert options.candidate in load_settings(options.config, options.overrides).candidates

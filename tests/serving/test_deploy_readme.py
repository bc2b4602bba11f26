"""The pages on deployment and on the client: their commands, snippets and links hold."""

from __future__ import annotations

import io
import itertools
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from serving.client import Prediction
from serving.client.command_line import parse_arguments
from serving.client.output import write_json_line
from tests.serving.client.fake_server import probability_of, serve
from tests.serving.client.pictures import encode
from tests.serving.deploy_files import DEPLOY, REPOSITORY, blocks
from tests.serving.serving_protos import parse

PAGES = (DEPLOY / "README.md", REPOSITORY / "docs" / "serving-client.md")


def commands(page: Path, *start: str) -> list[list[str]]:
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    words = [shlex.split(line) for line in lines if line.startswith(start[0])]
    return [each[len(start) :] for each in words if tuple(each[: len(start)]) == start]


def anchors(page: Path) -> set[str]:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_calls_of_the_client_are_known(page):
    found = commands(page, "python", "-m", "serving.client")
    assert len(found) > 2
    for arguments in found:
        parse_arguments(arguments)


def test_folders_and_files_in_commands_are_there():
    (page, _) = PAGES
    kustomized = commands(page, "kubectl", "apply", "--kustomize")
    assert {folder for (folder,) in kustomized} == {
        f"serving/deploy/{name}" for name in ("kubernetes", "kubernetes-gpu", "kserve")
    }
    for (folder,) in kustomized:
        assert (REPOSITORY / folder / "kustomization.yaml").is_file()
    composed = commands(page, "docker", "compose")
    files = [word for words in composed for word in words if word.endswith(".yaml")]
    assert len(files) == 3
    for name in files:
        assert (REPOSITORY / name).is_file()


def test_models_are_configured_in_steps_that_the_server_takes():
    (page, _) = PAGES
    texts = [(DEPLOY / "config" / "models.config").read_text(encoding="utf-8")]
    steps = []
    for text in texts + blocks(page, "proto"):
        (model,) = parse(text, "ModelServerConfig").model_config_list.config
        labels = dict(model.version_labels)
        steps.append((set(model.model_version_policy.specific.versions), labels))
    assert len(steps) == 3
    for (loaded, before), (_, after) in itertools.pairwise(steps):
        moved = {name for name in after if after[name] != before[name]}
        assert {after[name] for name in moved} <= loaded
    assert steps[-1] == ({1, 2}, {"stable": 1, "canary": 2})


@pytest.mark.parametrize(
    "page",
    [*PAGES, REPOSITORY / "serving" / "README.md"],
    ids=lambda page: str(page.relative_to(REPOSITORY)),
)
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    assert links
    for link in links:
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_python_does_what_the_page_says(tmp_path):
    page = PAGES[1]
    picture = encode()
    (tmp_path / "xrays").mkdir()
    for path in (tmp_path / "xray.jpeg", tmp_path / "xrays" / "a.png"):
        path.write_bytes(picture)
    probability = probability_of(picture)
    with serve() as server:
        over_http = [body for body in blocks(page, "python") if "import grpc" not in body]
        assert len(over_http) == 2  # test_deploy_grpc.py has the third
        for body in over_http:
            code = f"import sys; sys.path.insert(0, {str(REPOSITORY)!r})\n{body}"
            result = subprocess.run(
                [sys.executable, "-c", code.replace("http://localhost:8501", server.url)],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=False,
            )
            assert result.returncode == 0, result.stderr
            assert str(probability) in result.stdout


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not on the PATH")
def test_curl_does_what_the_page_says(tmp_path):
    (tmp_path / "xray.jpeg").write_bytes(encode())
    (body,) = [block for block in blocks(PAGES[1], "sh") if "curl" in block]
    with serve() as server:
        command = body.replace("http://localhost:8501", server.url)
        result = subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=True
        )
    answered = json.loads(result.stdout)["predictions"][0]
    assert answered["probability"] == probability_of(encode())


def test_the_page_shows_the_clients_own_form():
    (body,) = blocks(PAGES[1], "json")
    answered, failed = map(json.loads, body.splitlines())
    stream = io.StringIO()
    write_json_line(Prediction("x", 0.9, "pneumonia", 0.4, "refer", 0.001, 0.01), stream)
    shown = json.loads(stream.getvalue())
    assert list(answered) == list(shown)
    assert answered["refer_reason"] == shown["refer_reason"]
    assert list(failed) == ["file", "error"]

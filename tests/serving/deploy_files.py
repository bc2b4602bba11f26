"""The files of `serving/deploy`, read as what they are applied with reads them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml

Manifest = dict[str, Any]

REPOSITORY = Path(__file__).resolve().parents[2]
DEPLOY = REPOSITORY / "serving" / "deploy"
# The oldest that has every field used here, and the newest whose schema is at hand.
KUBERNETES_VERSIONS = ("1.29", kubernetes_validate.latest_version())


def read(path: Path) -> Manifest:
    """Return the one document of a YAML file."""
    (document,) = yaml.safe_load_all(path.read_text(encoding="utf-8"))
    return document


def kustomization(folder: str) -> Manifest:
    return read(DEPLOY / folder / "kustomization.yaml")


def manifests(folder: str) -> dict[str, Manifest]:
    """Return the manifests in a folder, by their kind."""
    found = {}
    for name in kustomization(folder)["resources"]:
        if name.endswith(".yaml"):
            manifest = read(DEPLOY / folder / name)
            assert manifest["kind"] not in found
            found[manifest["kind"]] = manifest
    return found


def simple_manifests() -> dict[str, Manifest]:
    """Return the manifests of the pipeline's own simple server, by their kind."""
    text = (REPOSITORY / "kubeflow" / "manifests" / "serving.yaml").read_text(encoding="utf-8")
    return {manifest["kind"]: manifest for manifest in yaml.safe_load_all(text)}


def blocks(page: Path, language: str) -> list[str]:
    """Return a page's blocks of code in a language."""
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def config_map() -> Manifest:
    """Return the ConfigMap that the folder `config` makes, without its content."""
    (generator,) = kustomization("config")["configMapGenerator"]
    names = generator["files"]
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": generator["name"]},
        "data": {name: (DEPLOY / "config" / name).read_text(encoding="utf-8") for name in names},
    }


def flags(arguments: list[str]) -> dict[str, str]:
    """Return the server's flags by name; every one has to have a value."""
    pairs = [argument.removeprefix("--").partition("=") for argument in arguments]
    assert all(equals for _, equals, _ in pairs)
    return {name: value for name, _, value in pairs}


def environment(container: Manifest) -> dict[str, str]:
    """Return a container's environment; every variable has to be given once, by value."""
    pairs = [(variable["name"], variable["value"]) for variable in container["env"]]
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def patched(document: Any, patch: list[Manifest]) -> Any:
    """Return a copy of `document` after the operations `add` and `replace` of RFC 6902."""
    result = yaml.safe_load(yaml.safe_dump(document))
    for operation in patch:
        assert operation.keys() == {"op", "path", "value"}
        *parents, last = operation["path"].removeprefix("/").split("/")
        place = result
        for key in parents:
            place = place[int(key)] if isinstance(place, list) else place[key]
        if isinstance(place, list):
            assert (operation["op"], last) == ("add", "-"), operation["path"]
            place.append(operation["value"])
            continue
        assert isinstance(place, dict)
        # Stricter than the RFC: what is added must be new.
        assert (last in place) == (operation["op"] == "replace"), operation["path"]
        place[last] = operation["value"]
    return result

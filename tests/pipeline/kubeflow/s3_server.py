"""An object store that speaks S3 over HTTP on this machine."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import boto3
import pytest
import s3fs
from moto.server import ThreadedMotoServer

BUCKET = "bucket"
_VARIABLES = {
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",  # where credentials are missing, none are looked for
}


class S3Server:
    """One bucket, looked at with another client than the project's."""

    def __init__(self, url: str) -> None:
        self.client = boto3.client("s3", endpoint_url=url)
        self.client.create_bucket(Bucket=BUCKET)

    def write(self, key: str, content: bytes = b"") -> None:
        self.client.put_object(Bucket=BUCKET, Key=key, Body=content)

    def read(self, key: str) -> bytes:
        return self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()

    def all_keys(self) -> list[str]:
        listing = self.client.list_objects_v2(Bucket=BUCKET)
        return [entry["Key"] for entry in listing.get("Contents", [])]

    def buckets(self) -> list[str]:
        return [entry["Name"] for entry in self.client.list_buckets()["Buckets"]]


@contextmanager
def serve_s3() -> Iterator[str]:
    """Serve on a free port; give the address."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def empty_bucket(url: str, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """Empty the server but for one bucket, and set what a pod gets from a Secret."""
    urllib.request.urlopen(f"{url}/moto-api/reset", data=b"").close()
    for name, value in {**_VARIABLES, "AWS_ENDPOINT_URL": url}.items():
        monkeypatch.setenv(name, value)
    # fsspec keeps clients, and with them the address of an earlier test's server.
    s3fs.S3FileSystem.clear_instance_cache()
    return S3Server(url)

"""Requests that nobody should send, drawn by a seed; each kind is a function of this module."""

from __future__ import annotations

import base64
import dataclasses
import gzip
import json
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from contract import features
from ingestion.tfrecord_file import encode_example
from tests.serving.contract.images import draw_image

PREDICT = "/v1/models/pneumonia:predict"
IMAGES = tuple(draw_image(seed, 24, kind) for seed in range(3) for kind in ("PNG", "JPEG"))


@dataclasses.dataclass(frozen=True)
class Request:
    """An HTTP request that a client library would still send."""

    content: bytes
    method: str = "POST"
    path: str = PREDICT
    headers: dict[str, str] = dataclasses.field(default_factory=dict)


def draw_requests(seed: int, num_requests: int) -> Iterator[tuple[str, Request]]:
    """Yield requests with the names of their kinds, one kind after the other."""
    dice = random.Random(seed)
    for number in range(num_requests):
        kind = KINDS[number % len(KINDS)]
        yield kind.__name__, kind(dice)


def damaged_json(dice: random.Random) -> Request:
    """Cut, change, insert or leave out bytes of a good document."""
    whole = _good(dice).content
    start, end = sorted(dice.choices(range(len(whole)), k=2))
    pieces = (b"[", b"]", b"{", b"}", b"null", b'"', b",", b"\\ud800", b"\x00", dice.randbytes(5))
    return Request(
        dice.choice(
            (
                whole[:start],
                whole[:start] + whole[end:],
                whole[:start] + dice.choice(pieces) + whole[start:],
                whole[:start] + whole[start:end] * 3 + whole[end:],
                whole[end:],
            )
        )
    )


def damaged_base64(dice: random.Random) -> Request:
    """Cut base64 short, pad it wrongly, or mix in what is none."""
    text = base64.b64encode(dice.choice(IMAGES)).decode()
    at = dice.randrange(1, len(text))
    broken = dice.choice((text[:at], text + "=", text[:at] + "=" + text[at:], text[:at] + "%é\n"))
    return _rows([{"b64": broken}])


def damaged_image(dice: random.Random) -> Request:
    """Cut an image short, change its bytes, or let it claim gigapixels; beside a good one."""
    image = dice.choice(IMAGES)
    at = dice.randrange(len(image))
    broken = dice.choice(
        (image[:at], image[:at] + dice.randbytes(20) + image[at + 20 :], _huge_png(dice), b"")
    )
    return _rows([_b64(dice.choice(IMAGES)), _b64(broken)])


def damaged_record(dice: random.Random) -> Request:
    """Send a `tf.Example` that is none, or has another image than it should."""
    record = encode_example({features.IMAGE_BYTES: dice.choice(IMAGES)})
    at = dice.randrange(len(record))
    others: tuple[bytes, ...] = (
        record[:at],
        record[:at] + dice.randbytes(3) + record[at + 3 :],
        encode_example({features.IMAGE_BYTES: 3}),
        encode_example({features.LABEL: 1}),
        encode_example({features.IMAGE_BYTES: _huge_png(dice)}),
        b"",
    )
    return _rows([_b64(dice.choice(others))], features.EXAMPLES_SIGNATURE)


def wrong_shape(dice: random.Random) -> Request:
    """Nest lists as no input is."""
    image = _b64(dice.choice(IMAGES))
    value: Any = image
    for _ in range(dice.randrange(1, 6)):
        value = [value] * dice.randrange(0, 3)
    rows = dice.choice(([[image], image], [value], value, [image] * 200, [[], [image]]))
    return dice.choice((_rows(rows), _columns(value), _columns({features.IMAGE_BYTES: value})))


def wrong_type(dice: random.Random) -> Request:
    """Put values of other types where images and numbers belong."""
    value = dice.choice((None, True, -1, 0.5, "text", {}, [], {"b64": 1}, {"b64": "", "x": 1}))
    key = dice.choice((features.IMAGE_BYTES, "other", "", "left"))
    signature = dice.choice((None, 3, [], {}, True, "contract_pair", "contract_echo"))
    document = dice.choice(
        (value, [value], {"instances": value}, {"instances": [{key: value}]}, {"inputs": value})
    )
    if isinstance(document, dict) and dice.random() < 0.5:
        document = {"signature_name": signature, **document}
    return Request(json.dumps(document).encode())


def giant_number(dice: random.Random) -> Request:
    """Send numbers that no type holds."""
    number = dice.choice(
        ("9" * dice.randrange(20, 6000), "1e400", "-1e9999", "1e39", "-0", "NaN", "2" * 19 + ".5")
    )
    signature = dice.choice(("contract_echo", "contract_pair", "contract_scalar"))
    values = dice.choice((f"[{number}]", f'[{{"left": [{number}, 1], "right": {number}}}]', number))
    form = dice.choice(("instances", "inputs"))
    return Request(f'{{"signature_name": "{signature}", "{form}": {values}}}'.encode())


def deep_nesting(dice: random.Random) -> Request:
    """Nest lists or objects thousands of levels deep, closed or not."""
    depth = dice.choice((33, 500, 5000, 50_000))
    start, end = dice.choice((("[", "]"), ('{"a":', "}")))
    closed = dice.choice((0, depth))
    return Request(f'{{"instances": {start * depth}1{end * closed}}}'.encode())


def wrong_name(dice: random.Random) -> Request:
    """Ask for signatures, models, versions, labels and actions that are not there."""
    odd = dice.choice(("none", "%00", "..", "%2e%2e%2f", "9" * 40, "-1", "a" * 3000, "%F0%28", "é"))
    path = dice.choice(
        (
            f"/v1/models/{odd}:predict",
            f"/v1/models/pneumonia/versions/{odd}:predict",
            f"/v1/models/pneumonia/labels/{odd}:predict",
            f"/v1/models/pneumonia:{odd}",
            f"/v1/{odd}",
            f"{PREDICT}?{odd}",
            PREDICT,
        )
    )
    document = {"signature_name": odd, "instances": [_b64(dice.choice(IMAGES))]}
    method = dice.choice(("POST", "POST", "GET", "PUT", "DELETE", "PATCH"))
    return Request(json.dumps(document).encode(), method, path)


def wrong_encoding(dice: random.Random) -> Request:
    """Compress the body otherwise than its head says, cut it short, or let it grow."""
    content = _good(dice).content
    packed = gzip.compress(content)
    at = dice.randrange(len(packed))
    coded, name = dice.choice(
        (
            (packed[:at], "gzip"),
            (packed[:at] + dice.randbytes(4) + packed[at + 4 :], "gzip"),
            (content, "gzip"),
            (packed, "identity"),
            (zlib.compress(content), "deflate"),
            (content, "br"),
            (gzip.compress(bytes(3 * 2**20)), "gzip"),
            (gzip.compress(packed), "gzip"),
            (packed + packed, "gzip, gzip"),
        )
    )
    return Request(coded, headers={"Content-Encoding": name})


def wrong_head(dice: random.Random) -> Request:
    """Say odd things in the head of a good request."""
    name, value = dice.choice(
        (
            ("Content-Type", "image/jpeg; charset=none"),
            ("Content-Type", "/" * 10),
            ("Authorization", "Bearer " + "x" * dice.randrange(5000)),
            ("Accept-Encoding", "gzip;q=nan, *;q=-1"),
            ("Accept", "text/" + "a" * 2000),
            ("Origin", "null"),
            ("X-Forwarded-For", ",," * 500),
            ("Expect", "nothing"),
        )
    )
    return dataclasses.replace(_good(dice), headers={name: value})


KINDS: tuple[Callable[[random.Random], Request], ...] = (
    damaged_json,
    damaged_base64,
    damaged_image,
    damaged_record,
    wrong_shape,
    wrong_type,
    giant_number,
    deep_nesting,
    wrong_name,
    wrong_encoding,
    wrong_head,
)


def draw_bytes(dice: random.Random) -> bytes:
    """Return bytes for a connection that are not valid HTTP."""
    good = b"POST %s HTTP/1.1\r\nHost: a\r\n" % PREDICT.encode()
    return dice.choice(
        (
            dice.randbytes(dice.randrange(1, 300)),
            b"POST\r\n\r\n",
            good.replace(b"1.1", dice.choice((b"9.9", b"", b"1.1 x"))) + b"\r\n",
            good + b"Content-Length: -1\r\n\r\n{}",
            good + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
            good + b"Content-Length: 2e1\r\n\r\n{}",
            good + b"Content-Length: 99\r\n\r\n{}",
            good + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
            good + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}",
            good + b"no colon\r\n\r\n",
            good + b"A: %s\r\n\r\n" % (b"x" * 200_000),
            good[: dice.randrange(1, len(good))],
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + dice.randbytes(100),
        )
    )


def _good(dice: random.Random) -> Request:
    image = _b64(dice.choice(IMAGES))
    return dice.choice((_rows([image]), _rows([{features.IMAGE_BYTES: image}]), _columns([image])))


def _b64(data: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(data).decode()}


def _rows(rows: Any, signature: str = features.SERVING_SIGNATURE) -> Request:
    return Request(json.dumps({"signature_name": signature, "instances": rows}).encode())


def _columns(columns: Any) -> Request:
    return Request(json.dumps({"inputs": columns}).encode())


def _huge_png(dice: random.Random) -> bytes:
    """Return a PNG's start of which the header claims gigapixels."""
    sides = struct.pack(">II", dice.randrange(10**4, 2**31), dice.randrange(10**5, 2**31))
    header = b"IHDR" + sides + bytes((8, 0, 0, 0, 0))
    check = struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + check

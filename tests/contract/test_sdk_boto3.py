"""The official boto3 works against the sandbox's R2."""

from collections.abc import Iterator
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from socialanalyzer_dagster.sandbox.state import SandboxState

CHECKSUMS = ("when_required", "when_supported")


@pytest.fixture(params=CHECKSUMS)
def s3(request: pytest.FixtureRequest, base_url: str, state: SandboxState) -> Iterator[Any]:
    config = Config(
        s3={"addressing_style": "path"},
        request_checksum_calculation=request.param,
        response_checksum_validation=request.param,
        retries={"max_attempts": 1},
    )
    client = boto3.client(
        "s3",
        endpoint_url=f"{base_url}/r2",
        region_name="auto",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        config=config,
    )
    yield client
    client.close()


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def test_objects_are_written_read_and_deleted(s3: Any) -> None:
    key = "media/ld 1/ä+b.jpg"
    etag = s3.put_object(Bucket="leads", Key=key, Body=b"picture", ContentType="image/jpeg", Metadata={"kind": "grid"})[
        "ETag"
    ]
    head = s3.head_object(Bucket="leads", Key=key)
    assert (head["ETag"], head["ContentLength"], head["Metadata"]) == (etag, 7, {"kind": "grid"})
    read = s3.get_object(Bucket="leads", Key=key)
    assert (read["Body"].read(), read["ContentType"]) == (b"picture", "image/jpeg")
    part = s3.get_object(Bucket="leads", Key=key, Range="bytes=0-2")
    assert part["Body"].read() == b"pic"
    s3.delete_object(Bucket="leads", Key=key)
    with pytest.raises(ClientError) as gone:
        s3.get_object(Bucket="leads", Key=key)
    assert code(gone) == "NoSuchKey"
    with pytest.raises(ClientError) as headless:
        s3.head_object(Bucket="leads", Key=key)
    assert code(headless) == "404"


def test_an_object_can_be_written_once(s3: Any) -> None:
    s3.put_object(Bucket="leads", Key="once", Body=b"1", IfNoneMatch="*")
    with pytest.raises(ClientError) as refused:
        s3.put_object(Bucket="leads", Key="once", Body=b"2", IfNoneMatch="*")
    assert code(refused) == "PreconditionFailed"


def test_listing_pages_through_all_keys(s3: Any) -> None:
    keys = sorted(f"grids/{number} &<é>.jpg" for number in range(7))
    for key in [*keys, "other/x"]:
        s3.put_object(Bucket="leads", Key=key, Body=b"x")
    pages = list(
        s3.get_paginator("list_objects_v2").paginate(Bucket="leads", Prefix="grids/", PaginationConfig={"PageSize": 3})
    )
    assert [page["KeyCount"] for page in pages] == [3, 3, 1]
    assert [row["Key"] for page in pages for row in page["Contents"]] == keys
    folded = s3.list_objects_v2(Bucket="leads", Delimiter="/")
    assert [row["Prefix"] for row in folded["CommonPrefixes"]] == ["grids/", "other/"]


def test_a_presigned_address_reads_without_a_key(s3: Any) -> None:
    s3.put_object(Bucket="leads", Key="a/b.jpg", Body=b"picture", ContentType="image/jpeg")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": "leads", "Key": "a/b.jpg"}, ExpiresIn=600)
    assert httpx.get(url).content == b"picture"
    assert httpx.get(url.partition("?")[0]).status_code == 403


def test_a_missing_bucket_is_named(s3: Any) -> None:
    with pytest.raises(ClientError) as missing:
        s3.put_object(Bucket="no-such-bucket", Key="a", Body=b"x")
    assert code(missing) == "NoSuchBucket"

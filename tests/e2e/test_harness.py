# SPDX-License-Identifier: GPL-3.0-or-later
"""The tools of the tests themselves: the proxy passes everything through, and its faults are visible to boto3."""

import pytest
from botocore.exceptions import BotoCoreError, ClientError, FlexibleChecksumError
from harness.backends import Object, s3_client
from harness.proxy import Answer, Change, Lose, Proxy, error, list_page


@pytest.fixture
def proxied(minio_server, minio_backend):
    """(proxy, a client that goes through it, the backend that does not)"""
    minio_backend.client.create_bucket(Bucket=minio_backend.bucket)
    proxy = Proxy(minio_server[0])
    yield proxy, s3_client(proxy.endpoint, *minio_server[1:]), minio_backend
    proxy.close()


def test_without_a_rule_the_proxy_changes_nothing(proxied):
    proxy, client, backend = proxied
    client.put_object(Bucket=backend.bucket, Key="a b+c%.txt", Body=b"bytes")
    assert client.get_object(Bucket=backend.bucket, Key="a b+c%.txt")["Body"].read() == b"bytes"
    assert client.head_object(Bucket=backend.bucket, Key="a b+c%.txt")["ContentLength"] == 5
    client.copy_object(Bucket=backend.bucket, Key="b", CopySource={"Bucket": backend.bucket, "Key": "a b+c%.txt"})
    assert [entry["Key"] for entry in client.list_objects_v2(Bucket=backend.bucket)["Contents"]] == ["a b+c%.txt", "b"]
    client.delete_objects(Bucket=backend.bucket, Delete={"Objects": [{"Key": "b"}]})
    assert list(backend.objects()) == ["a b+c%.txt"]
    assert proxy.fired == 0


def test_a_rule_counts_and_its_faults_arrive(proxied):
    proxy, client, backend = proxied
    proxy.set_rule(lambda r: error(403, "AccessDenied") if r.is_put else None)
    with pytest.raises(ClientError):
        client.put_object(Bucket=backend.bucket, Key="a", Body=b"x")
    assert proxy.fired == 1
    proxy.set_rule(lambda r: Lose() if r.is_put else None)
    with pytest.raises(BotoCoreError):
        client.put_object(Bucket=backend.bucket, Key="a", Body=b"x")
    assert proxy.fired >= 1 and backend.get("a") == b"x", "the server did it although the answer was lost"
    proxy.set_rule(lambda r: Change(lambda s, h, b: Answer(s, b"y" * len(b), h)) if r.is_get else None)
    with pytest.raises(FlexibleChecksumError):
        client.get_object(Bucket=backend.bucket, Key="a")["Body"].read()
    proxy.set_rule(lambda r: Change(lambda s, h, b: Answer(s, b, h, cut=0)) if r.is_get else None)
    with pytest.raises(BotoCoreError):
        client.get_object(Bucket=backend.bucket, Key="a")["Body"].read()


def test_made_up_listings_page_like_the_real_ones(proxied):
    proxy, client, backend = proxied
    objects = {f"products/{i:03d} +%.png": Object(i, f"{i:032x}") for i in range(23)}
    proxy.set_rule(lambda r: list_page(objects, r, 5) if r.is_list else None)
    found = {}
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=backend.bucket):
        found |= {entry["Key"]: Object(entry["Size"], entry["ETag"].strip('"')) for entry in page["Contents"]}
    assert found == objects and proxy.fired == 5

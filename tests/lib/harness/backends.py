# SPDX-License-Identifier: GPL-3.0-or-later
"""The store as an outsider sees it: boto3 for a bucket on MinIO, plain file calls for a directory."""

import hashlib
import os
import secrets
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import boto3
from botocore.config import Config

INTERNAL = ".lockstep/"


@dataclass(frozen=True)
class Object:
    size: int
    etag: str


class FileBackend:
    name = "file"

    def __init__(self, directory: Path):
        self.directory = directory
        self.url = f"file:{directory}"

    def init_args(self) -> list[str]:
        return ["--store", self.url]

    def environment(self) -> dict[str, str]:
        return {}

    def all_keys(self) -> list[str]:
        """All keys in byte order, internal ones too."""
        found = []
        for folder, _, files in os.walk(self.directory):
            found += [os.path.relpath(os.path.join(folder, name), self.directory) for name in files]
        return sorted(found, key=os.fsencode)

    def objects(self) -> dict[str, Object]:
        result = {}
        for key in self.all_keys():
            if key.startswith(INTERNAL):
                continue
            try:
                data = self.get(key)
            except FileNotFoundError:  # it went after it was listed
                continue
            result[key] = Object(len(data), hashlib.md5(data).hexdigest())
        return result

    def get(self, key: str) -> bytes:
        return (self.directory / key).read_bytes()

    def put(self, key: str, data: bytes) -> None:
        """As a person would do it with cp."""
        path = self.directory / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def delete(self, key: str) -> None:
        (self.directory / key).unlink()

    def move(self, old: str, new: str) -> None:
        (self.directory / new).parent.mkdir(parents=True, exist_ok=True)
        os.rename(self.directory / old, self.directory / new)

    def empty(self) -> None:
        for entry in self.directory.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

    def uploads(self) -> list[str]:
        return []

    def destroy(self) -> None:
        shutil.rmtree(self.directory, ignore_errors=True)


def s3_client(endpoint: str, access_key: str, secret_key: str):
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        region_name="us-east-1",
        config=Config(connect_timeout=5, read_timeout=30, retries={"max_attempts": 2}, s3={"addressing_style": "path"}),
    )


class MinioBackend:
    name = "minio"

    def __init__(self, endpoint: str, access_key: str, secret_key: str):
        self.endpoint, self.access_key, self.secret_key = endpoint, access_key, secret_key
        self.client = s3_client(endpoint, access_key, secret_key)
        self.bucket = f"test-{secrets.token_hex(8)}"
        self.url = f"s3://{self.bucket}"

    def init_args(self) -> list[str]:
        return ["--store", self.url, "--endpoint", self.endpoint]

    def environment(self) -> dict[str, str]:
        return {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key}

    def _list(self) -> dict[str, Object]:
        found = {}
        for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket):
            for entry in page.get("Contents", []):
                found[entry["Key"]] = Object(entry["Size"], entry["ETag"].strip('"'))
        return found

    def all_keys(self) -> list[str]:
        return list(self._list())

    def objects(self) -> dict[str, Object]:
        return {key: value for key, value in self._list().items() if not key.startswith(INTERNAL)}

    def get(self, key: str) -> bytes:
        return self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def put(self, key: str, data: bytes) -> None:
        self.client.put_object(Bucket=self.bucket, Key=key, Body=data)

    def delete(self, key: str) -> None:
        self.client.delete_object(Bucket=self.bucket, Key=key)

    def move(self, old: str, new: str) -> None:
        self.client.copy_object(Bucket=self.bucket, Key=new, CopySource={"Bucket": self.bucket, "Key": old})
        self.delete(old)

    def empty(self) -> None:
        keys = self.all_keys()
        for at in range(0, len(keys), 1000):
            batch = [{"Key": key} for key in keys[at : at + 1000]]
            self.client.delete_objects(Bucket=self.bucket, Delete={"Objects": batch, "Quiet": True})

    def uploads(self) -> list[str]:
        """Keys with an unfinished multipart upload (MinIO lists them by whole key only)."""
        answer = self.client.list_multipart_uploads(Bucket=self.bucket)
        return [upload["Key"] for upload in answer.get("Uploads", [])]

    def destroy(self) -> None:
        """Who was killed may have sent a request that MinIO is still at: then the bucket is not empty once more."""
        end = time.monotonic() + 30
        while True:
            try:
                self.empty()
                self.client.delete_bucket(Bucket=self.bucket)
                return
            except self.client.exceptions.NoSuchBucket:
                return
            except self.client.exceptions.ClientError as error:
                if error.response["Error"]["Code"] != "BucketNotEmpty" or time.monotonic() > end:
                    raise

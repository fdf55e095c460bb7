# SPDX-License-Identifier: GPL-3.0-or-later
"""`lockstep events`: the bucket's notification settings, made on a real MinIO and read back with boto3."""

import pytest
from harness.backends import MinioBackend
from harness.minio import ARN, running_minio, webhook_settings
from harness.program import Lockstep

TOKEN = "b" * 40
OTHER = "arn:minio:sqs::other:webhook"
OTHER_RULE = {
    "Id": "somebody's <own>",
    "QueueArn": OTHER,
    "Events": ["s3:ObjectAccessed:Get", "s3:ObjectCreated:*"],
    "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "in & out/"}, {"Name": "suffix", "Value": ".png"}]}},
}


@pytest.fixture
def tied(folder):
    """A lockstep on a MinIO that knows three targets."""
    settings = webhook_settings(1, TOKEN, folder / "queue")  # where nobody listens
    for name in ("other", "mine"):
        settings |= {key.replace("lockstep", name): value for key, value in settings.items() if "_lockstep" in key}
    with running_minio(**settings) as (access, _):
        lockstep = Lockstep(folder, MinioBackend(*access)).init()
        try:
            yield lockstep
        finally:
            lockstep.close()


def rules(lockstep) -> dict[str, dict]:
    """By target."""
    backend = lockstep.backend
    found = backend.client.get_bucket_notification_configuration(Bucket=backend.bucket)
    return {rule["QueueArn"]: rule for rule in found.get("QueueConfigurations", [])}


def set_rules(lockstep, *wanted: dict) -> None:
    backend = lockstep.backend
    backend.client.put_bucket_notification_configuration(
        Bucket=backend.bucket, NotificationConfiguration={"QueueConfigurations": list(wanted)}
    )


def wanted(target: str) -> dict:
    return {
        "Id": "lockstep",
        "QueueArn": target,
        "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"],
        "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "products/"}]}},
    }


def plain(rule: dict) -> dict:
    """As it was put: MinIO sorts what has no order."""
    filters = rule["Filter"]["Key"]["FilterRules"]
    return rule | {
        "Events": sorted(rule["Events"]),
        "Filter": {
            "Key": {"FilterRules": sorted(({**entry, "Name": entry["Name"].lower()} for entry in filters), key=str)}
        },
    }


def test_setup_prints_and_makes_the_settings_and_keeps_those_of_others(tied):
    set_rules(tied, OTHER_RULE)
    said = tied.run("events", "setup").stdout
    assert ARN in said and "/webhooks/minio" in said and TOKEN not in said and "auth_token=TOKEN" in said
    assert set(rules(tied)) == {OTHER}, "without --apply nothing changes"
    assert "does not tell" in tied.run("events", "check", check=1).stdout

    tied.run("events", "setup", "--apply")
    assert {name: plain(rule) for name, rule in rules(tied).items()} == {ARN: wanted(ARN), OTHER: plain(OTHER_RULE)}
    assert " tells " in tied.run("events", "check").stdout
    again = rules(tied)
    assert "are already" in tied.run("events", "setup", "--apply").stdout
    assert rules(tied) == again


def test_another_target_takes_the_first_ones_place_and_is_found_again(tied):
    mine = "arn:minio:sqs::mine:webhook"
    tied.run("events", "setup", "--apply")
    assert set(rules(tied)) == {ARN}
    said = tied.run("events", "setup", "--apply", "--arn", mine, "--url", "https://shop.example/webhooks/minio").stdout
    assert "MINIO_NOTIFY_WEBHOOK_ENDPOINT_mine=https://shop.example/webhooks/minio" in said
    assert {name: plain(rule) for name, rule in rules(tied).items()} == {mine: wanted(mine)}
    assert mine in tied.run("events", "check").stdout, "it is found by the rule that setup made"
    tied.run("events", "check", "--arn", ARN, check=1)


def test_a_rule_that_tells_only_a_part_is_completed(tied):
    for part in ({"Events": ["s3:ObjectCreated:*"]}, {"Filter": OTHER_RULE["Filter"]}, {"Id": "by-hand"}):
        set_rules(tied, wanted(ARN) | part)
        by_hand = part == {"Id": "by-hand"}
        tied.run("events", "check", check=0 if by_hand else 1)
        tied.run("events", "setup", "--apply")
        assert plain(rules(tied)[ARN]) == wanted(ARN) | (part if by_hand else {})


def test_a_target_that_minio_does_not_know_is_refused_clearly(tied):
    set_rules(tied, OTHER_RULE)
    done = tied.run("events", "setup", "--apply", "--arn", "arn:minio:sqs::nobody:webhook", check=4)
    assert "arn:minio:sqs::nobody:webhook" in done.stderr and "lockstep events setup" in done.stderr
    assert set(rules(tied)) == {OTHER}
    for wrong in ("nobody", "arn:x y", "arn:minio:sqs::$(id):webhook"):
        tied.run("events", "setup", "--arn", wrong, check=64)
    tied.run("events", "setup", "--url", "ftp://x", check=64)
    tied.run("events", check=64)


def test_a_directory_tells_nobody(lockstep_file):
    for what in ("setup", "check"):
        assert "a directory tells nobody" in lockstep_file.run("events", what, check=4).stderr

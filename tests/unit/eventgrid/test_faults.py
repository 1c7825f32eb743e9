"""Faults by chance are the same for the same seed; each strikes only what it names, and as often as it says."""

from local.eventgrid.faults import Faults


def drops(seed: int) -> list[bool]:
    faults = Faults()
    faults.set({"kind": "drop", "share": 0.3, "seed": seed})
    return [not faults.dues("s", "T", 0.0) for _ in range(200)]


def test_a_seed_repeats_chance() -> None:
    assert drops(1) == drops(1)
    assert drops(1) != drops(2)
    assert 30 < sum(drops(1)) < 90


def test_faults_add_up() -> None:
    faults = Faults()
    faults.set({"kind": "duplicate", "copies": 2})
    faults.set({"kind": "delay", "seconds": 5})
    assert faults.dues("s", "T", 100.0) == [105.0] * 3


def test_a_fault_chooses_by_subscription_and_type_and_ends() -> None:
    faults = Faults()
    faults.set({"kind": "drop", "times": 1, "subscription": "a", "type": "BlobCreated"})
    assert faults.dues("b", "Microsoft.Storage.BlobCreated", 1.0) == [1.0]
    assert faults.dues("a", "Microsoft.Storage.BlobDeleted", 1.0) == [1.0]
    assert faults.dues("a", "Microsoft.Storage.BlobCreated", 1.0) == []
    assert faults.dues("a", "Microsoft.Storage.BlobCreated", 1.0) == [1.0]
    assert faults.shown() == []


def test_storage_faults_choose_by_account_method_and_operation() -> None:
    faults = Faults()
    assert not faults.any_storage
    one = faults.set({"kind": "status", "status": 429, "account": "landing", "method": "put", "api": "PutBlob"})
    assert faults.any_storage
    assert faults.storage("landing", "PUT", "PutBlob") is one
    assert faults.storage("landing", "GET", "") is None
    assert faults.storage("mlworkspace", "PUT", "PutBlob") is None
    assert faults.clear(one.id) == 1
    assert not faults.any_storage

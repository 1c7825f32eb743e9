"""What Azure ML says in an error comes into logs and the ledger without the keys and signatures in it."""

import pytest

from shared.azureml.redacting import redacted


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (
            "copy of https://a.blob.example/c/b?sv=1&" + "sig=abc%2Bdef&se=2 failed",
            "copy of https://a.blob.example/c/b",
        ),
        ("Authorization: " + "Bearer abc.def-ghi was refused", "was refused"),
        ("Default;AccountName=a;" + "AccountKey=abc/def==;EndpointSuffix=x", "EndpointSuffix=x"),
        ("header api-key: " + "abc/def here", "here"),
    ],
)
def test_signatures_tokens_and_keys_are_taken_out(text: str, kept: str) -> None:
    said = redacted(text)
    assert "abc" not in said
    assert "def" not in said
    assert kept in said


def test_a_long_answer_is_cut() -> None:
    assert len(redacted("x" * 1_000_000)) == 2000

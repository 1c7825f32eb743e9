"""The mode of an input, by the type that the hub sets and what the job's file writes."""

import pytest

from shared.azureml.delivery import delivery
from shared.engine.outcomes import PermanentError


@pytest.mark.parametrize(
    ("kind", "written", "mode", "given"),
    [
        ("mltable", "uri_folder", "", "eval_mount"),
        ("mltable", "uri_folder", "ro_mount", "eval_mount"),
        ("mltable", "uri_folder", "download", "eval_download"),
        ("mltable", "mltable", "", ""),
        ("mltable", "mltable", "direct", "direct"),
        ("mltable", "mltable", "eval_download", "eval_download"),
        ("uri_folder", "uri_folder", "", ""),
        ("uri_folder", "uri_folder", "direct", "direct"),
        ("uri_folder", "mltable", "eval_mount", "ro_mount"),
        ("uri_folder", "mltable", "eval_download", "download"),
        ("mlflow_model", "mlflow_model", "download", "download"),
    ],
)
def test_what_a_job_was_written_for_it_gets(kind: str, written: str, mode: str, given: str) -> None:
    assert delivery("data", kind, written, mode) == given


def test_the_address_of_a_folder_that_is_a_list_is_refused() -> None:
    with pytest.raises(PermanentError, match="input data is a list of files, and `mode: direct`"):
        delivery("data", "mltable", "uri_folder", "direct")

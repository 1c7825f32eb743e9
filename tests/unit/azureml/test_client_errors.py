"""What errors of azure-ai-ml mean: what is wrong for good is told at once, and not tried again for an hour."""

import warnings
from typing import Any

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from azure.ai.ml.exceptions import ErrorCategory, ErrorTarget, MlException, ValidationException

from azure.core.exceptions import HttpResponseError, ServiceRequestError

from shared.azureml.client import _guarded
from shared.engine.outcomes import PermanentError, TransientError


class Answer:
    """The answer of a request that failed."""

    def __init__(self, status: int, **headers: str) -> None:
        self.status_code, self.reason, self.headers = status, "", headers


def refused(status: int, **headers: str) -> HttpResponseError:
    answer: Any = Answer(status, **headers)
    error = HttpResponseError("no", response=None)
    error.status_code, error.response, error.message = status, answer, "no"
    return error


def wrapped(within: Exception) -> Exception:
    """Wrap a request that failed as azure-ai-ml does where it makes a code asset on the way to a job."""
    try:
        try:
            raise within
        except Exception as error:
            raise MlException(f"Error with code: {error}", no_personal_data_message="") from error
    except MlException as outer:
        found: Exception = outer
    return found


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (
            ValidationException(
                "no such path",
                no_personal_data_message="",
                target=ErrorTarget.MODEL,
                error_category=ErrorCategory.USER_ERROR,
            ),
            PermanentError,
        ),
        (MlException("never", no_personal_data_message=""), PermanentError),
        (refused(400), PermanentError),
        (refused(403), PermanentError),
        (refused(409), TransientError),
        (refused(429), TransientError),
        (refused(503), TransientError),
        (ServiceRequestError("no route"), TransientError),
        (wrapped(ServiceRequestError("refused")), TransientError),
        (wrapped(wrapped(refused(503))), TransientError),
        (wrapped(refused(400)), PermanentError),
        (wrapped(ValueError("no such folder")), PermanentError),
        (wrapped(FileNotFoundError("no such file")), PermanentError),
    ],
)
def test_what_passes_by_itself_and_what_does_not(error: Exception, kind: type[Exception]) -> None:
    def call(_: Any) -> None:
        raise error

    with pytest.raises(kind, match="the model"):
        _guarded("the model", call, None)

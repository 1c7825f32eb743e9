"""Output bindings: written after the function has succeeded, and part of its success."""

import base64
from typing import Any

from tests.integration.functions.hosting import Host, until


def written(host: Host) -> list[str]:
    try:
        found = host.queue(name="OUT_QUEUE").peek_messages(max_messages=32)
    except Exception:
        return []
    return [base64.b64decode(one.content).decode() for one in found]


def blob(host: Host) -> str:
    try:
        content: Any = (
            host.blobs().get_blob_client(host.names["OUT_CONTAINER"], "written.txt").download_blob().readall()
        )
    except Exception:
        return ""
    return str(content.decode())


def test_outputs_are_written_after_success_and_their_places_made(starts) -> None:
    """https://learn.microsoft.com/azure/azure-functions/functions-bindings-storage-queue-output and -blob-output: queue
    and container are created where they are missing; messages are base64 by default.
    """
    host = starts()
    assert host.ask("/api/writes?text=hallo&blob=inhalt").text == "written"
    assert (written(host), blob(host)) == (["hallo"], "inhalt")
    assert host.ask("/api/writes?text=again&blob=new").status == 200
    assert (written(host), blob(host)) == (["hallo", "again"], "new")


def test_nothing_is_written_where_the_function_fails(starts) -> None:
    """FunctionExecutor of Azure/azure-webjobs-sdk: parameters are written back after the function only."""
    host = starts()
    assert host.ask("/api/writes?text=lost&blob=lost&fail=1").status == 500
    assert (written(host), blob(host)) == ([], "")


def test_an_output_that_is_not_set_is_not_written(starts) -> None:
    """azure-functions: Out.get() is None where nothing was set."""
    host = starts()
    assert host.ask("/api/writes?text=only").status == 200
    assert (written(host), blob(host)) == (["only"], "")


def test_an_output_that_cannot_be_written_fails_the_call(starts) -> None:
    """FunctionExecutor of Azure/azure-webjobs-sdk: writing the parameters back is part of the invocation."""
    host = starts(names={"QUEUE": "unused", "OUT_QUEUE": "Not a name!", "OUT_CONTAINER": "unused"})
    assert host.ask("/api/writes?text=x").status == 500
    until(lambda: "output" in host.log.read_text())


RETURNS = """
import azure.functions as func
app = func.FunctionApp()

@app.function_name("returns")
@app.queue_trigger(arg_name="message", queue_name="%QUEUE%", connection="STORE")
@app.queue_output(arg_name="$return", queue_name="%OUT_QUEUE%", connection="STORE")
def returns(message: func.QueueMessage) -> str:
    return message.get_body().decode().upper()
"""


def test_a_returned_value_is_an_output_where_the_binding_says_so(starts, send) -> None:
    """https://learn.microsoft.com/azure/azure-functions/functions-bindings-return-value: the binding named $return."""
    host = starts(app=RETURNS)
    send(host.queue(), "leise")
    assert until(lambda: written(host)) == ["LEISE"]


PLAIN = {"extensions": {"queues": {"messageEncoding": "none", "maxPollingInterval": "00:00:01"}}}


def test_messages_may_be_plain_in_both_directions(starts, send) -> None:
    """https://learn.microsoft.com/azure/azure-functions/functions-bindings-storage-queue#host-json."""
    host = starts(app=RETURNS, host=PLAIN)
    send(host.queue(), "plain text", plain=True)
    out = host.queue(name="OUT_QUEUE")

    def there() -> list[str]:
        try:
            return [str(one.content) for one in out.peek_messages()]
        except Exception:
            return []

    assert until(there) == ["PLAIN TEXT"]

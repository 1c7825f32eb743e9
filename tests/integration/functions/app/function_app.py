"""A small app for the tests of the host: each function tells what it saw; `/api/seen` gives it back."""

import asyncio
import json
import time

import azure.functions as func

app = func.FunctionApp()
SEEN: list[dict[str, object]] = []


def saw(name: str, **what: object) -> None:
    SEEN.append({"function": name, "at": time.time(), **what})


@app.function_name("seen")
@app.route("seen", methods=["GET", "DELETE"], auth_level=func.AuthLevel.ANONYMOUS)
def seen(req: func.HttpRequest) -> func.HttpResponse:
    answer = json.dumps(SEEN)
    if req.method == "DELETE":
        SEEN.clear()
    return func.HttpResponse(answer, mimetype="application/json")


@app.function_name("echo")
@app.route("echo/{name}/{rest?}", methods=["GET", "POST", "PUT"], auth_level=func.AuthLevel.ANONYMOUS)
async def echo(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    body = {
        "method": req.method,
        "route": dict(req.route_params),
        "query": dict(req.params),
        "header": req.headers.get("x-test"),
        "body": req.get_body().decode(),
        "traceparent": context.trace_context.Traceparent,
        "function": context.function_name,
        "invocation": context.invocation_id,
    }
    return func.HttpResponse(json.dumps(body), status_code=201, mimetype="application/json", headers={"x-answer": "1"})


@app.function_name("number")
@app.route("number/{id:int}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def number(req: func.HttpRequest) -> str:
    return f"number {req.route_params['id']}"


@app.function_name("literal")
@app.route("number/ten", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def literal(req: func.HttpRequest) -> str:
    return "literal"


@app.function_name("anything")
@app.route("files/{*path}", auth_level=func.AuthLevel.ANONYMOUS)
def anything(req: func.HttpRequest) -> str:
    return f"{req.method} {req.route_params.get('path')}"


@app.function_name("by_name")
@app.route(methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def by_name(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(status_code=204)


@app.function_name("keyed")
@app.route("keyed", auth_level=func.AuthLevel.FUNCTION)
def keyed(req: func.HttpRequest) -> str:
    return "keyed"


@app.function_name("for_admins")
@app.route("for-admins", auth_level=func.AuthLevel.ADMIN)
def for_admins(req: func.HttpRequest) -> str:
    return "admin"


@app.function_name("raises")
@app.route("raises", auth_level=func.AuthLevel.ANONYMOUS)
def raises(req: func.HttpRequest) -> str:
    raise ValueError("a secret of the app")


@app.function_name("slow")
@app.route("slow", auth_level=func.AuthLevel.ANONYMOUS)
async def slow(req: func.HttpRequest) -> str:
    saw("slow", step="began")
    await asyncio.sleep(60)
    saw("slow", step="ended")
    return "late"


@app.function_name("writes")
@app.route("writes", auth_level=func.AuthLevel.ANONYMOUS)
@app.queue_output(arg_name="message", queue_name="%OUT_QUEUE%", connection="STORE")
@app.blob_output(arg_name="blob", path="%OUT_CONTAINER%/written.txt", connection="STORE")
def writes(req: func.HttpRequest, message: func.Out[str], blob: func.Out[str]) -> str:
    message.set(req.params.get("text", ""))
    if "blob" in req.params:
        blob.set(req.params["blob"])
    if "fail" in req.params:
        raise RuntimeError("after its outputs were set")
    return "written"


@app.function_name("grid")
@app.event_grid_trigger(arg_name="event")
def grid(event: func.EventGridEvent) -> None:
    saw("grid", id=event.id, data=event.get_json(), subject=event.subject)
    if event.subject == "fail":
        raise ValueError("this event fails")


@app.function_name("work")
@app.queue_trigger(arg_name="message", queue_name="%QUEUE%", connection="STORE")
async def work(message: func.QueueMessage) -> None:
    text = message.get_body().decode()
    saw("work", text=text, id=message.id, dequeue=message.dequeue_count, inserted=str(message.insertion_time))
    if text.startswith("fail"):
        raise ValueError(text)
    if text.startswith("wait"):
        await asyncio.sleep(float(text.split()[1]))
    saw("work", text=text, ended=True)


@app.function_name("tick")
@app.timer_trigger(arg_name="timer", schedule="%TICK%", run_on_startup=False, use_monitor=True)
def tick(timer: func.TimerRequest) -> None:
    saw("tick", past_due=timer.past_due, status=timer.schedule_status)


@app.function_name("at_start")
@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *", run_on_startup=True, use_monitor=False)
def at_start(timer: func.TimerRequest) -> None:
    saw("at_start", past_due=timer.past_due)

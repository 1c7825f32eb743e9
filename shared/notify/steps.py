"""The steps of the actions `notify` and `webhook`."""

from typing import Any

import msgspec

from shared.actions.context import Context
from shared.automations.language_actions import NotifyAction, Webhook
from shared.engine.outcomes import Answer, Done, Failed, PermanentError
from shared.engine.run import Work
from shared.expressions import ExpressionError, Template
from shared.ledger.records import Activity
from shared.notify.messages import said
from shared.notify.notifier import Notifier
from shared.notify.sending import post
from shared.rulebook import variables


class Telling:
    """Tells people, or another system, as an automation's action."""

    def __init__(self, context: Context, notifier: Notifier) -> None:
        self._context = context
        self._notifier = notifier

    async def notify(self, work: Work) -> Answer:
        """Enter the message for its channels; delivery has its own retries."""
        action = await self._action(work.activity)
        if not isinstance(action, NotifyAction):
            raise PermanentError(f"automation {work.activity.automation} has no notify action")
        known = await self._variables(work.activity)
        subject = _text("subject", action.subject, known) or work.activity.automation
        text = _text("message", action.message, known) or _happened(work.activity)
        if unknown := [name for name in action.to if name not in self._context.settings.channels]:
            return Failed(f"channel {', '.join(unknown)} is not in HUB_CHANNELS")
        message = said(work.activity, work.step.name, subject[:300], text, work.step.started or work.now)
        for name in action.to:
            await self._notifier.outbox.put(name, message)
        return Done({"to": list(action.to), "subject": subject[:300]})

    async def webhook(self, work: Work) -> Answer:
        """Send what happened to the address, signed; the delivery's number is the attempt's."""
        action = await self._action(work.activity)
        if not isinstance(action, Webhook):
            raise PermanentError(f"automation {work.activity.automation} has no webhook action")
        settings = self._context.settings
        secret = ""
        if action.secret and not (secret := settings.secret(action.secret)):
            return Failed(f"setting {settings.secret_name(action.secret)} of the webhook's key is not there")
        known = await self._variables(work.activity)
        body = {name: _value(name, value, known) for name, value in action.body.items()} or _record(work.activity)
        number = self._context.job_name(work.activity, work.step)
        status = await post(
            action.url,
            msgspec.json.encode(body),
            number=number,
            secret=secret,
            headers=action.headers,
            loopback=settings.loopback_webhooks,
        )
        return Done({"status": status, "delivery": number})

    async def _action(self, activity: Activity) -> NotifyAction | Webhook | None:
        loaded, _ = await self._context.automation(activity)
        return loaded.automation.do.notify or loaded.automation.do.webhook

    async def _variables(self, activity: Activity) -> dict[str, Any]:
        members = await self._context.files(activity.files.blob) if activity.files.count else ()
        return variables(activity, members)


def _text(name: str, template: str, known: dict[str, Any]) -> str:
    value = _value(name, template, known)
    return value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=str).decode()


def _value(name: str, template: Any, known: dict[str, Any]) -> Any:
    if not isinstance(template, str):
        return template
    try:
        return Template(template).render(known)
    except ExpressionError as error:
        raise PermanentError(f"{name}: {error}") from None


def _happened(activity: Activity) -> str:
    event = activity.cause.event
    if event:
        return f"{event.get('type', 'event')} {event.get('subject', '')}"
    return f"started by {activity.cause.who}" if activity.cause.kind == "manual" else activity.cause.kind


def _record(activity: Activity) -> dict[str, Any]:
    return {
        "id": activity.id,
        "automation": activity.automation,
        "attempt": activity.attempt,
        "created": activity.created,
        "cause": msgspec.to_builtins(activity.cause),
        "files": {"count": activity.files.count, "size": activity.files.size},
        "captures": activity.captures,
        "inputs": activity.inputs,
    }

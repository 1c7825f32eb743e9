"""The app: registers the blueprints, nothing else."""

import azure.functions as func

from functions.dashboard import dashboard
from functions.events import events
from functions.notify import notify
from functions.operators import operators
from functions.timers import timers
from functions.work import work

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
for blueprint in (events, work, timers, operators, dashboard, notify):
    app.register_functions(blueprint)

"""The automations of the paths."""

TRAIN = """
name: delay-train
on:
  - blob-created:
      container: landing
      path: "flights/{month}/**/*.csv"
      collect: {by: [month], quiet: 2m, max-wait: 2h, until: {marker: "flights/{month}/_SUCCESS"}}
dataset: {name: flights, from: accepted, window: 90d}
check: {job: jobs/check.yml}
do:
  train: {job: jobs/train.yml, inputs: {data: "${{ dataset }}"}, register: {model: arrival-delay, from: model}}
"""
RETRAIN = """
name: delay-train
on:
  - blob-created:
      container: landing
      path: "flights/{month}/**/*.csv"
      collect: {by: [month], quiet: 2m, max-wait: 2h, until: {marker: "flights/{month}/_SUCCESS"}}
  - drift:
      monitor: delay-monitor
      model: arrival-delay
      persists: 2 of 3
      min-samples: 200
      then: {minor: notify, major: retrain, performance: retrain}
dataset: {name: flights, from: accepted, window: 90d}
do:
  train: {job: jobs/train.yml, inputs: {data: "${{ dataset }}"}, register: {model: arrival-delay, from: model}}
limits: {concurrency: {group: arrival-delay, max: 1}}
"""
_RUN = "do: {job: {job: jobs/train.yml, inputs: {data: 'azureml:x:1'}}}\n"
LIMITED = (
    "name: limited\non: [{{model-registered: {{model: m}}}}]\n"
    + _RUN.replace("{", "{{").replace("}", "}}")
    + "limits: {}\n"
)
PLAIN = "name: each-file\non: [{blob-created: {account: landing, container: landing, path: 'in/*.csv'}}]\n" + _RUN
MERGING = (
    "name: each-file\non: [{blob-created: {container: landing, path: 'in/*.csv'}}]\n"
    "do: {job: {job: jobs/train.yml, inputs: {data: '${{ files }}'}}}\n"
    "limits: {concurrency: {group: g, max: 1, when-busy: merge}}\n"
)
SCORE = """
name: delay-score
on: [{blob-created: {container: scoring, path: "flights/**/*.csv", collect: {quiet: 1m, max-wait: 15m}}}]
do: {score: {endpoint: delay-batch, inputs: {data: "${{ files }}"}, output: scored}}
"""
SCHEDULE = "name: hourly\non: [{schedule: {cron: '0 10,20,30 6 * * *'}}]\n" + _RUN
MISSING = (
    "name: watch\non: [{missing: {cron: '0 20,40 6 * * *', grace: 5m, of: {model-registered: {model: m}}}}]\n" + _RUN
)
ALL_OF = (
    "name: both\non: [{all-of: {within: 2h, of: [{model-registered: {model: m}}, "
    "{blob-created: {container: landing, path: 'go/*'}}]}}]\n" + _RUN
)
NOTIFYING = (
    "name: tell\non: [{model-registered: {model: m}}]\n"
    "do: {notify: {to: [ops], subject: 'model ${{ event.data.ModelVersion }}', message: 'it is there'}}\n"
)
RELEASE = """
name: delay-release
on: [{model-registered: {model: arrival-delay}}]
do:
  deploy:
    endpoint: endpoints/endpoint.yml
    deployment: endpoints/deployment.yml
    evaluate: {job: jobs/evaluate.yml, data: "azureml:delay-golden:1"}
    gates:
      - metrics: {mae: "<= 25"}
      - champion: {metric: mae, better: lower, tolerance: 1%, when-none: pass-with-note}
    rollout:
      - shadow: {traffic: 20%, for: 2m}
      - canary: {traffic: 10%, for: 2m}
    analysis: {error-rate: "< 1%", p95-latency: "< 300ms", min-requests: 50, settle: 1m, inconclusive: hold}
    on-failure: rollback
    keep-previous: 1h
"""
APPROVED = """
name: delay-release
on: [{model-registered: {model: arrival-delay}}]
do:
  deploy:
    endpoint: endpoints/endpoint.yml
    deployment: endpoints/deployment.yml
    gates:
      - approval: {roles: [approver], quorum: 2, expires: 48h}
"""
STORM = "\n---\n".join(
    (
        TRAIN.replace("max-wait: 2h", "max-wait: 20m, if-incomplete: run").replace("90d", "2h")
        + "limits: {concurrency: {group: arrival-delay, max: 2}}\n",
        LIMITED.format("{concurrency: {group: g, max: 2}}"),
        MERGING,
        RELEASE,
        SCORE.replace("flights/**/*.csv", "score/{batch}/*.csv").replace("{quiet", "{by: [batch], quiet"),
        ALL_OF.replace("model: m", "model: k"),
        "name: greedy\non: [{blob-created: {container: hub-data, path: '**'}}]\n" + _RUN,
    )
)
"""What a storm blows through; `greedy` waits for what the hub itself writes, and must never begin."""

// Alerts on what no event tells: silence, failures, dead letters and backlog.
param location string
param tags object
param hubId string
param insightsId string
param hubStorageId string
param hubTopicName string
param landingTopicId string
param workspaceTopicId string

@description('Addresses that are told. Empty: the alerts are seen in Azure only.')
param emails array

var topics = [
  { name: 'hub', id: resourceId('Microsoft.EventGrid/topics', hubTopicName), kind: 'Microsoft.EventGrid/topics' }
  { name: 'landing', id: landingTopicId, kind: 'Microsoft.EventGrid/systemTopics' }
  { name: 'workspace', id: workspaceTopicId, kind: 'Microsoft.EventGrid/systemTopics' }
]
// Each asks for what shared/telemetry/names.py lists; docs/operating.md has a runbook for each, under the same name.
var searches = [
  {
    name: 'silent'
    description: 'The sweep has not ended well for 15 minutes: the app is down, or cannot reach its storage.'
    query: 'customMetrics | where name == "hub.sweeps" and customDimensions.result == "done"'
    aggregation: 'Count'
    column: null
    operator: 'LessThan'
    threshold: 1
    window: 'PT15M'
    every: 'PT5M'
    severity: 1
  }
  {
    name: 'probe'
    description: 'No probe has come the whole way within 5 minutes for half an hour: events do not arrive, or late.'
    query: 'customMetrics | where name == "hub.probe.latency" and valueMin < 300'
    aggregation: 'Count'
    column: null
    operator: 'LessThan'
    threshold: 1
    window: 'PT30M'
    every: 'PT5M'
    severity: 1
  }
  {
    name: 'late'
    description: 'The oldest event in the queue has been waiting for more than 10 minutes, for 15 minutes on end.'
    query: 'customMetrics | where name == "hub.queue.age" and customDimensions.queue == "hub-events"'
    aggregation: 'Minimum'
    column: 'value'
    operator: 'GreaterThan'
    threshold: 600
    window: 'PT15M'
    every: 'PT5M'
    severity: 2
  }
  {
    name: 'failing'
    description: 'More than 20 executions of functions failed within 15 minutes.'
    query: 'requests | where success == false and operation_Name in ("events_queue", "events_push", "work", "sweep", "notify")'
    aggregation: 'Total'
    column: 'itemCount'
    operator: 'GreaterThan'
    threshold: 20
    window: 'PT15M'
    every: 'PT5M'
    severity: 2
  }
  {
    name: 'retrying'
    description: 'More than 50 looks at steps had to be tried again within 15 minutes: Azure ML or storage is not well.'
    query: 'customMetrics | where name == "hub.step.latency" and customDimensions.result == "retry"'
    aggregation: 'Total'
    column: 'valueCount'
    operator: 'GreaterThan'
    threshold: 50
    window: 'PT15M'
    every: 'PT5M'
    severity: 3
  }
  {
    name: 'letters'
    description: 'The hub has kept a dead letter: an event or message that could not be delivered, read or worked on.'
    query: 'customMetrics | where name == "hub.dead_letters"'
    aggregation: 'Total'
    column: 'valueSum'
    operator: 'GreaterThan'
    threshold: 0
    window: 'PT15M'
    every: 'PT5M'
    severity: 2
  }
  {
    name: 'held'
    description: 'Something has been held, or has waited for an approval, at every moment of a day.'
    query: 'customMetrics | where name == "hub.unfinished" and customDimensions.status in ("held", "waiting-approval") | summarize waiting = sum(value) by bin(timestamp, 1m)'
    aggregation: 'Minimum'
    column: 'waiting'
    operator: 'GreaterThan'
    threshold: 0
    window: 'P1D'
    every: 'PT1H'
    severity: 3
  }
  {
    name: 'dropped'
    description: 'Telemetry was dropped because its exporter did not keep up or could not send.'
    query: 'customMetrics | where name == "hub.telemetry.dropped"'
    aggregation: 'Total'
    column: 'valueSum'
    operator: 'GreaterThan'
    threshold: 0
    window: 'PT1H'
    every: 'PT15M'
    severity: 3
  }
]

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(emails)) {
  name: 'ag-${hubId}'
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: take(hubId, 12)
    emailReceivers: [
      for (email, index) in emails: {
        name: 'email-${index}'
        emailAddress: email
        useCommonAlertSchema: true
      }
    ]
  }
}

resource searchAlerts 'Microsoft.Insights/scheduledQueryRules@2022-06-15' = [
  for search in searches: {
    name: 'alert-${hubId}-${search.name}'
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: 'Hub ${hubId}: ${search.name}'
      description: search.description
      enabled: true
      severity: search.severity
      evaluationFrequency: search.every
      windowSize: search.window
      scopes: [insightsId]
      autoMitigate: true
      // A new workspace has no tables yet that the queries could be checked against.
      skipQueryValidation: true
      criteria: {
        allOf: [
          {
            query: search.query
            timeAggregation: search.aggregation
            metricMeasureColumn: search.column
            operator: search.operator
            threshold: search.threshold
            failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
          }
        ]
      }
      actions: { actionGroups: empty(emails) ? [] : [people.id] }
    }
  }
]

resource deadLettered 'Microsoft.Insights/metricAlerts@2018-03-01' = [
  for topic in topics: {
    name: 'alert-${hubId}-dead-letters-${topic.name}'
    location: 'global'
    tags: tags
    properties: {
      description: 'Event Grid gave up on an event and put it into hub-dead-letters: see docs/operating.md.'
      enabled: true
      severity: 2
      evaluationFrequency: 'PT5M'
      windowSize: 'PT5M'
      scopes: [topic.id]
      autoMitigate: true
      criteria: {
        'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
        allOf: [
          {
            criterionType: 'StaticThresholdCriterion'
            name: 'dead-lettered'
            metricNamespace: topic.kind
            metricName: 'DeadLetteredCount'
            operator: 'GreaterThan'
            threshold: 0
            timeAggregation: 'Total'
          }
        ]
      }
      actions: empty(emails) ? [] : [{ actionGroupId: people.id }]
    }
  }
]

resource backlog 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: 'alert-${hubId}-backlog'
  location: 'global'
  tags: tags
  properties: {
    description: 'More than 50,000 messages lie in the hub\'s queues.'
    enabled: true
    severity: 2
    evaluationFrequency: 'PT1H'
    windowSize: 'PT1H'
    scopes: ['${hubStorageId}/queueServices/default']
    autoMitigate: true
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'messages'
          metricNamespace: 'Microsoft.Storage/storageAccounts/queueServices'
          metricName: 'QueueMessageCount'
          operator: 'GreaterThan'
          threshold: 50000
          timeAggregation: 'Average'
        }
      ]
    }
    actions: empty(emails) ? [] : [{ actionGroupId: people.id }]
  }
}

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
var searches = [
  {
    name: 'silent'
    description: 'The sweep has not succeeded for 15 minutes: the app is down or cannot reach its storage.'
    query: 'requests | where operation_Name == "sweep" and success == true'
    operator: 'LessThan'
    threshold: 1
    severity: 1
  }
  {
    name: 'failing'
    description: 'More than 20 executions failed within 15 minutes.'
    query: 'requests | where success == false and operation_Name in ("events_queue", "events_push", "work", "sweep")'
    operator: 'GreaterThan'
    threshold: 20
    severity: 2
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
      evaluationFrequency: 'PT5M'
      windowSize: 'PT15M'
      scopes: [insightsId]
      autoMitigate: true
      criteria: {
        allOf: [
          {
            query: search.query
            timeAggregation: 'Count'
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
      description: 'Event Grid gave up on an event and put it into hub-dead-letters: see docs/deploying.md.'
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

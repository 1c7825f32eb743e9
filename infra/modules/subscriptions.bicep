// The event subscriptions of one topic, from the one JSON file that the laptop cloud reads too.
@description('Which subscriptions of the file: storage, workspace or hub.')
@allowed(['storage', 'workspace', 'hub'])
param topic string
param topicName string
param hubId string
param hubStorageId string

@description('Container of frozen copies: probes are written there, and come back as events.')
param dataContainer string
param deliveryIdentityId string

@description('How subscriptions that name a function are delivered: to the queue (no key, no second deployment), pushed to the function, or in batches over HTTP with Entra.')
@allowed(['queue', 'push', 'http'])
param delivery string
param functionAppId string
param hostName string
param authClientId string

var declared = any(loadJsonContent('../subscriptions.json'))
var mine = filter(declared.subscriptions, subscription => subscription.topic == topic)
var toQueue = {
  endpointType: 'StorageQueue'
  properties: {
    resourceId: hubStorageId
    queueName: 'hub-events'
    queueMessageTimeToLiveInSeconds: -1
  }
}
var toHttp = {
  endpointType: 'WebHook'
  properties: {
    endpointUrl: 'https://${hostName}/api/events'
    maxEventsPerBatch: 500
    preferredBatchSizeInKilobytes: 512
    azureActiveDirectoryTenantId: tenant().tenantId
    azureActiveDirectoryApplicationIdOrUri: authClientId
  }
}
var settled = [
  for item in mine: {
    name: '${hubId}-${item.name}'
    queued: item.destination.type == 'StorageQueue' || delivery == 'queue'
    destination: item.destination.type == 'StorageQueue'
      ? {
          endpointType: 'StorageQueue'
          properties: {
            resourceId: hubStorageId
            queueName: item.destination.queue
            queueMessageTimeToLiveInSeconds: -1
          }
        }
      : delivery == 'queue'
          ? toQueue
          : delivery == 'http'
              ? toHttp
              : {
                  endpointType: 'AzureFunction'
                  properties: {
                    resourceId: '${functionAppId}/functions/${item.destination.function}'
                    maxEventsPerBatch: 1
                    preferredBatchSizeInKilobytes: 64
                  }
                }
    schema: item.eventDeliverySchema
    // No types at all means every type: the service wants null for that, not an empty list.
    filter: {
      includedEventTypes: empty(item.filter.includedEventTypes) ? null : item.filter.includedEventTypes
      subjectBeginsWith: item.filter.subjectBeginsWith
      subjectEndsWith: item.filter.subjectEndsWith
      isSubjectCaseSensitive: item.filter.isSubjectCaseSensitive
      // The file names the laptop's container of frozen copies: each hub watches for the probes in its own.
      advancedFilters: json(replace(string(item.filter.advancedFilters), '/hub-data/', '/${dataContainer}/'))
    }
    retryPolicy: item.retryPolicy
    deadLetterContainer: item.deadLetter.container
  }
]
var identity = { type: 'UserAssigned', userAssignedIdentity: deliveryIdentityId }

resource onSystem 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = [
  for item in settled: if (topic != 'hub') {
    name: '${topicName}/${item.name}'
    properties: {
      deliveryWithResourceIdentity: item.queued ? { identity: identity, destination: item.destination } : null
      destination: item.queued ? null : item.destination
      eventDeliverySchema: item.schema
      filter: item.filter
      retryPolicy: item.retryPolicy
      deadLetterWithResourceIdentity: {
        identity: identity
        deadLetterDestination: {
          endpointType: 'StorageBlob'
          properties: { resourceId: hubStorageId, blobContainerName: item.deadLetterContainer }
        }
      }
    }
  }
]

resource onCustom 'Microsoft.EventGrid/topics/eventSubscriptions@2025-02-15' = [
  for item in settled: if (topic == 'hub') {
    name: '${topicName}/${item.name}'
    properties: {
      deliveryWithResourceIdentity: item.queued ? { identity: identity, destination: item.destination } : null
      destination: item.queued ? null : item.destination
      eventDeliverySchema: item.schema
      filter: item.filter
      retryPolicy: item.retryPolicy
      deadLetterWithResourceIdentity: {
        identity: identity
        deadLetterDestination: {
          endpointType: 'StorageBlob'
          properties: { resourceId: hubStorageId, blobContainerName: item.deadLetterContainer }
        }
      }
    }
  }
]

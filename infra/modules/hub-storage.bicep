// The hub's own account: queues, ledger, package, dead letters and the audit's seals. Entra only, no keys.
param location string
param tags object
param name string
param appPrincipalId string
param deliveryPrincipalId string

@description('Storage redundancy, such as Standard_LRS or Standard_ZRS.')
param sku string

@description('Days that dead letters are kept.')
@minValue(7)
param deadLetterDays int = 90

@description('Days in which a seal of the audit can be neither changed nor deleted.')
@minValue(1)
@maxValue(146000)
param sealDays int = 365

@description('Whether somebody has locked the policy of the seals: Azure then refuses to set it again.')
param sealsLocked bool

var names = loadJsonContent('../storage.json')
var roles = loadJsonContent('../roles.json')
var appRoles = [
  roles.storageBlobDataOwner.id
  roles.storageQueueDataContributor.id
  roles.storageTableDataContributor.id
]

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' = {
  name: name
  location: location
  tags: tags
  sku: { name: sku }
  kind: 'StorageV2'
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    publicNetworkAccess: 'Enabled'
    supportsHttpsTrafficOnly: true
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2023-05-01' = {
  parent: account
  name: 'default'
  properties: {
    containerDeleteRetentionPolicy: { enabled: true, days: 14 }
    deleteRetentionPolicy: { enabled: true, days: 14 }
  }
}

resource containers 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' = [
  for container in names.containers: {
    parent: blobs
    name: container
    properties: { publicAccess: 'None' }
  }
]

resource sealContainer 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' existing = {
  parent: blobs
  name: 'hub-audit'
}

resource seals 'Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies@2023-05-01' = if (!sealsLocked) {
  parent: sealContainer
  name: 'default'
  properties: {
    immutabilityPeriodSinceCreationInDays: sealDays
    allowProtectedAppendWrites: false
  }
  dependsOn: [containers]
}

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2023-05-01' = {
  parent: account
  name: 'default'
}

resource queues 'Microsoft.Storage/storageAccounts/queueServices/queues@2023-05-01' = [
  for queue in names.queues: {
    parent: queueService
    name: queue
  }
]

resource tableService 'Microsoft.Storage/storageAccounts/tableServices@2023-05-01' = {
  parent: account
  name: 'default'
}

resource tables 'Microsoft.Storage/storageAccounts/tableServices/tables@2023-05-01' = [
  for table in names.tables: {
    parent: tableService
    name: table
  }
]

resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2023-05-01' = {
  parent: account
  name: 'default'
  properties: {
    policy: {
      rules: [
        {
          name: 'dead-letters-go'
          enabled: true
          type: 'Lifecycle'
          definition: {
            filters: { blobTypes: ['blockBlob', 'appendBlob'], prefixMatch: ['hub-dead-letters/'] }
            actions: { baseBlob: { delete: { daysAfterModificationGreaterThan: deadLetterDays } } }
          }
        }
        {
          name: 'journal-cools'
          enabled: true
          type: 'Lifecycle'
          definition: {
            filters: { blobTypes: ['blockBlob'], prefixMatch: ['hub/events/'] }
            actions: { baseBlob: { tierToCool: { daysAfterModificationGreaterThan: 30 } } }
          }
        }
      ]
    }
  }
}

resource appAccess 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for role in appRoles: {
    name: guid(account.id, appPrincipalId, role)
    scope: account
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
    }
  }
]

resource eventsQueue 'Microsoft.Storage/storageAccounts/queueServices/queues@2023-05-01' existing = {
  parent: queueService
  name: 'hub-events'
}

resource deliveryQueue 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(eventsQueue.id, deliveryPrincipalId, roles.storageQueueDataMessageSender.id)
  scope: eventsQueue
  properties: {
    principalId: deliveryPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      roles.storageQueueDataMessageSender.id
    )
  }
  dependsOn: [queues]
}

resource deadLetters 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' existing = {
  parent: blobs
  name: 'hub-dead-letters'
}

resource deliveryDeadLetters 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(deadLetters.id, deliveryPrincipalId, roles.storageBlobDataContributor.id)
  scope: deadLetters
  properties: {
    principalId: deliveryPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      roles.storageBlobDataContributor.id
    )
  }
  dependsOn: [containers]
}

output id string = account.id

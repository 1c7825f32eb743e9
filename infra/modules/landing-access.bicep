// What the hub, the training compute and Event Grid need on the landing account; it may lie in another resource group.
param location string
param tags object
param accountName string
param appPrincipalId string
param deliveryIdentityId string

@description('Principal ids of the compute that trains and scores.')
param computePrincipalIds array

@description('Container of the frozen copies that jobs read; only the hub writes there.')
param dataContainer string

@description('Containers that jobs write results to, and the hub the manifest beside them.')
param outputContainers array

@description('Container that deployments write to what they were asked; nobody is given a role on it here.')
param collectContainer string

@description('Name of a system topic that the account has already: Azure allows one. Empty: one is created.')
param existingTopic string

var roles = loadJsonContent('../roles.json')
var topicName = empty(existingTopic) ? 'evgt-${accountName}' : existingTopic
var outputWriters = flatten(map(outputContainers, container => map(computePrincipalIds, principal => {
  container: container
  principal: principal
})))

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {
  name: accountName
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2023-05-01' existing = {
  parent: account
  name: 'default'
}

resource frozen 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' = {
  parent: blobs
  name: dataContainer
  properties: { publicAccess: 'None' }
}

resource outputs 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' = [
  for container in outputContainers: {
    parent: blobs
    name: container
    properties: { publicAccess: 'None' }
  }
]

resource collected 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' = {
  parent: blobs
  name: collectContainer
  properties: { publicAccess: 'None' }
}

resource appReads 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account.id, appPrincipalId, roles.storageBlobDataReader.id)
  scope: account
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.storageBlobDataReader.id)
  }
}

resource appFreezes 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(frozen.id, appPrincipalId, roles.storageBlobDataContributor.id)
  scope: frozen
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      roles.storageBlobDataContributor.id
    )
  }
}

resource appVouches 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (container, index) in outputContainers: {
    name: guid(account.id, container, appPrincipalId)
    scope: outputs[index]
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId(
        'Microsoft.Authorization/roleDefinitions',
        roles.storageBlobDataContributor.id
      )
    }
  }
]

resource computeReads 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for principal in computePrincipalIds: {
    // No hub's name in it: Azure refuses the same role for the same identity under a second name.
    name: guid(account.id, principal, roles.storageBlobDataReader.id)
    scope: account
    properties: {
      principalId: principal
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId(
        'Microsoft.Authorization/roleDefinitions',
        roles.storageBlobDataReader.id
      )
    }
  }
]

resource outputTargets 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' existing = [
  for writer in outputWriters: {
    parent: blobs
    name: writer.container
  }
]

resource computeWrites 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (writer, index) in outputWriters: {
    name: guid(account.id, writer.container, writer.principal)
    scope: outputTargets[index]
    properties: {
      principalId: writer.principal
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId(
        'Microsoft.Authorization/roleDefinitions',
        roles.storageBlobDataContributor.id
      )
    }
    dependsOn: [outputs]
  }
]

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' = if (empty(existingTopic)) {
  name: topicName
  location: location
  tags: tags
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${deliveryIdentityId}': {} }
  }
  properties: {
    source: account.id
    topicType: 'Microsoft.Storage.StorageAccounts'
  }
}

output topicName string = topicName
output topicId string = resourceId('Microsoft.EventGrid/systemTopics', topicName)

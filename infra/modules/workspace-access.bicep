// What the hub and Event Grid need on the workspace; it may lie in another resource group.
param location string
param tags object
param workspaceName string
param hubId string
param appPrincipalId string
param deliveryIdentityId string

@description('The landing account, and those of its containers that jobs read or write: name of a datastore by container.')
param landingAccountName string
param landingResourceGroup string
param landingSubscriptionId string
param datastores object

@description('Name of a system topic that the workspace has already: Azure allows one. Empty: one is created.')
param existingTopic string

var roles = loadJsonContent('../roles.json')
var topicName = empty(existingTopic) ? 'evgt-${workspaceName}' : existingTopic

resource workspace 'Microsoft.MachineLearningServices/workspaces@2024-10-01' existing = {
  name: workspaceName
}

resource stores 'Microsoft.MachineLearningServices/workspaces/datastores@2024-10-01' = [
  for store in items(datastores): {
    parent: workspace
    name: store.value
    properties: {
      datastoreType: 'AzureBlob'
      description: 'Container ${store.key} of the landing account, for the jobs of hub ${hubId}.'
      accountName: landingAccountName
      containerName: store.key
      resourceGroup: landingResourceGroup
      subscriptionId: landingSubscriptionId
      endpoint: environment().suffixes.storage
      protocol: 'https'
      credentials: { credentialsType: 'None' }
    }
  }
]

resource appLaunches 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(workspace.id, appPrincipalId, roles.azureMLDataScientist.id)
  scope: workspace
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.azureMLDataScientist.id)
  }
}

resource appMeasures 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(workspace.id, appPrincipalId, roles.monitoringReader.id)
  scope: workspace
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.monitoringReader.id)
  }
}

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' = if (empty(existingTopic)) {
  name: topicName
  location: location
  tags: tags
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${deliveryIdentityId}': {} }
  }
  properties: {
    source: workspace.id
    topicType: 'Microsoft.MachineLearningServices.Workspaces'
  }
}

output topicName string = topicName
output topicId string = resourceId('Microsoft.EventGrid/systemTopics', topicName)

// Promotion: the hub may copy a model version into a registry that environments share.
param registryName string
param appPrincipalId string

var roles = loadJsonContent('../roles.json')

resource registry 'Microsoft.MachineLearningServices/registries@2024-10-01' existing = {
  name: registryName
}

resource appPromotes 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(registry.id, appPrincipalId, roles.azureMLRegistryUser.id)
  scope: registry
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.azureMLRegistryUser.id)
  }
}

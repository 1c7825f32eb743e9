// An identity each, so that none can do what another does: of the app, of Event Grid, of the cluster where one is made.
param location string
param tags object
param hubId string

@description('Whether a cluster is made that needs an identity.')
param withCompute bool

resource app 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: 'id-${hubId}-app'
  location: location
  tags: tags
}

resource delivery 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: 'id-${hubId}-delivery'
  location: location
  tags: tags
}

resource compute 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = if (withCompute) {
  name: 'id-${hubId}-compute'
  location: location
  tags: tags
}

output appId string = app.id
output appPrincipalId string = app.properties.principalId
output appClientId string = app.properties.clientId
output deliveryId string = delivery.id
output deliveryPrincipalId string = delivery.properties.principalId
output computeId string = withCompute ? compute.id : ''
output computePrincipalIds array = withCompute ? [compute!.properties.principalId] : []

// Two identities, so that what delivers events can do nothing else: one of the app, one of Event Grid.
param location string
param tags object
param hubId string

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

output appId string = app.id
output appPrincipalId string = app.properties.principalId
output appClientId string = app.properties.clientId
output deliveryId string = delivery.id
output deliveryPrincipalId string = delivery.properties.principalId

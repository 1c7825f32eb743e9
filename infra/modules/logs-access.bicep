// Queries of a team's own metrics: the hub may read the Log Analytics workspace that answers them.
param logsName string
param appPrincipalId string

var roles = loadJsonContent('../roles.json')

resource logs 'Microsoft.OperationalInsights/workspaces@2023-09-01' existing = {
  name: logsName
}

resource appQueries 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(logs.id, appPrincipalId, roles.logAnalyticsReader.id)
  scope: logs
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.logAnalyticsReader.id)
  }
}

output customerId string = logs.properties.customerId

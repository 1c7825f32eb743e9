// Before a release deploys, the hub asks whether the region's quota has room: Azure tells that on the subscription only.
targetScope = 'subscription'

param appPrincipalId string

// One for all hubs of a subscription: the same id, and a name that no other subscription of the tenant gives.
resource quotaReader 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(subscription().id, 'Azure ML Quota Reader')
  properties: {
    roleName: 'Azure ML Quota Reader ${uniqueString(subscription().id)}'
    description: 'Reads sizes and quotas of Azure Machine Learning, and nothing else.'
    type: 'CustomRole'
    permissions: [
      {
        actions: [
          'Microsoft.MachineLearningServices/locations/usages/read'
          'Microsoft.MachineLearningServices/locations/vmsizes/read'
        ]
        notActions: []
      }
    ]
    assignableScopes: [subscription().id]
  }
}

resource appReadsQuota 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(subscription().id, appPrincipalId, 'Azure ML Quota Reader')
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: quotaReader.id
  }
}

// The workspace's own account: the client uploads a job's code there; jobs read it, and leave models and reports there.
param accountName string
param appPrincipalId string

@description('Principal ids of the compute that trains and scores.')
param computePrincipalIds array

var roles = loadJsonContent('../roles.json')
// Batch deployments share out their files by tables and queues of this account.
var computeRoles = [
  roles.storageBlobDataContributor.id
  roles.storageQueueDataContributor.id
  roles.storageTableDataContributor.id
]
var computeGrants = flatten(map(computePrincipalIds, principal => map(computeRoles, role => {
  principal: principal
  role: role
})))

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {
  name: accountName
}

resource appUploads 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account.id, appPrincipalId, roles.storageBlobDataContributor.id)
  scope: account
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      roles.storageBlobDataContributor.id
    )
  }
}

resource computeWorks 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for grant in computeGrants: {
    // No hub's name in it: Azure refuses the same role for the same identity under a second name.
    name: guid(account.id, grant.principal, grant.role)
    scope: account
    properties: {
      principalId: grant.principal
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', grant.role)
    }
  }
]

// The function app on Flex Consumption: identity for everything, the settings that the code reads, optional sign-in.
param location string
param tags object
param name string
param hubId string
param identityId string
param identityClientId string
param storageAccountName string
param insightsConnectionString string

@description('Version of Python, as the package was built for.')
@allowed(['3.11', '3.12', '3.13'])
param pythonVersion string

@allowed([512, 2048, 4096])
param instanceMemoryMB int

@minValue(1)
@maxValue(1000)
param maximumInstanceCount int

@description('Instances that are always ready, such as { name: \'function:events_queue\', instanceCount: 1 }.')
param alwaysReady array

@description('Client id of the app registration for sign-in. Empty: no sign-in, named keys only.')
param authClientId string

@description('Settings beside those below: workspace, data accounts, prices, keys (hashed).')
param settings object

var blobUri = 'https://${storageAccountName}.blob.${environment().suffixes.storage}'
var queueUri = 'https://${storageAccountName}.queue.${environment().suffixes.storage}'
var tableUri = 'https://${storageAccountName}.table.${environment().suffixes.storage}'

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: 'plan-${hubId}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  properties: { reserved: true }
}

resource app 'Microsoft.Web/sites@2024-04-01' = {
  name: name
  location: location
  tags: union(tags, { 'azd-service-name': 'hub' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identityId}': {} }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    publicNetworkAccess: 'Enabled'
    keyVaultReferenceIdentity: identityId
    siteConfig: {
      minTlsVersion: '1.2'
      http20Enabled: true
    }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${blobUri}/app-package'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      runtime: { name: 'python', version: pythonVersion }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
        alwaysReady: alwaysReady
      }
    }
  }
}

resource appSettings 'Microsoft.Web/sites/config@2024-04-01' = {
  parent: app
  name: 'appsettings'
  properties: union(
    {
      APPLICATIONINSIGHTS_CONNECTION_STRING: insightsConnectionString
      APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
      AZURE_CLIENT_ID: identityClientId
      AzureWebJobsStorage__blobServiceUri: blobUri
      AzureWebJobsStorage__queueServiceUri: queueUri
      AzureWebJobsStorage__tableServiceUri: tableUri
      AzureWebJobsStorage__credential: 'managedidentity'
      AzureWebJobsStorage__clientId: identityClientId
      HUB_STORAGE__blobServiceUri: blobUri
      HUB_STORAGE__queueServiceUri: queueUri
      HUB_STORAGE__tableServiceUri: tableUri
      HUB_STORAGE__credential: 'managedidentity'
      HUB_STORAGE__clientId: identityClientId
      HUB_ID: hubId
      HUB_EVENTS_QUEUE: 'hub-events'
      HUB_WORK_QUEUE: 'hub-work'
    },
    empty(authClientId) ? {} : { OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID: identityClientId },
    settings
  )
}

resource noFtp 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = {
  parent: app
  name: 'ftp'
  properties: { allow: false }
}

resource noPublishingPassword 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = {
  parent: app
  name: 'scm'
  properties: { allow: false }
}

resource signIn 'Microsoft.Web/sites/config@2024-04-01' = if (!empty(authClientId)) {
  parent: app
  name: 'authsettingsV2'
  properties: {
    platform: { enabled: true, runtimeVersion: '~1' }
    // Health stays anonymous and machines bring named keys: who may do what is decided in one place, in the app.
    globalValidation: { requireAuthentication: false, unauthenticatedClientAction: 'AllowAnonymous' }
    httpSettings: { requireHttps: true }
    identityProviders: {
      azureActiveDirectory: {
        enabled: true
        registration: {
          clientId: authClientId
          clientSecretSettingName: 'OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID'
          openIdIssuer: '${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'
        }
        validation: { allowedAudiences: [authClientId, 'api://${authClientId}'] }
      }
    }
    login: { tokenStore: { enabled: false } }
  }
  dependsOn: [appSettings]
}

output id string = app.id
output hostName string = app.properties.defaultHostName

// The whole hub: its own resource group, and the least it needs on a workspace and a landing account, wherever they lie.
targetScope = 'subscription'

@description('Name of the environment, such as dev, test or prod.')
@minLength(1)
@maxLength(32)
param environmentName string

param location string

@description('Name of this hub: 1 to 16 lower-case letters and digits. Two hubs on one workspace need two names.')
@minLength(1)
@maxLength(16)
param hubId string = 'hub'

param resourceGroupName string = 'rg-${hubId}-${environmentName}'

@description('An Azure Machine Learning workspace that exists. Empty: one is created beside the hub.')
param workspaceName string = ''
param workspaceResourceGroup string = resourceGroupName
param workspaceSubscriptionId string = subscription().subscriptionId
param workspaceLocation string = location

@description('The storage account of that workspace, for the code and outputs of jobs. Needed where the workspace exists.')
param workspaceStorageAccountName string = ''
param workspaceStorageResourceGroup string = workspaceResourceGroup

@description('The cluster that is made where the workspace is: its name, as job files name it, its size and its most nodes.')
param computeName string = 'cpu-cluster'
param computeSize string = 'Standard_DS3_v2'
@minValue(1)
param computeMaxNodes int = 2

@description('A landing account that exists: where data drops arrive. Empty: one is created beside the hub.')
param landingAccountName string = ''
param landingResourceGroup string = resourceGroupName
param landingSubscriptionId string = subscription().subscriptionId
param landingLocation string = location

@description('Containers of the landing account that data drops into; created where the account is.')
param landingContainers array = ['landing', 'scoring']

@description('Containers of the landing account that jobs write results to.')
param outputContainers array = ['scored']

@description('Container of the landing account that deployments write to what they were asked: by their own identities.')
param collectContainer string = 'collected'

@description('Principal ids of the identities of training and scoring compute, beside the cluster that is made here.')
param computePrincipalIds array = []

@description('Whether these get their roles here. Azure refuses one that they have already under another name: then give the rest by hand.')
param grantCompute bool = true

@description('System topics that the landing account and the workspace have already: Azure allows one for each source.')
param existingLandingTopic string = ''
param existingWorkspaceTopic string = ''

@description('An Azure ML registry that models are promoted to. Empty: none.')
param registryName string = ''
param registryResourceGroup string = resourceGroupName
param registrySubscriptionId string = subscription().subscriptionId

@description('Other workspaces that models are promoted to: { workspaceName, storageAccountName, resourceGroup, subscriptionId } of each.')
param promotionTargets array = []

@description('Whether the hub may read the quota of the workspace\'s subscription, by a role of its own on it.')
param readQuota bool = true

@allowed(['3.11', '3.12', '3.13'])
param pythonVersion string = '3.13'

@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048

@minValue(1)
@maxValue(1000)
param maximumInstanceCount int = 40
param alwaysReady array = []
param storageSku string = 'Standard_ZRS'

@description('Days in which a seal of the audit can be neither changed nor deleted.')
param sealDays int = 365

@description('Whether somebody has locked the policy of the seals: Azure then refuses to set it again.')
param sealsLocked bool = false

@description('queue: nothing else needed. push and http: in a second deployment, once the app answers.')
@allowed(['queue', 'push', 'http'])
param delivery string = 'queue'

@description('Client id of an app registration with the app roles reader, operator, approver, publisher. Empty: no sign-in.')
param authClientId string = ''

@description('Named keys of machines, hashed: {"name": {"hash": "<SHA-256>", "roles": ["publisher"]}}. No key itself.')
param hashedKeys object = {}

@description('Prices of a compute hour for budgets: {"cpu-cluster": {"amount": 0.5, "currency": "USD"}}.')
param computePrices object = {}

@description('Where people are told, as HUB_CHANNELS of docs/deploying.md: {"ops": {"kind": "teams", "url-setting": "HUB_OPS_URL"}}.')
param channels object = {}

@description('App settings that are kept in a key vault, and their names there: { HUB_OPS_URL: \'ops-url\' }. No value itself.')
param vaultSettings object = {}

@description('The key vault of these settings; needed where there are any.')
param settingsVaultName string = ''
param settingsVaultResourceGroup string = ''
param settingsVaultSubscriptionId string = subscription().subscriptionId

@description('The Log Analytics workspace that answers the queries of automations. Empty: the hub\'s own.')
param logsWorkspaceName string = ''
param logsWorkspaceResourceGroup string = resourceGroupName
param logsWorkspaceSubscriptionId string = subscription().subscriptionId

@description('The address under which people reach the hub. Empty: the app\'s own.')
param publicUrl string = ''

@description('What part of the events that open nothing gets spans of its own, from 0 to 1.')
param telemetryEventShare string = '0.05'

@description('Gigabytes of telemetry a day, after which Azure keeps no more until the next.')
@minValue(1)
param telemetryDailyGb int = 1

@description('Further settings of docs/deploying.md, such as { HUB_RETENTION_DAYS: \'90\' }.')
param moreSettings object = {}

@description('Addresses that alerts go to.')
param alertEmails array = []

var tags = { 'azd-env-name': environmentName, hub: hubId }
var token = uniqueString(subscription().id, resourceGroupName, hubId)
var storageName = 'sthub${token}'
var appName = 'func-${hubId}-${token}'
var topicName = 'evgt-${hubId}-${token}'
var landingName = empty(landingAccountName) ? 'stdata${token}' : landingAccountName
var workspace = empty(workspaceName) ? 'mlw-${hubId}-${environmentName}' : workspaceName
var workspaceStorage = empty(workspaceName) ? 'stml${token}' : workspaceStorageAccountName
var dataContainer = '${hubId}-data'
// Names of a hub's own, so that two hubs on one workspace do not take each other's.
var datastores = toObject(
  union(landingContainers, outputContainers, [collectContainer]),
  container => container,
  container => '${hubId}_blobs_${replace(container, '-', '_')}'
)
var dataDatastore = '${hubId}_data'
var landingGroup = empty(landingAccountName) || empty(landingResourceGroup) ? resourceGroupName : landingResourceGroup
var landingSubscription = empty(landingAccountName) || empty(landingSubscriptionId)
  ? subscription().subscriptionId
  : landingSubscriptionId
var workspaceGroup = empty(workspaceName) || empty(workspaceResourceGroup) ? resourceGroupName : workspaceResourceGroup
var workspaceSubscription = empty(workspaceName) || empty(workspaceSubscriptionId)
  ? subscription().subscriptionId
  : workspaceSubscriptionId
// Azure looks a module's resource group up even where the module is not deployed: none of them may be empty.
var registryGroup = empty(registryResourceGroup) ? resourceGroupName : registryResourceGroup
var registrySubscription = empty(registrySubscriptionId) ? subscription().subscriptionId : registrySubscriptionId
var vaultGroup = empty(settingsVaultResourceGroup) ? resourceGroupName : settingsVaultResourceGroup
var workspaceStorageGroup = empty(workspaceName) || empty(workspaceStorageResourceGroup)
  ? workspaceGroup
  : workspaceStorageResourceGroup
var blobSuffix = environment().suffixes.storage

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: resourceGroupName
  location: location
  tags: tags
}

module identity 'modules/identity.bicep' = {
  scope: group
  params: { location: location, tags: tags, hubId: hubId, withCompute: empty(workspaceName) }
}

module hubStorage 'modules/hub-storage.bicep' = {
  scope: group
  params: {
    location: location
    tags: tags
    name: storageName
    sku: storageSku
    sealDays: sealDays
    sealsLocked: sealsLocked
    appPrincipalId: identity.outputs.appPrincipalId
    deliveryPrincipalId: identity.outputs.deliveryPrincipalId
  }
}

module monitoring 'modules/monitoring.bicep' = {
  scope: group
  params: {
    location: location
    tags: tags
    hubId: hubId
    appPrincipalId: identity.outputs.appPrincipalId
    dailyQuotaGb: telemetryDailyGb
  }
}

module landing 'modules/landing.bicep' = if (empty(landingAccountName)) {
  scope: group
  params: {
    location: location
    tags: tags
    name: landingName
    sku: storageSku
    containers: landingContainers
  }
}

module newWorkspace 'modules/workspace.bicep' = if (empty(workspaceName)) {
  scope: group
  params: {
    location: location
    tags: tags
    name: workspace
    storageName: workspaceStorage
    keyVaultName: 'kv-${token}'
    insightsId: monitoring.outputs.insightsId
    computeName: computeName
    computeSize: computeSize
    computeMaxNodes: computeMaxNodes
    computeIdentityId: identity.outputs.computeId
  }
}

module landingAccess 'modules/landing-access.bicep' = {
  scope: resourceGroup(landingSubscription, landingGroup)
  params: {
    location: empty(landingAccountName) || empty(landingLocation) ? location : landingLocation
    tags: tags
    accountName: landingName
    appPrincipalId: identity.outputs.appPrincipalId
    deliveryIdentityId: identity.outputs.deliveryId
    computePrincipalIds: union(grantCompute ? computePrincipalIds : [], identity.outputs.computePrincipalIds)
    dataContainer: dataContainer
    outputContainers: outputContainers
    collectContainer: collectContainer
    existingTopic: existingLandingTopic
  }
  dependsOn: [landing]
}

module workspaceAccess 'modules/workspace-access.bicep' = {
  scope: resourceGroup(workspaceSubscription, workspaceGroup)
  params: {
    location: empty(workspaceName) || empty(workspaceLocation) ? location : workspaceLocation
    tags: tags
    workspaceName: workspace
    hubId: hubId
    appPrincipalId: identity.outputs.appPrincipalId
    deliveryIdentityId: identity.outputs.deliveryId
    landingAccountName: landingName
    landingResourceGroup: landingGroup
    landingSubscriptionId: landingSubscription
    datastores: union(datastores, { '${dataContainer}': dataDatastore })
    existingTopic: existingWorkspaceTopic
  }
  dependsOn: [newWorkspace, landingAccess]
}

module workspaceStorageAccess 'modules/workspace-storage-access.bicep' = if (!empty(workspaceStorage)) {
  scope: resourceGroup(workspaceSubscription, workspaceStorageGroup)
  params: {
    accountName: workspaceStorage
    appPrincipalId: identity.outputs.appPrincipalId
    computePrincipalIds: union(grantCompute ? computePrincipalIds : [], identity.outputs.computePrincipalIds)
  }
  dependsOn: [newWorkspace]
}

module quotaAccess 'modules/quota-access.bicep' = if (readQuota) {
  scope: subscription(workspaceSubscription)
  params: {
    appPrincipalId: identity.outputs.appPrincipalId
  }
}

module registryAccess 'modules/registry-access.bicep' = if (!empty(registryName)) {
  scope: resourceGroup(registrySubscription, registryGroup)
  params: {
    registryName: registryName
    appPrincipalId: identity.outputs.appPrincipalId
  }
}

module promotionAccess 'modules/promotion-access.bicep' = [
  for (target, index) in promotionTargets: {
    name: 'promotion-${index}'
    scope: resourceGroup(target.subscriptionId, target.resourceGroup)
    params: {
      workspaceName: target.workspaceName
      accountName: target.storageAccountName
      appPrincipalId: identity.outputs.appPrincipalId
    }
  }
]

module vaultAccess 'modules/vault-access.bicep' = if (!empty(vaultSettings)) {
  scope: resourceGroup(settingsVaultSubscriptionId, vaultGroup)
  params: {
    vaultName: settingsVaultName
    appPrincipalId: identity.outputs.appPrincipalId
  }
}

module logsAccess 'modules/logs-access.bicep' = {
  scope: resourceGroup(logsWorkspaceSubscriptionId, empty(logsWorkspaceName) ? resourceGroupName : logsWorkspaceResourceGroup)
  params: {
    logsName: empty(logsWorkspaceName) ? 'log-${hubId}' : logsWorkspaceName
    appPrincipalId: identity.outputs.appPrincipalId
  }
  dependsOn: [monitoring]
}

module topic 'modules/topic.bicep' = {
  scope: group
  params: {
    location: location
    tags: tags
    name: topicName
    appPrincipalId: identity.outputs.appPrincipalId
    deliveryIdentityId: identity.outputs.deliveryId
  }
}

module app 'modules/app.bicep' = {
  scope: group
  params: {
    location: location
    tags: tags
    name: appName
    hubId: hubId
    identityId: identity.outputs.appId
    identityClientId: identity.outputs.appClientId
    storageAccountName: storageName
    insightsConnectionString: monitoring.outputs.connectionString
    pythonVersion: pythonVersion
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    alwaysReady: alwaysReady
    authClientId: authClientId
    settings: union(
      {
        AZURE_SUBSCRIPTION_ID: workspaceSubscription
        AZUREML_RESOURCE_GROUP: workspaceGroup
        AZUREML_WORKSPACE_NAME: workspace
        HUB_DATA_ACCOUNT: landingName
        HUB_DATA_CONTAINER: dataContainer
        HUB_DATA_DATASTORE: dataDatastore
        HUB_DATASTORES: string(datastores)
        HUB_DEPLOYMENT_VARIABLES: string({ COLLECT_TO: 'https://${landingName}.blob.${blobSuffix}/${collectContainer}' })
        HUB_SUBSCRIPTIONS: landingSubscription == workspaceSubscription ? '' : landingSubscription
        HUB_TOPIC_ENDPOINT: topic.outputs.endpoint
        HUB_PUBLIC_URL: publicUrl
        HUB_CHANNELS: string(channels)
        HUB_TELEMETRY_EVENTS: telemetryEventShare
        HUB_LOGS_WORKSPACE: logsAccess.outputs.customerId
        HUB_KEYS: string(hashedKeys)
        HUB_COMPUTE_PRICES: string(computePrices)
        'HUB_ACCOUNT_${toUpper(landingName)}__blobServiceUri': 'https://${landingName}.blob.${blobSuffix}'
        'HUB_ACCOUNT_${toUpper(landingName)}__credential': 'managedidentity'
        'HUB_ACCOUNT_${toUpper(landingName)}__clientId': identity.outputs.appClientId
      },
      empty(workspaceStorage)
        ? {}
        : {
            'HUB_ACCOUNT_${toUpper(workspaceStorage)}__blobServiceUri': 'https://${workspaceStorage}.blob.${blobSuffix}'
            'HUB_ACCOUNT_${toUpper(workspaceStorage)}__credential': 'managedidentity'
            'HUB_ACCOUNT_${toUpper(workspaceStorage)}__clientId': identity.outputs.appClientId
          },
      toObject(
        flatten(
          map(promotionTargets, target => [
            {
              name: 'HUB_ACCOUNT_${toUpper(target.storageAccountName)}__blobServiceUri'
              value: 'https://${target.storageAccountName}.blob.${blobSuffix}'
            }
            { name: 'HUB_ACCOUNT_${toUpper(target.storageAccountName)}__credential', value: 'managedidentity' }
            {
              name: 'HUB_ACCOUNT_${toUpper(target.storageAccountName)}__clientId'
              value: identity.outputs.appClientId
            }
          ])
        ),
        one => one.name,
        one => one.value
      ),
      toObject(
        items(vaultSettings),
        one => one.key,
        one => '@Microsoft.KeyVault(VaultName=${settingsVaultName};SecretName=${one.value})'
      ),
      moreSettings
    )
  }
  dependsOn: [hubStorage]
}

module landingSubscriptions 'modules/subscriptions.bicep' = {
  scope: resourceGroup(landingSubscription, landingGroup)
  params: {
    topic: 'storage'
    topicName: landingAccess.outputs.topicName
    hubId: hubId
    hubStorageId: hubStorage.outputs.id
    dataContainer: dataContainer
    deliveryIdentityId: identity.outputs.deliveryId
    delivery: delivery
    functionAppId: app.outputs.id
    hostName: app.outputs.hostName
    authClientId: authClientId
  }
}

module workspaceSubscriptions 'modules/subscriptions.bicep' = {
  scope: resourceGroup(workspaceSubscription, workspaceGroup)
  params: {
    topic: 'workspace'
    topicName: workspaceAccess.outputs.topicName
    hubId: hubId
    hubStorageId: hubStorage.outputs.id
    dataContainer: dataContainer
    deliveryIdentityId: identity.outputs.deliveryId
    delivery: delivery
    functionAppId: app.outputs.id
    hostName: app.outputs.hostName
    authClientId: authClientId
  }
}

module hubSubscriptions 'modules/subscriptions.bicep' = {
  scope: group
  params: {
    topic: 'hub'
    topicName: topic.outputs.topicName
    hubId: hubId
    hubStorageId: hubStorage.outputs.id
    dataContainer: dataContainer
    deliveryIdentityId: identity.outputs.deliveryId
    delivery: delivery
    functionAppId: app.outputs.id
    hostName: app.outputs.hostName
    authClientId: authClientId
  }
}

module alerts 'modules/alerts.bicep' = {
  scope: group
  params: {
    location: location
    tags: tags
    hubId: hubId
    insightsId: monitoring.outputs.insightsId
    hubStorageId: hubStorage.outputs.id
    hubTopicName: topic.outputs.topicName
    landingTopicId: landingAccess.outputs.topicId
    workspaceTopicId: workspaceAccess.outputs.topicId
    emails: alertEmails
  }
}

output AZURE_RESOURCE_GROUP string = group.name
output AZURE_FUNCTION_APP string = appName
output HUB_URL string = 'https://${app.outputs.hostName}'
output EVENTGRID_TOPIC_ENDPOINT string = topic.outputs.endpoint
// Not by the names that main.bicepparam reads: azd would take them for what somebody set.
output HUB_DATA_ACCOUNT string = landingName
output HUB_WORKSPACE string = workspace
output HUB_WORKSPACE_GROUP string = workspaceGroup
output HUB_WORKSPACE_ACCOUNT string = workspaceStorage

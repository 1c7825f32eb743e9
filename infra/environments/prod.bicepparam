// Production: zone redundant, one instance always ready for events, seals kept a year, people told.
using '../main.bicep'

param environmentName = 'prod'
param location = 'westeurope'
param workspaceName = 'mlw-prod'
param workspaceResourceGroup = 'rg-ml-prod'
param workspaceStorageAccountName = 'stmlprod'
// With it computePrincipalIds: the identity of its cluster, or jobs cannot read their code (docs/deploying.md).
param landingAccountName = 'stlandingprod'
param landingResourceGroup = 'rg-data-prod'
param registryName = 'mlr-shared'
param registryResourceGroup = 'rg-ml-shared'
param maximumInstanceCount = 100
param alwaysReady = [{ name: 'function:events_queue', instanceCount: 1 }]
param sealDays = 365
param alertEmails = ['mlops@example.com']

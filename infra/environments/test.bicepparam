// Test: like production in all but size; models come from the shared registry.
using '../main.bicep'

param environmentName = 'test'
param location = 'westeurope'
param workspaceName = 'mlw-test'
param workspaceResourceGroup = 'rg-ml-test'
param workspaceStorageAccountName = 'stmltest'
param landingAccountName = 'stlandingtest'
param landingResourceGroup = 'rg-data-test'
param registryName = 'mlr-shared'
param registryResourceGroup = 'rg-ml-shared'
param maximumInstanceCount = 20
param sealDays = 7

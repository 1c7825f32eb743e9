// Test: like production in all but size; models come from the shared registry.
using '../main.bicep'

param environmentName = 'test'
param location = 'westeurope'
param workspaceName = 'mlw-test'
param workspaceResourceGroup = 'rg-ml-test'
param workspaceStorageAccountName = 'stmltest'
// With it computePrincipalIds: the identity of its cluster, or jobs cannot read their code (docs/deploying.md).
param landingAccountName = 'stlandingtest'
param landingResourceGroup = 'rg-data-test'
param registryName = 'mlr-shared'
param registryResourceGroup = 'rg-ml-shared'
param maximumInstanceCount = 40
param sealDays = 7

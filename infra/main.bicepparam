// What `azd up` deploys: names come from the azd environment.
using './main.bicep'

param environmentName = readEnvironmentVariable('AZURE_ENV_NAME', 'dev')
param location = readEnvironmentVariable('AZURE_LOCATION', 'westeurope')
param hubId = readEnvironmentVariable('HUB_ID', 'hub')
param workspaceName = readEnvironmentVariable('AZUREML_WORKSPACE_NAME', '')
param workspaceResourceGroup = readEnvironmentVariable('AZUREML_RESOURCE_GROUP', '')
param workspaceStorageAccountName = readEnvironmentVariable('AZUREML_STORAGE_ACCOUNT', '')
param landingAccountName = readEnvironmentVariable('LANDING_ACCOUNT', '')
param landingResourceGroup = readEnvironmentVariable('LANDING_RESOURCE_GROUP', '')

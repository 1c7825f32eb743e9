// Development: the smallest; a workspace and a landing account of its own.
using '../main.bicep'

param environmentName = 'dev'
param location = 'westeurope'
param instanceMemoryMB = 2048
param maximumInstanceCount = 40
param storageSku = 'Standard_LRS'
param sealDays = 1

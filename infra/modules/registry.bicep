// Where the images are.
param location string
param tags object
param token string
param workspaceId string

@description('Who pulls images: principal ids.')
param pullers array

var acrPull = '7f951dda-4ed3-4680-a7ca-43fe172d538d' // AcrPull

resource registry 'Microsoft.ContainerRegistry/registries@2025-04-01' = {
  name: 'cr${token}'
  location: location
  tags: tags
  sku: { name: 'Basic' }
  properties: { adminUserEnabled: false, anonymousPullEnabled: false }
}

resource pulls 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for puller in pullers: {
  name: guid(registry.id, puller, acrPull)
  scope: registry
  properties: {
    principalId: puller
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', acrPull)
    description: 'Its containers are started from images of this registry.'
  }
}]

resource told 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'told'
  scope: registry
  properties: {
    workspaceId: workspaceId
    logs: [{ categoryGroup: 'audit', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

output server string = registry.properties.loginServer

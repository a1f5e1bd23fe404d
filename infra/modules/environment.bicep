// Where containers run: the bot and the jobs on shared processors, training on a GPU that is billed while it works.
param location string
param tags object
param token string
param workspaceId string
param subnetId string
param shareServer string
param sharePath string

@description('Profile with GPUs; empty: none.')
param gpuProfile string

var profiles = [{ name: 'Consumption', workloadProfileType: 'Consumption' }]
var withGpu = empty(gpuProfile) ? profiles : concat(profiles, [{ name: 'gpu', workloadProfileType: gpuProfile }])

resource environment 'Microsoft.App/managedEnvironments@2025-01-01' = {
  name: 'cae-${token}'
  location: location
  tags: tags
  properties: {
    appLogsConfiguration: { destination: 'azure-monitor' } // the setting below says where to: no key of the workspace
    vnetConfiguration: { infrastructureSubnetId: subnetId, internal: false } // channels come from outside
    workloadProfiles: withGpu
    zoneRedundant: false
    peerTrafficConfiguration: { encryption: { enabled: true } }
  }
}

resource data 'Microsoft.App/managedEnvironments/storages@2025-01-01' = {
  parent: environment
  name: 'data'
  properties: { nfsAzureFile: { server: shareServer, shareName: sharePath, accessMode: 'ReadWrite' } }
}

resource told 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'told'
  scope: environment
  properties: {
    workspaceId: workspaceId
    logs: [
      { category: 'ContainerAppConsoleLogs', enabled: true }
      { category: 'ContainerAppSystemLogs', enabled: true }
    ]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

output id string = environment.id
output domain string = environment.properties.defaultDomain

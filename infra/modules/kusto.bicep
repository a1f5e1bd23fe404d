// Data Explorer: the events of months, for patterns and anomalies. Tables and update policies are a script's.
param location string
param tags object
param token string
param workspaceId string
param jobsClientId string

@description('The smallest one has no SLA, and stops by itself when nobody asks.')
param skuName string = 'Dev(No SLA)_Standard_E2a_v4'

@description('How long events are kept, as privacy allows; Data Explorer deletes whole extents, a little later.')
param keepDays int = 730

resource cluster 'Microsoft.Kusto/clusters@2024-04-13' = {
  name: 'adx${token}'
  location: location
  tags: tags
  sku: {
    name: skuName
    tier: startsWith(skuName, 'Dev') ? 'Basic' : 'Standard'
    capacity: startsWith(skuName, 'Dev') ? 1 : 2
  }
  properties: {
    enableAutoStop: true
    enableDiskEncryption: true
    enablePurge: true // a person's data can be deleted, see docs/privacy.md
    enableStreamingIngest: true
  }
}

resource database 'Microsoft.Kusto/clusters/databases@2024-04-13' = {
  parent: cluster
  name: 'askpage'
  location: location
  kind: 'ReadWrite'
  properties: { softDeletePeriod: 'P${keepDays}D', hotCachePeriod: 'P92D' }
}

resource tables 'Microsoft.Kusto/clusters/databases/scripts@2024-04-13' = {
  parent: database
  name: 'tables'
  properties: {
    scriptContent: loadTextContent('../kql/adx/tables.kql')
    continueOnErrors: false
    forceUpdateTag: uniqueString(loadTextContent('../kql/adx/tables.kql'))
  }
}

// A job puts events in; it neither reads them nor changes tables.
resource ingests 'Microsoft.Kusto/clusters/databases/principalAssignments@2024-04-13' = {
  parent: database
  name: 'jobs-${uniqueString(jobsClientId)}'
  properties: {
    principalId: jobsClientId
    principalType: 'App'
    role: 'Ingestor'
    tenantId: tenant().tenantId
  }
  dependsOn: [tables]
}

resource told 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'told'
  scope: cluster
  properties: {
    workspaceId: workspaceId
    logs: [
      { category: 'FailedIngestion', enabled: true }
      { category: 'Command', enabled: true }
    ]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

output uri string = cluster.properties.uri

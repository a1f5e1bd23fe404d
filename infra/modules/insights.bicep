// Where telemetry goes: Application Insights on Log Analytics.
param location string
param tags object
param token string

@description('How long telemetry is kept, days; the queries look back 90 days at most.')
param keepDays int = 90

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-02-01' = {
  name: 'log-${token}'
  location: location
  tags: tags
  properties: {
    sku: { name: 'PerGB2018' }
    retentionInDays: keepDays
    features: { enableLogAccessUsingOnlyResourcePermissions: true }
  }
}

// Sampling stays off (100 %): the queries count events. The exporters know ingestion by key alone, so local
// authentication stays on.
resource component 'Microsoft.Insights/components@2020-02-02' = {
  name: 'appi-${token}'
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspace.id
    IngestionMode: 'LogAnalytics'
    SamplingPercentage: 100
    RetentionInDays: keepDays
    DisableIpMasking: false
  }
}

output workspaceId string = workspace.id
output componentId string = component.id
output componentName string = component.name

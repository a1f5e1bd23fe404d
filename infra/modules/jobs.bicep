// Scheduled work, what a runbook starts, and training on a GPU: Container Apps jobs on the bot's data.
param location string
param tags object
param environmentId string
param image string

@description('Image with CUDA and the training packages; empty: no training job.')
param trainingImage string
param registryServer string

@description('Identity of the jobs: { id, clientId, principalId }.')
param identity object
param vaultUri string

@description('What carries telemetry, as the setting has it.')
param telemetry string
param cosmosEndpoint string
param pages string

@description('Address of the Data Explorer cluster; empty: there is none, and its job sends nothing.')
param dataExplorerUri string

@description('Which sources behind a sign-in have their tokens in the vault, and whom their groups mean.')
param withGitTokens bool
param withConfluenceTokens bool
param confluenceGroups string
param sharePointClientId string
param sharePointGroups string
param withNotionToken bool

// The bot's own schedule has these switched off (app.bicep); jobs that send something to channels run beside the bot,
// which is who they send as. Times are UTC. `lateHours`: the caretaker starts a job that has not succeeded for so long.
var scheduled = [
  { name: 'roll-up-metrics', args: ['jobs', 'run', 'roll_up_metrics'], cron: '35 * * * *', lateHours: 3 }
  { name: 'apply-retention', args: ['jobs', 'run', 'apply_retention'], cron: '15 3 * * *', lateHours: 26 }
  { name: 'refresh-pages', args: ['jobs', 'run', 'refresh_pages'], cron: '20 * * * *', lateHours: 3 }
  { name: 'send-to-data-explorer', args: ['jobs', 'run', 'send_to_data_explorer'], cron: '50 * * * *', lateHours: 3 }
]

// Nothing starts these by itself.
var onDemand = [
  { name: 'roll-back-model', args: ['models', 'rollback'] }
]

var gitSecrets = withGitTokens ? [
  { name: 'git-tokens', keyVaultUrl: '${vaultUri}secrets/git-tokens', identity: identity.id }
] : []
var gitSettings = withGitTokens ? [
  { name: 'ASKPAGE_GIT_TOKENS', secretRef: 'git-tokens' }
] : []
var confluenceSecrets = withConfluenceTokens ? [
  { name: 'confluence-tokens', keyVaultUrl: '${vaultUri}secrets/confluence-tokens', identity: identity.id }
] : []
var confluenceSettings = withConfluenceTokens ? [
  { name: 'ASKPAGE_CONFLUENCE_TOKENS', secretRef: 'confluence-tokens' }
  { name: 'ASKPAGE_CONFLUENCE_GROUPS', value: confluenceGroups }
] : []
var notionSecrets = withNotionToken ? [
  { name: 'notion-token', keyVaultUrl: '${vaultUri}secrets/notion-token', identity: identity.id }
] : []
var notionSettings = withNotionToken ? [
  { name: 'ASKPAGE_NOTION_TOKEN', secretRef: 'notion-token' }
] : []
var sharePointSecrets = empty(sharePointClientId) ? [] : [
  { name: 'sharepoint-client-secret', keyVaultUrl: '${vaultUri}secrets/sharepoint-client-secret', identity: identity.id }
]
var sharePointSettings = empty(sharePointClientId) ? [] : [
  { name: 'ASKPAGE_SHAREPOINT_TENANT_ID', value: tenant().tenantId }
  { name: 'ASKPAGE_SHAREPOINT_CLIENT_ID', value: sharePointClientId }
  { name: 'ASKPAGE_SHAREPOINT_CLIENT_SECRET', secretRef: 'sharepoint-client-secret' }
  { name: 'ASKPAGE_SHAREPOINT_GROUPS', value: sharePointGroups }
]
var settings = concat(gitSettings, confluenceSettings, notionSettings, sharePointSettings, [
  { name: 'ASKPAGE_DATA_DIR', value: '/data' }
  { name: 'ASKPAGE_PAGES', value: pages }
  { name: 'ASKPAGE_COSMOS_ENDPOINT', value: cosmosEndpoint }
  { name: 'ASKPAGE_COSMOS_DATABASE', value: 'askpage' }
  { name: 'ASKPAGE_COSMOS_CONTAINER', value: 'records' }
  { name: 'ASKPAGE_PAGE_INDEX', value: 'cosmos' }
  { name: 'ASKPAGE_COSMOS_PAGES_CONTAINER', value: 'pages' }
  { name: 'ASKPAGE_DATA_EXPLORER_URI', value: dataExplorerUri }
  { name: 'ASKPAGE_DATA_EXPLORER_DATABASE', value: 'askpage' }
  { name: 'ASKPAGE_TELEMETRY', value: telemetry }
  { name: 'ASKPAGE_APPLICATIONINSIGHTS_CONNECTION_STRING', secretRef: 'insights-connection' }
  { name: 'ASKPAGE_PSEUDONYM_KEY', secretRef: 'pseudonym-key' }
  { name: 'AZURE_CLIENT_ID', value: identity.clientId }
])
var secrets = concat(gitSecrets, confluenceSecrets, notionSecrets, sharePointSecrets, [
  { name: 'pseudonym-key', keyVaultUrl: '${vaultUri}secrets/pseudonym-key', identity: identity.id }
  { name: 'insights-connection', keyVaultUrl: '${vaultUri}secrets/insights-connection', identity: identity.id }
])
var volumes = [
  { name: 'data', storageType: 'NfsAzureFile', storageName: 'data' }
  { name: 'tmp', storageType: 'EmptyDir' }
]
var mounts = [
  { volumeName: 'data', mountPath: '/data' }
  { volumeName: 'tmp', mountPath: '/tmp' }
]

resource timed 'Microsoft.App/jobs@2025-01-01' = [for job in scheduled: {
  name: job.name
  location: location
  tags: tags
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${identity.id}': {} } }
  properties: {
    environmentId: environmentId
    workloadProfileName: 'Consumption'
    configuration: {
      triggerType: 'Schedule'
      scheduleTriggerConfig: { cronExpression: job.cron, parallelism: 1, replicaCompletionCount: 1 }
      replicaTimeout: 3600
      replicaRetryLimit: 2
      registries: [{ server: registryServer, identity: identity.id }]
      secrets: secrets
    }
    template: {
      volumes: volumes
      containers: [
        {
          name: 'job'
          image: image
          args: job.args
          env: settings
          resources: { cpu: json('1.0'), memory: '2Gi' }
          volumeMounts: mounts
        }
      ]
    }
  }
}]

resource asked 'Microsoft.App/jobs@2025-01-01' = [for job in onDemand: {
  name: job.name
  location: location
  tags: tags
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${identity.id}': {} } }
  properties: {
    environmentId: environmentId
    workloadProfileName: 'Consumption'
    configuration: {
      triggerType: 'Manual'
      manualTriggerConfig: { parallelism: 1, replicaCompletionCount: 1 }
      replicaTimeout: 900
      replicaRetryLimit: 0 // a second roll back would take back one step more
      registries: [{ server: registryServer, identity: identity.id }]
      secrets: secrets
    }
    template: {
      volumes: volumes
      containers: [
        {
          name: 'job'
          image: image
          args: job.args
          env: settings
          resources: { cpu: json('1.0'), memory: '2Gi' }
          volumeMounts: mounts
        }
      ]
    }
  }
}]

// Trains on what is reviewed, compares the candidate with the live version, and makes it the canary if it is better.
resource training 'Microsoft.App/jobs@2025-01-01' = if (!empty(trainingImage)) {
  name: 'update-model'
  location: location
  tags: tags
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${identity.id}': {} } }
  properties: {
    environmentId: environmentId
    workloadProfileName: 'gpu'
    configuration: {
      triggerType: 'Manual'
      manualTriggerConfig: { parallelism: 1, replicaCompletionCount: 1 }
      replicaTimeout: 21600
      replicaRetryLimit: 1 // started again, it goes on where it was
      registries: [{ server: registryServer, identity: identity.id }]
      secrets: secrets
    }
    template: {
      volumes: volumes
      containers: [
        {
          name: 'job'
          image: trainingImage
          args: ['jobs', 'run', 'update_model']
          env: concat(settings, [
            { name: 'ASKPAGE_DEVICE', value: 'cuda' }
            { name: 'ASKPAGE_TRAINING_AT_ONCE', value: '1' }
            { name: 'ASKPAGE_TRAINING_CHECKPOINTING', value: 'true' }
            { name: 'ASKPAGE_TRACKING_URI', value: 'off' }
          ])
          resources: { cpu: json('8.0'), memory: '56Gi' }
          volumeMounts: mounts
        }
      ]
    }
  }
}

@description('What the caretaker watches: job=hours, comma-separated.')
output watched string = join(map(scheduled, job => '${job.name}=${job.lateHours}'), ',')

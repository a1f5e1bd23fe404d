// The bot: one container that listens, with the data folder mounted.
param location string
param tags object
param environmentId string

@description('Domain of the environment, of which the address of the bot is made.')
param domain string
param image string

@description('Whether that image is the placeholder of a first deployment. Where it should listen it reads from its environment.')
param isPlaceholder bool
param registryServer string

@description('Identity of the bot: { id, clientId, principalId }.')
param identity object
param appType string
param appId string
param vaultUri string

@description('What carries telemetry, as the setting has it.')
param telemetry string
param cosmosEndpoint string
param pages string
param reviewers string

@description('Address of the model servers; empty: the bot has its own model.')
param modelUrl string

@description('Settings of Slack; without workspaces there is no Slack.')
param slackTeams string
param slackReviewChannel string
param slackReviewers string

@description('Which sources behind a sign-in have their tokens in the vault, and whom their groups mean.')
param withGitTokens bool
param withConfluenceTokens bool
param confluenceGroups string
param sharePointClientId string
param sharePointGroups string
param withNotionToken bool

@description('Bots that answer together. One keeps everything that waits in one place; see docs/azure.md before more.')
param replicas int = 1

var name = 'askpage'
var url = 'https://${name}.${domain}'
var passwordSecret = appType == 'UserAssignedMSI' ? [] : [
  { name: 'app-password', keyVaultUrl: '${vaultUri}secrets/app-password', identity: identity.id }
]
var passwordSetting = appType == 'UserAssignedMSI' ? [] : [
  { name: 'ASKPAGE_APP_PASSWORD', secretRef: 'app-password' }
]
var modelSecrets = empty(modelUrl) ? [] : [
  { name: 'model-server-key', keyVaultUrl: '${vaultUri}secrets/model-server-key', identity: identity.id }
]
var modelSettings = empty(modelUrl) ? [] : [
  { name: 'ASKPAGE_MODEL_URL', value: modelUrl }
  { name: 'ASKPAGE_MODEL_URL_KEY', secretRef: 'model-server-key' }
]
var slackSecrets = empty(slackTeams) ? [] : [
  { name: 'slack-signing-secret', keyVaultUrl: '${vaultUri}secrets/slack-signing-secret', identity: identity.id }
  { name: 'slack-bot-token', keyVaultUrl: '${vaultUri}secrets/slack-bot-token', identity: identity.id }
]
var slackSettings = empty(slackTeams) ? [] : [
  { name: 'ASKPAGE_SLACK_SIGNING_SECRET', secretRef: 'slack-signing-secret' }
  { name: 'ASKPAGE_SLACK_BOT_TOKEN', secretRef: 'slack-bot-token' }
  { name: 'ASKPAGE_SLACK_TEAMS', value: slackTeams }
  { name: 'ASKPAGE_SLACK_REVIEW_CHANNEL', value: slackReviewChannel }
  { name: 'ASKPAGE_SLACK_REVIEWERS', value: slackReviewers }
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

resource app 'Microsoft.App/containerApps@2025-01-01' = {
  name: name
  location: location
  tags: union(tags, { 'azd-service-name': 'bot' })
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${identity.id}': {} } }
  properties: {
    environmentId: environmentId
    workloadProfileName: 'Consumption'
    configuration: {
      activeRevisionsMode: 'Single'
      maxInactiveRevisions: 5
      ingress: { external: true, targetPort: 3978, transport: 'auto', allowInsecure: false }
      registries: [{ server: registryServer, identity: identity.id }]
      secrets: concat(passwordSecret, modelSecrets, slackSecrets, gitSecrets, confluenceSecrets, notionSecrets, sharePointSecrets, [
        { name: 'pseudonym-key', keyVaultUrl: '${vaultUri}secrets/pseudonym-key', identity: identity.id }
        { name: 'insights-connection', keyVaultUrl: '${vaultUri}secrets/insights-connection', identity: identity.id }
      ])
    }
    template: {
      terminationGracePeriodSeconds: 40 // drain_timeout_s is 20
      scale: { minReplicas: replicas, maxReplicas: replicas }
      volumes: [
        { name: 'data', storageType: 'NfsAzureFile', storageName: 'data' }
        { name: 'tmp', storageType: 'EmptyDir' }
      ]
      initContainers: [
        {
          // A new share belongs to root; the bot is another user. This is the only step as root, and sees the share only.
          name: 'give-data'
          image: 'mcr.microsoft.com/azurelinux/base/core:3.0'
          command: ['/bin/sh', '-c', 'chown 10001:10001 /data']
          resources: { cpu: json('0.25'), memory: '0.5Gi' }
          volumeMounts: [{ volumeName: 'data', mountPath: '/data' }]
        }
      ]
      containers: [
        {
          name: 'bot'
          image: image
          resources: { cpu: json('2.0'), memory: '4Gi' }
          volumeMounts: [
            { volumeName: 'data', mountPath: '/data' }
            { volumeName: 'tmp', mountPath: '/tmp' }
          ]
          probes: [
            { type: 'Startup', httpGet: { path: '/healthz', port: 3978 }, periodSeconds: 60, failureThreshold: 10 }
            { type: 'Liveness', httpGet: { path: '/healthz', port: 3978 }, periodSeconds: 20, failureThreshold: 3 }
            { type: 'Readiness', httpGet: { path: isPlaceholder ? '/healthz' : '/readyz', port: 3978 }, periodSeconds: 10, failureThreshold: 3 }
          ]
          env: concat(passwordSetting, modelSettings, slackSettings, gitSettings, confluenceSettings, notionSettings, sharePointSettings, [
            { name: 'ASPNETCORE_HTTP_PORTS', value: '3978' } // read by the placeholder alone
            { name: 'ASKPAGE_DATA_DIR', value: '/data' }
            { name: 'ASKPAGE_HOST', value: '0.0.0.0' }
            { name: 'ASKPAGE_PORT', value: '3978' }
            { name: 'ASKPAGE_PUBLIC_URL', value: url }
            { name: 'ASKPAGE_LOCAL_PAGE', value: 'false' }
            { name: 'ASKPAGE_SITE_FOR_EVERYONE', value: 'false' }
            { name: 'ASKPAGE_PAGES', value: pages }
            { name: 'ASKPAGE_APP_ID', value: appId }
            { name: 'ASKPAGE_APP_TYPE', value: appType }
            { name: 'ASKPAGE_APP_TENANT_ID', value: tenant().tenantId }
            { name: 'ASKPAGE_REVIEWERS', value: reviewers }
            { name: 'ASKPAGE_COSMOS_ENDPOINT', value: cosmosEndpoint }
            { name: 'ASKPAGE_COSMOS_DATABASE', value: 'askpage' }
            { name: 'ASKPAGE_COSMOS_CONTAINER', value: 'records' }
            { name: 'ASKPAGE_PAGE_INDEX', value: 'cosmos' }
            { name: 'ASKPAGE_COSMOS_PAGES_CONTAINER', value: 'pages' }
            { name: 'ASKPAGE_SCHEDULE_ROLL_UP_METRICS', value: '' } // jobs.bicep does these four
            { name: 'ASKPAGE_SCHEDULE_APPLY_RETENTION', value: '' }
            { name: 'ASKPAGE_SCHEDULE_REFRESH_PAGES', value: '' }
            { name: 'ASKPAGE_SCHEDULE_SEND_TO_DATA_EXPLORER', value: '' }
            { name: 'ASKPAGE_SCHEDULE_UPDATE_MODEL', value: '' } // on a GPU, started by the caretaker
            { name: 'ASKPAGE_DEVICE', value: 'cpu' }
            { name: 'ASKPAGE_TELEMETRY', value: telemetry }
            { name: 'ASKPAGE_APPLICATIONINSIGHTS_CONNECTION_STRING', secretRef: 'insights-connection' }
            { name: 'ASKPAGE_PSEUDONYM_KEY', secretRef: 'pseudonym-key' }
            { name: 'AZURE_CLIENT_ID', value: identity.clientId } // which identity Microsoft's libraries take
          ])
        }
      ]
    }
  }
}

output name string = app.name
output url string = url

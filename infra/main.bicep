// askpage on Azure: everything that docs/azure.md describes, in one resource group.
//
// Run as: azd up (azure.yaml), or az deployment sub create --location REGION --template-file infra/main.bicep --parameters …
//
// No secret is an output or a value in a parameters file. Identities hold the roles of docs/azure.md, each given where
// its resource is made, with the reason.
targetScope = 'subscription'

@minLength(1)
@maxLength(20)
@description('Name of this installation; the names of its resources are made of it.')
param environmentName string

@minLength(1)
@description('Region of everything but the bot registration, which is global. Training needs one with GPUs in Container Apps.')
param location string

@description('Image of the bot, for deployments without azd. Empty: the one that it runs, else a placeholder.')
param botImage string = ''

@description('Whether the bot was deployed before; azd sets it.')
param botExists bool = false

@description('Image for training, made of infra/docker/Dockerfile.cuda. Empty: no training job and no GPU.')
param trainingImage string = ''

@description('Image for model servers with a GPU, made of infra/docker/Dockerfile.cuda. Empty: the bot has its own model.')
param modelImage string = ''

@description('Model servers at least.')
@minValue(0)
param modelReplicas int = 1

@description('Model servers at most.')
@minValue(1)
param modelMostReplicas int = 4

@secure()
@description('Key that the bot shows the model servers; 24 characters or more.')
param modelServerKey string = ''

@description('GPU profile for training and for model servers.')
@allowed([
  'Consumption-GPU-NC8as-T4'
  'Consumption-GPU-NC24-A100'
])
param gpuProfile string = 'Consumption-GPU-NC8as-T4'

@description('How the bot is registered: with the identity of the bot (no password), or with an app of yours.')
@allowed([
  'UserAssignedMSI'
  'SingleTenant'
])
param appType string = 'UserAssignedMSI'

@description('App id for SingleTenant.')
param appId string = ''

@secure()
@description('Client secret of that app.')
param appPassword string = ''

@description('Sources of pages, comma-separated, as the setting pages has them.')
param pages string = 'docs'

@description('Who may review: Entra object ids, comma-separated, as the setting reviewers has them.')
param reviewers string = ''

@description('Who is told of alerts.')
param alertEmail string

@description('What carries telemetry to Application Insights, as the setting telemetry has it; see docs/telemetry.md.')
@allowed([
  'appinsights'
  'azuremonitor'
])
param telemetry string = 'appinsights'

@description('Deploy Data Explorer, for patterns over months. It costs by the hour, asked or not.')
param withDataExplorer bool = true

@description('Workspaces that may use the bot in Slack, comma-separated, as the setting slack_teams has them. Empty: no Slack.')
param slackTeams string = ''

@description('Channel of Slack where reviewers see cards, as the setting slack_review_channel has it.')
param slackReviewChannel string = ''

@description('Who may review in Slack, comma-separated, as the setting slack_reviewers has them.')
param slackReviewers string = ''

@secure()
@description('Signing secret of the Slack app.')
param slackSigningSecret string = ''

@secure()
@description('Token of the bot in the one workspace where it is installed.')
param slackBotToken string = ''

@secure()
@description('Tokens of Git hosts for sources git+https://…, as the setting git_tokens has them. Empty: none.')
param gitTokens string = ''

@secure()
@description('Tokens for sources confluence+https://…, as the setting confluence_tokens has them. Empty: none.')
param confluenceTokens string = ''

@description('Groups of Confluence and whom they mean, as the setting confluence_groups has them.')
param confluenceGroups string = ''

@description('The app that reads SharePoint and OneDrive, as the setting sharepoint_client_id has it. Empty: none.')
param sharePointClientId string = ''

@secure()
@description('Client secret of that app.')
param sharePointClientSecret string = ''

@description('Groups of SharePoint and whom they mean, as the setting sharepoint_groups has them.')
param sharePointGroups string = ''

@secure()
@description('Secret of the integration for sources notion+https://…, as the setting notion_token has it. Empty: none.')
param notionToken string = ''

@description('Connect Slack through Azure Bot Service instead; see docs/azure.md before.')
param slack object = {}

@secure()
@description('Client secret, signing secret and verification token of the Slack app.')
param slackSecrets object = {}

@description('When schedules begin: tomorrow, by default.')
param schedulesFrom string = dateTimeAdd(utcNow('yyyy-MM-ddT00:00:00Z'), 'P1D')

var token = take(toLower(uniqueString(subscription().id, environmentName, location)), 8)
var tags = { 'azd-env-name': environmentName }
// Microsoft's sample of ASP.NET Core: it answers /healthz, and listens where ASPNETCORE_HTTP_PORTS says. So ingress and
// probes are the bot's own from the beginning. azd's name of the last image that it built is not asked: it outlives the
// registry, and another machine's is older than what runs.
var placeholder = 'mcr.microsoft.com/dotnet/samples:aspnetapp'
var image = !empty(botImage) ? botImage : !empty(deployed.outputs.image) ? deployed.outputs.image : placeholder

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module identities 'modules/identities.bicep' = {
  name: 'identities'
  scope: group
  params: { location: location, tags: tags, token: token }
}

module insights 'modules/insights.bicep' = {
  name: 'insights'
  scope: group
  params: { location: location, tags: tags, token: token }
}

module network 'modules/network.bicep' = {
  name: 'network'
  scope: group
  params: { location: location, tags: tags, token: token, workspaceId: insights.outputs.workspaceId }
}

module vault 'modules/vault.bicep' = {
  name: 'vault'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    workspaceId: insights.outputs.workspaceId
    insightsName: insights.outputs.componentName
    readers: [
      identities.outputs.bot.principalId
      identities.outputs.jobs.principalId
    ]
    publisher: identities.outputs.publisher
    appPassword: appPassword
    withModelServers: !empty(modelImage)
    modelServerKey: modelServerKey
    withSlack: !empty(slackTeams)
    slackSigningSecret: slackSigningSecret
    slackBotToken: slackBotToken
    gitTokens: gitTokens
    confluenceTokens: confluenceTokens
    sharePointClientSecret: sharePointClientSecret
    notionToken: notionToken
  }
}

module registry 'modules/registry.bicep' = {
  name: 'registry'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    workspaceId: insights.outputs.workspaceId
    pullers: [
      identities.outputs.bot.principalId
      identities.outputs.jobs.principalId
    ]
  }
}

module storage 'modules/storage.bicep' = {
  name: 'storage'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    workspaceId: insights.outputs.workspaceId
    subnetId: network.outputs.appsSubnetId
    jobsPrincipalId: identities.outputs.jobs.principalId
  }
}

module cosmos 'modules/cosmos.bicep' = {
  name: 'cosmos'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    workspaceId: insights.outputs.workspaceId
    writers: [
      identities.outputs.bot.principalId
      identities.outputs.jobs.principalId
    ]
  }
}

module kusto 'modules/kusto.bicep' = if (withDataExplorer) {
  name: 'kusto'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    workspaceId: insights.outputs.workspaceId
    jobsClientId: identities.outputs.jobs.clientId
  }
}

module environment 'modules/environment.bicep' = {
  name: 'environment'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    workspaceId: insights.outputs.workspaceId
    subnetId: network.outputs.appsSubnetId
    shareServer: storage.outputs.shareServer
    sharePath: storage.outputs.sharePath
    gpuProfile: empty(trainingImage) && empty(modelImage) ? '' : gpuProfile
  }
}

module deployed 'modules/deployed.bicep' = {
  name: 'deployed'
  scope: group
  params: { exists: botExists }
}

module model 'modules/model.bicep' = if (!empty(modelImage)) {
  name: 'model'
  scope: group
  params: {
    location: location
    tags: tags
    environmentId: environment.outputs.id
    domain: environment.outputs.domain
    image: modelImage
    registryServer: registry.outputs.server
    identity: identities.outputs.bot
    telemetry: telemetry
    vaultUri: vault.outputs.uri
    replicas: modelReplicas
    mostReplicas: modelMostReplicas
  }
}

module app 'modules/app.bicep' = {
  name: 'app'
  scope: group
  params: {
    location: location
    tags: tags
    environmentId: environment.outputs.id
    domain: environment.outputs.domain
    image: image
    isPlaceholder: image == placeholder
    registryServer: registry.outputs.server
    identity: identities.outputs.bot
    appType: appType
    appId: appType == 'UserAssignedMSI' ? identities.outputs.bot.clientId : appId
    telemetry: telemetry
    vaultUri: vault.outputs.uri
    cosmosEndpoint: cosmos.outputs.endpoint
    pages: pages
    reviewers: reviewers
    modelUrl: empty(modelImage) ? '' : (model!.outputs.url)
    slackTeams: slackTeams
    slackReviewChannel: slackReviewChannel
    slackReviewers: slackReviewers
    withGitTokens: !empty(gitTokens)
    withConfluenceTokens: !empty(confluenceTokens)
    confluenceGroups: confluenceGroups
    sharePointClientId: sharePointClientId
    sharePointGroups: sharePointGroups
    withNotionToken: !empty(notionToken)
  }
}

module jobs 'modules/jobs.bicep' = {
  name: 'jobs'
  scope: group
  params: {
    location: location
    tags: tags
    environmentId: environment.outputs.id
    image: image
    trainingImage: trainingImage
    registryServer: registry.outputs.server
    identity: identities.outputs.jobs
    telemetry: telemetry
    vaultUri: vault.outputs.uri
    cosmosEndpoint: cosmos.outputs.endpoint
    pages: pages
    dataExplorerUri: withDataExplorer ? kusto!.outputs.uri : ''
    withGitTokens: !empty(gitTokens)
    withConfluenceTokens: !empty(confluenceTokens)
    confluenceGroups: confluenceGroups
    sharePointClientId: sharePointClientId
    sharePointGroups: sharePointGroups
    withNotionToken: !empty(notionToken)
  }
}

module bot 'modules/bot.bicep' = {
  name: 'bot'
  scope: group
  params: {
    tags: tags
    token: token
    workspaceId: insights.outputs.workspaceId
    endpoint: '${app.outputs.url}/api/messages'
    appType: appType
    appId: appType == 'UserAssignedMSI' ? identities.outputs.bot.clientId : appId
    identityId: identities.outputs.bot.id
    slack: slack
    slackSecrets: slackSecrets
  }
}

module automation 'modules/automation.bicep' = {
  name: 'automation'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    workspaceId: insights.outputs.workspaceId
    caretaker: identities.outputs.caretaker
    publisher: identities.outputs.publisher
    appName: app.outputs.name
    appUrl: app.outputs.url
    watched: jobs.outputs.watched
    schedulesFrom: schedulesFrom
    withTraining: !empty(trainingImage)
  }
}

module alerts 'modules/alerts.bicep' = {
  name: 'alerts'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    insightsId: insights.outputs.componentId
    appUrl: app.outputs.url
    email: alertEmail
  }
}

module workbook 'modules/workbook.bicep' = {
  name: 'workbook'
  scope: group
  params: { location: location, tags: tags, insightsId: insights.outputs.componentId }
}

output AZURE_RESOURCE_GROUP string = group.name
output AZURE_CONTAINER_REGISTRY_ENDPOINT string = registry.outputs.server
output AZURE_KEY_VAULT_NAME string = vault.outputs.name
output BOT_URL string = app.outputs.url
output BOT_APP_ID string = appType == 'UserAssignedMSI' ? identities.outputs.bot.clientId : appId
output COSMOS_ENDPOINT string = cosmos.outputs.endpoint
output KUSTO_URI string = withDataExplorer ? kusto!.outputs.uri : ''

// The caretaker: a runbook that starts jobs, sees whether they succeeded, and mends known faults; on schedules.
param location string
param tags object
param token string
param workspaceId string

@description('Identity that the runbook acts as: { id, clientId, principalId }.')
param caretaker object

@description('Identity that publishes the runbook: { id, principalId }.')
param publisher object
param appName string
param appUrl string

@description('Jobs that must succeed: job=hours, comma-separated.')
param watched string

@description('Start of the schedules; Azure wants one in the future.')
param schedulesFrom string
param withTraining bool

var automationContributor = 'f353d9bd-d4a6-484e-a77a-8050b599b867' // Automation Contributor
var groupId = resourceGroup().id
var where = 'subscriptions/${subscription().subscriptionId}/resourceGroups/${resourceGroup().name}'

resource account 'Microsoft.Automation/automationAccounts@2024-10-23' = {
  name: 'aa-${token}'
  location: location
  tags: tags
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${caretaker.id}': {} } }
  properties: { sku: { name: 'Basic' }, publicNetworkAccess: true, disableLocalAuth: true }
}

// Built-in roles for Container Apps may change apps and read their secrets; this one may neither.
resource careRole 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(groupId, 'askpage caretaker')
  properties: {
    roleName: 'askpage caretaker ${token}'
    description: 'Restart a container app, start jobs, and see how they went.'
    type: 'CustomRole'
    assignableScopes: [groupId]
    permissions: [
      {
        actions: [
          'Microsoft.App/containerApps/read'
          'Microsoft.App/containerApps/revisions/read'
          'Microsoft.App/containerApps/revisions/restart/action'
          'Microsoft.App/jobs/read'
          'Microsoft.App/jobs/start/action'
          'Microsoft.App/jobs/executions/read'
          'Microsoft.App/jobs/execution/read'
        ]
        notActions: []
        dataActions: []
        notDataActions: []
      }
    ]
  }
}

resource cares 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(groupId, caretaker.principalId, careRole.id)
  properties: {
    principalId: caretaker.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: careRole.id
    description: 'The runbook restarts the bot, and starts and checks jobs.'
  }
}

resource publishes 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account.id, publisher.principalId, automationContributor)
  scope: account
  properties: {
    principalId: publisher.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', automationContributor)
    description: 'The deployment puts the text of the runbook into this account.'
  }
}

// `runbookType: 'Python3'` alone would be Python 3.8.
resource runtime 'Microsoft.Automation/automationAccounts/runtimeEnvironments@2024-10-23' = {
  parent: account
  name: 'askpage-python'
  location: location
  tags: tags
  properties: {
    runtime: { language: 'Python', version: '3.10' }
    description: 'Python for the runbook askpage-care, which needs no packages.'
  }
}

resource runbook 'Microsoft.Automation/automationAccounts/runbooks@2024-10-23' = {
  parent: account
  name: 'askpage-care'
  location: location
  tags: tags
  properties: {
    runbookType: 'Python'
    runtimeEnvironment: runtime.name
    description: 'run JOB | watch | restart | rollback | drain; see docs/azure.md.'
    logProgress: false
    logVerbose: false
    draft: {}
  }
}

// A runbook's text comes from a public address or from a call; there is no public address here.
resource published 'Microsoft.Resources/deploymentScripts@2023-08-01' = {
  name: 'publish-runbook'
  location: location
  tags: tags
  kind: 'AzureCLI'
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${publisher.id}': {} } }
  properties: {
    azCliVersion: '2.63.0'
    retentionInterval: 'PT1H'
    cleanupPreference: 'OnSuccess'
    timeout: 'PT1H'
    forceUpdateTag: uniqueString(loadTextContent('../runbooks/care.py'), loadTextContent('../scripts/publish.sh'), links)
    environmentVariables: [
      { name: 'ACCOUNT', value: '${az.environment().resourceManager}${substring(account.id, 1)}' }
      { name: 'RUNBOOK', value: '${az.environment().resourceManager}${substring(runbook.id, 1)}' }
      { name: 'LINKS', value: links }
      { name: 'TEXT', value: loadFileAsBase64('../runbooks/care.py') }
    ]
    scriptContent: loadTextContent('../scripts/publish.sh')
  }
  dependsOn: [publishes, times]
}

resource settings 'Microsoft.Automation/automationAccounts/variables@2024-10-23' = [for one in items({
  askpage_resource_group: where
  askpage_app: appName
  askpage_url: appUrl
  askpage_watched: watched
  askpage_identity: caretaker.clientId
}): {
  parent: account
  name: one.key
  properties: { value: '"${one.value}"', isEncrypted: false, description: 'What the runbook askpage-care works on.' }
}]

var always = [
  { name: 'watch-jobs', words: 'watch', frequency: 'Hour', interval: 1, does: 'Starts jobs that are late.' }
  { name: 'drain-spool', words: 'drain', frequency: 'Hour', interval: 1, does: 'Sees whether records still wait.' }
]
var nightly = [
  { name: 'update-model', words: 'run update-model', frequency: 'Day', interval: 1, does: 'Updates the model.' }
]
var schedules = withTraining ? concat(always, nightly) : always
// Not resources of their own: a template with a link that is there already fails, so the script makes them anew.
var links = join(map(schedules, one => '${one.name} ${one.words}'), '\n')

resource times 'Microsoft.Automation/automationAccounts/schedules@2024-10-23' = [for one in schedules: {
  parent: account
  name: one.name
  properties: {
    description: one.does
    startTime: schedulesFrom
    frequency: one.frequency
    interval: one.interval
    timeZone: 'Etc/UTC'
  }
}]

resource told 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'told'
  scope: account
  properties: {
    workspaceId: workspaceId
    logs: [
      { category: 'JobLogs', enabled: true }
      { category: 'JobStreams', enabled: true }
      { category: 'AuditEvent', enabled: true }
    ]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

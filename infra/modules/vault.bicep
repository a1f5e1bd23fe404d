// What must stay secret: the key of the pseudonyms, the bot's password where it has one, the connection string. Roles are
// named after whom they are given to: an identity that was made anew is somebody else, and a role cannot be handed on.
param location string
param tags object
param token string
param workspaceId string
param insightsName string

@description('Who reads secrets: principal ids.')
param readers array

@description('Identity that makes the key of the pseudonyms while a deployment runs: { id, principalId }.')
param publisher object

@secure()
param appPassword string
param withModelServers bool

@secure()
param modelServerKey string
param withSlack bool

@secure()
param slackSigningSecret string

@secure()
param slackBotToken string

@secure()
param gitTokens string

@secure()
param confluenceTokens string

@secure()
param sharePointClientSecret string

@secure()
param notionToken string

@secure()
param googleDriveKey string

var secretsUser = '4633458b-17de-408a-b874-0445c86b69e6' // Key Vault Secrets User
var secretsOfficer = 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7' // Key Vault Secrets Officer

resource component 'Microsoft.Insights/components@2020-02-02' existing = {
  name: insightsName
}

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' = {
  name: 'kv-${token}'
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: { family: 'A', name: 'standard' }
    enableRbacAuthorization: true
    enableSoftDelete: true
    enablePurgeProtection: true // a lost key of the pseudonyms cannot be made again
    softDeleteRetentionInDays: 90
  }
}

resource password 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = {
  parent: vault
  name: 'app-password'
  properties: { value: empty(appPassword) ? 'none' : appPassword, contentType: 'setting app_password' }
}

resource modelKey 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = if (withModelServers) {
  parent: vault
  name: 'model-server-key'
  properties: { value: modelServerKey, contentType: 'setting model_server_key' }
}

resource signing 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = if (withSlack) {
  parent: vault
  name: 'slack-signing-secret'
  properties: { value: slackSigningSecret, contentType: 'setting slack_signing_secret' }
}

resource botToken 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = if (withSlack) {
  parent: vault
  name: 'slack-bot-token'
  properties: { value: slackBotToken, contentType: 'setting slack_bot_token' }
}

resource git 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = if (!empty(gitTokens)) {
  parent: vault
  name: 'git-tokens'
  properties: { value: gitTokens, contentType: 'setting git_tokens' }
}

resource confluence 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = if (!empty(confluenceTokens)) {
  parent: vault
  name: 'confluence-tokens'
  properties: { value: confluenceTokens, contentType: 'setting confluence_tokens' }
}

resource sharePoint 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = if (!empty(sharePointClientSecret)) {
  parent: vault
  name: 'sharepoint-client-secret'
  properties: { value: sharePointClientSecret, contentType: 'setting sharepoint_client_secret' }
}

resource notion 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = if (!empty(notionToken)) {
  parent: vault
  name: 'notion-token'
  properties: { value: notionToken, contentType: 'setting notion_token' }
}

resource googleDrive 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = if (!empty(googleDriveKey)) {
  parent: vault
  name: 'google-drive-key'
  properties: { value: googleDriveKey, contentType: 'setting google_drive_key' }
}

resource connection 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = {
  parent: vault
  name: 'insights-connection'
  properties: {
    value: component.properties.ConnectionString
    contentType: 'setting applicationinsights_connection_string'
  }
}

resource reads 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for reader in readers: {
  name: guid(vault.id, reader, secretsUser)
  scope: vault
  properties: {
    principalId: reader
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsUser)
    description: 'Its container is given its secrets from here.'
  }
}]

resource writes 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, publisher.principalId, secretsOfficer)
  scope: vault
  properties: {
    principalId: publisher.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsOfficer)
    description: 'The deployment makes the key of the pseudonyms here, once.'
  }
}

// No parameter and no person brings this key: it is made here, and a later deployment leaves it as it is. Its patience
// until its role counts is that of the containers, too, which read secrets next.
resource pseudonym 'Microsoft.Resources/deploymentScripts@2023-08-01' = {
  name: 'make-pseudonym-key'
  location: location
  tags: tags
  kind: 'AzureCLI'
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${publisher.id}': {} } }
  properties: {
    azCliVersion: '2.63.0'
    retentionInterval: 'PT1H'
    cleanupPreference: 'Always'
    timeout: 'PT30M'
    forceUpdateTag: vault.id
    environmentVariables: [{ name: 'VAULT', value: vault.name }]
    scriptContent: loadTextContent('../scripts/make_key.sh')
  }
  dependsOn: [reads, writes]
}

resource told 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'told'
  scope: vault
  properties: {
    workspaceId: workspaceId
    logs: [{ categoryGroup: 'audit', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

output name string = vault.name
output uri string = vault.properties.vaultUri

// What must stay secret: the key of the pseudonyms, the bot's password where it has one, the connection string.
param location string
param tags object
param token string
param workspaceId string
param insightsName string

@description('Who reads secrets: [{ name, principalId }].')
param readers array

@description('Who deploys; empty: nobody is given more.')
param principalId string

@secure()
param pseudonymKey string
@secure()
param appPassword string

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

resource pseudonym 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = {
  parent: vault
  name: 'pseudonym-key'
  properties: { value: pseudonymKey, contentType: 'setting pseudonym_key' }
}

resource password 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = {
  parent: vault
  name: 'app-password'
  properties: { value: empty(appPassword) ? 'none' : appPassword, contentType: 'setting app_password' }
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
  name: guid(vault.id, reader.name, secretsUser)
  scope: vault
  properties: {
    principalId: reader.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsUser)
    description: 'Its container is given its secrets from here.'
  }
}]

resource writes 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(principalId)) {
  name: guid(vault.id, principalId, secretsOfficer)
  scope: vault
  properties: {
    principalId: principalId
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsOfficer)
    description: 'A later deployment finds the key of the pseudonyms here, instead of making another one.'
  }
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

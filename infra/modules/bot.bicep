// The bot's registration with Azure Bot Service, and its channels.
param tags object
param token string
param workspaceId string

@description('Where channels post.')
param endpoint string
param appType string
param appId string

@description('The identity that the bot is, for UserAssignedMSI.')
param identityId string

@description('{ clientId, scopes? } of the Slack app; empty: no Slack.')
param slack object

@secure()
@description('{ clientSecret, signingSecret, verificationToken } of the Slack app.')
param slackSecrets object

resource bot 'Microsoft.BotService/botServices@2022-09-15' = {
  name: 'bot-${token}'
  location: 'global'
  tags: tags
  kind: 'azurebot'
  sku: { name: 'F0' } // Teams costs nothing
  properties: {
    displayName: 'askpage'
    description: 'Answers questions about your pages, and says where it stands.'
    endpoint: endpoint
    msaAppId: appId
    msaAppType: appType
    msaAppTenantId: tenant().tenantId
    msaAppMSIResourceId: appType == 'UserAssignedMSI' ? identityId : null
    disableLocalAuth: true
    isStreamingSupported: false
    schemaTransformationVersion: '1.3'
  }
}

resource teams 'Microsoft.BotService/botServices/channels@2022-09-15' = {
  parent: bot
  name: 'MsTeamsChannel'
  location: 'global'
  tags: tags
  properties: {
    channelName: 'MsTeamsChannel'
    properties: { isEnabled: true, enableCalling: false, acceptedTerms: true }
  }
}

resource slackChannel 'Microsoft.BotService/botServices/channels@2022-09-15' = if (!empty(slack)) {
  parent: bot
  name: 'SlackChannel'
  location: 'global'
  tags: tags
  properties: {
    channelName: 'SlackChannel'
    properties: {
      isEnabled: true
      clientId: slack.clientId
      scopes: slack.?scopes ?? ''
      clientSecret: slackSecrets.clientSecret
      signingSecret: slackSecrets.signingSecret
      verificationToken: slackSecrets.verificationToken
    }
  }
}

resource told 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'told'
  scope: bot
  properties: {
    workspaceId: workspaceId
    logs: [{ category: 'BotRequest', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

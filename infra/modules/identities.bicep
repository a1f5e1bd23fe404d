// Who acts: one identity for each kind of work, so that each has only the roles that its work needs.
param location string
param tags object
param token string

resource bot 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-bot-${token}'
  location: location
  tags: tags
}

resource jobs 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-jobs-${token}'
  location: location
  tags: tags
}

resource caretaker 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-caretaker-${token}'
  location: location
  tags: tags
}

resource publisher 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-publisher-${token}'
  location: location
  tags: tags
}

@description('Answers people.')
output bot object = { id: bot.id, clientId: bot.properties.clientId, principalId: bot.properties.principalId }
@description('Does scheduled work and trains.')
output jobs object = { id: jobs.id, clientId: jobs.properties.clientId, principalId: jobs.properties.principalId }
@description('Starts jobs and mends known faults, from Azure Automation.')
output caretaker object = {
  id: caretaker.id
  clientId: caretaker.properties.clientId
  principalId: caretaker.properties.principalId
}
@description('Publishes the runbooks while a deployment runs.')
output publisher object = { id: publisher.id, principalId: publisher.properties.principalId }

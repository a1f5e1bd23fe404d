// Azure Cosmos DB for NoSQL: the store and the page index. Containers are those of feedback/store/cosmos_schema.py and
// pages/index/cosmos_schema.py, and a test compares them. Nobody has a key: access is by identity alone.
param location string
param tags object
param token string
param workspaceId string

@description('Who reads and writes records: principal ids.')
param writers array

var contributor = '00000000-0000-0000-0000-000000000002' // Cosmos DB Built-in Data Contributor

resource account 'Microsoft.DocumentDB/databaseAccounts@2025-10-15' = {
  name: 'cosmos-${token}'
  location: location
  tags: tags
  kind: 'GlobalDocumentDB'
  properties: {
    databaseAccountOfferType: 'Standard'
    locations: [{ locationName: location, failoverPriority: 0 }]
    capabilities: [
      { name: 'EnableServerless' }
      { name: 'EnableNoSQLVectorSearch' }
      { name: 'EnableNoSQLFullTextSearch' }
    ]
    consistencyPolicy: { defaultConsistencyLevel: 'Session' }
    disableLocalAuth: true
    disableKeyBasedMetadataWriteAccess: true // containers and indexes are these templates' alone
    minimalTlsVersion: 'Tls12'
    backupPolicy: { type: 'Continuous', continuousModeProperties: { tier: 'Continuous7Days' } }
  }
}

resource database 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases@2025-10-15' = {
  parent: account
  name: 'askpage'
  properties: { resource: { id: 'askpage' } }
}

resource records 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2025-10-15' = {
  parent: database
  name: 'records'
  properties: {
    resource: {
      id: 'records'
      partitionKey: { paths: ['/pk'], kind: 'Hash', version: 2 }
      defaultTtl: -1 // switched on; each record says how long it is kept
      indexingPolicy: {
        indexingMode: 'consistent'
        automatic: true
        includedPaths: [
          { path: '/type/?' }
          { path: '/key/?' }
          { path: '/kind/?' }
          { path: '/name/?' }
          { path: '/at/?' }
          { path: '/person/?' }
          { path: '/state/?' }
          { path: '/conversation/?' }
          { path: '/message_id/?' }
          { path: '/answer_id/?' }
          { path: '/holder/?' }
          { path: '/held_until/?' }
        ]
        excludedPaths: [{ path: '/*' }]
        compositeIndexes: [
          [
            { path: '/kind', order: 'ascending' }
            { path: '/at', order: 'ascending' }
            { path: '/name', order: 'ascending' }
          ]
          [
            { path: '/kind', order: 'ascending' }
            { path: '/state', order: 'ascending' }
            { path: '/at', order: 'ascending' }
            { path: '/name', order: 'ascending' }
          ]
          [
            { path: '/kind', order: 'ascending' }
            { path: '/person', order: 'ascending' }
            { path: '/at', order: 'ascending' }
            { path: '/name', order: 'ascending' }
          ]
          [
            { path: '/type', order: 'ascending' }
            { path: '/key', order: 'ascending' }
          ]
          [
            { path: '/type', order: 'ascending' }
            { path: '/person', order: 'ascending' }
            { path: '/key', order: 'ascending' }
          ]
          [
            { path: '/kind', order: 'descending' }
            { path: '/conversation', order: 'descending' }
            { path: '/at', order: 'descending' }
            { path: '/name', order: 'descending' }
          ]
        ]
      }
    }
  }
}

resource pages 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2025-10-15' = {
  parent: database
  name: 'pages'
  properties: {
    resource: {
      id: 'pages'
      partitionKey: { paths: ['/pk'], kind: 'Hash', version: 2 }
      defaultTtl: -1
      indexingPolicy: {
        indexingMode: 'consistent'
        automatic: true
        includedPaths: [
          { path: '/pk/?' }
          { path: '/kind/?' }
          { path: '/generation/?' }
          { path: '/public/?' }
          { path: '/embedder/?' }
        ]
        excludedPaths: [
          { path: '/*' }
          { path: '/vector/*' }
        ]
        fullTextIndexes: [{ path: '/searched' }]
        vectorIndexes: [{ path: '/vector', type: 'quantizedFlat' }]
      }
      vectorEmbeddingPolicy: {
        vectorEmbeddings: [{ path: '/vector', dataType: 'float32', distanceFunction: 'cosine', dimensions: 384 }]
      }
      fullTextPolicy: {
        defaultLanguage: 'en-US'
        fullTextPaths: [{ path: '/searched', language: 'en-US' }]
      }
    }
  }
}

// Data alone, and of this database alone: neither identity makes or changes a container.
resource writes 'Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments@2025-10-15' = [for writer in writers: {
  parent: account
  name: guid(account.id, writer, contributor)
  properties: {
    principalId: writer
    roleDefinitionId: '${account.id}/sqlRoleDefinitions/${contributor}'
    scope: '${account.id}/dbs/${database.name}'
  }
}]

// Statements of queries have parameters apart from their text, so that no record's content is in these logs.
resource told 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'told'
  scope: account
  properties: {
    workspaceId: workspaceId
    logAnalyticsDestinationType: 'Dedicated'
    logs: [
      { category: 'ControlPlaneRequests', enabled: true }
      { category: 'PartitionKeyRUConsumption', enabled: true }
    ]
    metrics: [{ category: 'Requests', enabled: true }]
  }
}

output endpoint string = account.properties.documentEndpoint

// The data folder (models, what waits for the store, examples) as a share, and backups as blobs.
param location string
param tags object
param token string
param workspaceId string

@description('The only subnet that reaches the share and the backups.')
param subnetId string
param jobsPrincipalId string

@description('Size of the data folder, GiB; a premium share is billed by what is provisioned.')
param shareGiB int = 100

var blobContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe' // Storage Blob Data Contributor

// NFS, not SMB: SQLite's locks hold there, and there is no account key. NFS has no TLS of its own, hence
// supportsHttpsTrafficOnly: false; nobody outside the subnet reaches it.
resource files 'Microsoft.Storage/storageAccounts@2025-01-01' = {
  name: 'stdata${token}'
  location: location
  tags: tags
  kind: 'FileStorage'
  sku: { name: 'Premium_LRS' }
  properties: {
    supportsHttpsTrafficOnly: false
    minimumTlsVersion: 'TLS1_2'
    allowSharedKeyAccess: false
    allowBlobPublicAccess: false
    networkAcls: {
      defaultAction: 'Deny'
      bypass: 'None'
      virtualNetworkRules: [{ id: subnetId, action: 'Allow' }]
    }
  }
}

resource fileService 'Microsoft.Storage/storageAccounts/fileServices@2025-01-01' = {
  parent: files
  name: 'default'
  properties: { shareDeleteRetentionPolicy: { enabled: true, days: 14 } }
}

resource share 'Microsoft.Storage/storageAccounts/fileServices/shares@2025-01-01' = {
  parent: fileService
  name: 'data'
  properties: {
    shareQuota: shareGiB
    enabledProtocols: 'NFS'
    rootSquash: 'NoRootSquash' // the first container gives the folder to the bot's user
  }
}

resource blobs 'Microsoft.Storage/storageAccounts@2025-01-01' = {
  name: 'stblob${token}'
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: 'Standard_ZRS' }
  properties: {
    supportsHttpsTrafficOnly: true
    minimumTlsVersion: 'TLS1_2'
    allowSharedKeyAccess: false
    allowBlobPublicAccess: false
    accessTier: 'Cool'
    networkAcls: { // jobs write from the subnet; who fetches a backup lets their own address in, for as long
      defaultAction: 'Deny'
      bypass: 'None'
      virtualNetworkRules: [{ id: subnetId, action: 'Allow' }]
    }
  }
}

resource blobService 'Microsoft.Storage/storageAccounts/blobServices@2025-01-01' = {
  parent: blobs
  name: 'default'
  properties: {
    deleteRetentionPolicy: { enabled: true, days: 14 }
    containerDeleteRetentionPolicy: { enabled: true, days: 14 }
  }
}

resource backups 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' = {
  parent: blobService
  name: 'backups'
  properties: { publicAccess: 'None' }
}

// A person's data must not outlive its deletion for long in a backup.
resource ageing 'Microsoft.Storage/storageAccounts/managementPolicies@2025-01-01' = {
  parent: blobs
  name: 'default'
  properties: {
    policy: {
      rules: [
        {
          name: 'backups-are-kept-30-days'
          enabled: true
          type: 'Lifecycle'
          definition: {
            filters: { blobTypes: ['blockBlob'], prefixMatch: ['backups/'] }
            actions: { baseBlob: { delete: { daysAfterModificationGreaterThan: 30 } } }
          }
        }
      ]
    }
  }
}

resource writes 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(backups.id, jobsPrincipalId, blobContributor)
  scope: backups
  properties: {
    principalId: jobsPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobContributor)
    description: 'A job writes exports of the store here.'
  }
}

resource toldOfFiles 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'told'
  scope: fileService
  properties: { workspaceId: workspaceId, metrics: [{ category: 'Transaction', enabled: true }] }
}

resource toldOfBlobs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'told'
  scope: blobService
  properties: {
    workspaceId: workspaceId
    logs: [
      { category: 'StorageWrite', enabled: true }
      { category: 'StorageDelete', enabled: true }
    ]
    metrics: [{ category: 'Transaction', enabled: true }]
  }
}

output shareServer string = '${files.name}.file.${az.environment().suffixes.storage}'
output sharePath string = '/${files.name}/${share.name}'

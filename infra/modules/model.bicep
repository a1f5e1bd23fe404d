// Model servers: containers with a GPU that answer for the bot, on the versions in the data folder, as many as are asked.
param location string
param tags object
param environmentId string

@description('Domain of the environment, of which their address is made.')
param domain string

@description('Image with CUDA.')
param image string
param registryServer string

@description('Identity of the bot, whose secrets these are, too: { id, clientId, principalId }.')
param identity object
param vaultUri string

@description('What carries telemetry, as the setting has it.')
param telemetry string

@description('Servers at least; 0 lets the first asker after a quiet time wait for a GPU and a load: minutes.')
param replicas int

@description('Servers at most.')
param mostReplicas int

var name = 'askpage-model'
var atOnce = 8 // answers that one server generates at the same time

resource servers 'Microsoft.App/containerApps@2025-01-01' = {
  name: name
  location: location
  tags: tags
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${identity.id}': {} } }
  properties: {
    environmentId: environmentId
    workloadProfileName: 'gpu'
    configuration: {
      activeRevisionsMode: 'Single'
      maxInactiveRevisions: 5
      ingress: { external: false, targetPort: 3980, transport: 'http', allowInsecure: false }
      registries: [{ server: registryServer, identity: identity.id }]
      secrets: [
        { name: 'model-server-key', keyVaultUrl: '${vaultUri}secrets/model-server-key', identity: identity.id }
        { name: 'insights-connection', keyVaultUrl: '${vaultUri}secrets/insights-connection', identity: identity.id }
      ]
    }
    template: {
      terminationGracePeriodSeconds: 40 // drain_timeout_s is 20
      scale: {
        minReplicas: replicas
        maxReplicas: mostReplicas
        rules: [{ name: 'chats', http: { metadata: { concurrentRequests: string(atOnce) } } }]
      }
      volumes: [
        { name: 'data', storageType: 'NfsAzureFile', storageName: 'data' }
        { name: 'tmp', storageType: 'EmptyDir' }
      ]
      containers: [
        {
          name: 'model'
          image: image
          args: ['model', 'serve']
          resources: { cpu: json('8.0'), memory: '56Gi' }
          volumeMounts: [
            { volumeName: 'data', mountPath: '/data' }
            { volumeName: 'tmp', mountPath: '/tmp' }
          ]
          probes: [
            { type: 'Startup', httpGet: { path: '/healthz', port: 3980 }, periodSeconds: 60, failureThreshold: 10 }
            { type: 'Liveness', httpGet: { path: '/healthz', port: 3980 }, periodSeconds: 20, failureThreshold: 3 }
            { type: 'Readiness', httpGet: { path: '/readyz', port: 3980 }, periodSeconds: 5, failureThreshold: 3 }
          ]
          env: [
            { name: 'ASKPAGE_DATA_DIR', value: '/data' }
            { name: 'ASKPAGE_DEVICE', value: 'cuda' }
            { name: 'ASKPAGE_CONCURRENT_ANSWERS', value: string(atOnce) }
            { name: 'ASKPAGE_MODEL_SERVER_HOST', value: '0.0.0.0' }
            { name: 'ASKPAGE_MODEL_SERVER_PORT', value: '3980' }
            { name: 'ASKPAGE_MODEL_SERVER_KEY', secretRef: 'model-server-key' }
            { name: 'ASKPAGE_TELEMETRY', value: telemetry }
            { name: 'ASKPAGE_APPLICATIONINSIGHTS_CONNECTION_STRING', secretRef: 'insights-connection' }
            { name: 'AZURE_CLIENT_ID', value: identity.clientId }
          ]
        }
      ]
    }
  }
}

output url string = 'https://${name}.internal.${domain}/v1'

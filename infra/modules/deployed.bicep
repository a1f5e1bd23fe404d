// The image that the bot runs now, so that a deployment which does not know it leaves it.
param exists bool

resource app 'Microsoft.App/containerApps@2025-01-01' existing = if (exists) {
  name: 'askpage'
}

output image string = exists ? app!.properties.template.containers[0].image : ''

// Who is told when something goes wrong. Each rule runs a query of infra/kql/alerts and fires when that returns a row;
// its page in docs/runbooks says what to do. Azure looks back two days at most, so the queries do, too.
param location string
param tags object
param token string
param insightsId string
param appUrl string
param email string

@description('What stands before docs/runbooks/… where the docs are published, with a slash; empty: the path in the repository.')
param pagesUrl string = ''

resource group 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'ag-${token}'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'askpage'
    enabled: true
    emailReceivers: [{ name: 'operators', emailAddress: email, useCommonAlertSchema: true }]
  }
}

var rules = [
  {
    name: 'accuracy'
    says: 'Reviewers find fewer answers right than they should be.'
    query: loadTextContent('../kql/alerts/accuracy.kql')
    severity: 2
    every: 'PT6H'
    window: 'P2D'
  }
  {
    name: 'satisfaction'
    says: 'People give fewer stars, or more thumbs down, than before.'
    query: loadTextContent('../kql/alerts/satisfaction.kql')
    severity: 3
    every: 'PT6H'
    window: 'P2D'
  }
  {
    name: 'latency'
    says: 'Answers take too long.'
    query: loadTextContent('../kql/alerts/latency.kql')
    severity: 2
    every: 'PT15M'
    window: 'PT1H'
  }
  {
    name: 'ignored'
    says: 'Nothing happens to most answers.'
    query: loadTextContent('../kql/alerts/ignored.kql')
    severity: 3
    every: 'PT6H'
    window: 'P1D'
  }
  {
    name: 'backlog'
    says: 'Answers wait too long for a reviewer.'
    query: loadTextContent('../kql/alerts/backlog.kql')
    severity: 3
    every: 'PT1H'
    window: 'P2D'
  }
  {
    name: 'confidence'
    says: 'The bot is surer than it is right.'
    query: loadTextContent('../kql/alerts/confidence.kql')
    severity: 3
    every: 'PT6H'
    window: 'P2D'
  }
  {
    name: 'declined'
    says: 'The bot finds nothing for most questions.'
    query: loadTextContent('../kql/alerts/declined.kql')
    severity: 2
    every: 'PT1H'
    window: 'PT6H'
  }
  {
    name: 'errors'
    says: 'Too many questions get no answer.'
    query: loadTextContent('../kql/alerts/errors.kql')
    severity: 1
    every: 'PT5M'
    window: 'PT30M'
  }
  {
    name: 'silence'
    says: 'The bot tells nothing any more, not even that its hourly job has run.'
    query: loadTextContent('../kql/alerts/silence.kql')
    severity: 1
    every: 'PT30M'
    window: 'PT3H'
  }
]

resource fires 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for rule in rules: {
  name: 'askpage-${rule.name}'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'askpage: ${rule.name}'
    description: '${rule.says} What to do: ${pagesUrl}docs/runbooks/${rule.name}.md'
    severity: rule.severity
    enabled: true
    scopes: [insightsId]
    evaluationFrequency: rule.every
    windowSize: rule.window
    criteria: {
      allOf: [
        {
          query: rule.query
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
        }
      ]
    }
    autoMitigate: true
    actions: { actionGroups: [group.id] }
  }
}]

resource reached 'Microsoft.Insights/webtests@2022-06-15' = {
  name: 'askpage-healthz'
  location: location
  tags: union(tags, { 'hidden-link:${insightsId}': 'Resource' })
  kind: 'standard'
  properties: {
    SyntheticMonitorId: 'askpage-healthz'
    Name: 'askpage: /healthz'
    Description: 'Does the bot answer from outside?'
    Enabled: true
    Kind: 'standard'
    Frequency: 300
    Timeout: 30
    RetryEnabled: true
    Locations: [
      { Id: 'emea-nl-ams-azr' }
      { Id: 'emea-gb-db3-azr' }
      { Id: 'us-va-ash-azr' }
    ]
    Request: { RequestUrl: '${appUrl}/healthz', HttpVerb: 'GET' }
    ValidationRules: { ExpectedHttpStatusCode: 200, SSLCheck: true, SSLCertRemainingLifetimeCheck: 7 }
  }
}

resource unreached 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: 'askpage-unreachable'
  location: 'global'
  tags: tags
  properties: {
    description: 'The bot does not answer from outside. What to do: ${pagesUrl}docs/runbooks/unreachable.md'
    severity: 0
    enabled: true
    scopes: [reached.id, insightsId]
    evaluationFrequency: 'PT1M'
    windowSize: 'PT5M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.WebtestLocationAvailabilityCriteria'
      webTestId: reached.id
      componentId: insightsId
      failedLocationCount: 2
    }
    autoMitigate: true
    actions: [{ actionGroupId: group.id }]
  }
}

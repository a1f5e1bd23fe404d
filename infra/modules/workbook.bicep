// The figures as tiles: infra/workbook.json, which infra/workbook.py makes of the queries in infra/kql.
param location string
param tags object
param insightsId string

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(insightsId, 'askpage')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: 'askpage: right, liked and fast?'
    category: 'workbook'
    sourceId: insightsId
    version: 'Notebook/1.0'
    serializedData: loadTextContent('../workbook.json')
  }
}

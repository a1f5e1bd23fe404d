#!/bin/sh
# Puts the text of the runbook into the Automation account and publishes it. Run by infra/modules/automation.bicep, as
# the identity that may do that and nothing else. RUNBOOK is the runbook's address, TEXT its text in Base64.
set -eu
printf '%s' "$TEXT" | base64 -d > care.py
az rest --method put --url "$RUNBOOK/draft/content?api-version=2023-11-01" \
  --headers Content-Type=text/powershell --body @care.py --output none
az rest --method post --url "$RUNBOOK/publish?api-version=2023-11-01" --output none
echo '{"published": true}' > "$AZ_SCRIPTS_OUTPUT_PATH"

#!/bin/sh
# Takes back the vault that an installation of this name left when it was removed: it cannot be emptied for 90 days, its
# name is taken as long, and a template that says "recover" fails where nothing was deleted. azd runs this before it
# provisions (azure.yaml); where there is no such vault, it does nothing. AZURE_ENV_NAME, AZURE_LOCATION and
# AZURE_SUBSCRIPTION_ID are azd's.
set -eu
if [ -z "${AZURE_LOCATION:-}" ] || [ -z "${AZURE_SUBSCRIPTION_ID:-}" ]; then
  echo "azd will ask for subscription and region. Where it then finds a deleted vault in the way, say azd up once more."
  exit 0
fi
mine="[?properties.tags.\"azd-env-name\"=='$AZURE_ENV_NAME' && properties.location=='$AZURE_LOCATION'].name"
vault=$(az keyvault list-deleted --resource-type vault --subscription "$AZURE_SUBSCRIPTION_ID" --query "$mine" --output tsv)
[ -n "$vault" ] || exit 0
# It goes back to where it was, so that group has to be there.
az group create --name "rg-$AZURE_ENV_NAME" --location "$AZURE_LOCATION" --subscription "$AZURE_SUBSCRIPTION_ID" \
  --tags "azd-env-name=$AZURE_ENV_NAME" --output none
az keyvault recover --name "$vault" --location "$AZURE_LOCATION" --subscription "$AZURE_SUBSCRIPTION_ID" --output none
echo "The vault $vault of before was taken back, with its secrets."

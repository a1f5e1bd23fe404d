#!/bin/sh
# Makes the key of the pseudonyms in the vault, once: where there is one it stays, since another one would make strangers
# of everybody. Nobody sees it. Run by infra/modules/vault.bicep as the identity that may write there; a role that has
# just been given takes minutes to count, hence the patience. VAULT is the vault's name.
set -eu
umask 077
tries=0
made=false
until said=$(az keyvault secret show --vault-name "$VAULT" --name pseudonym-key --query id --output tsv 2>&1); do
  case $said in
    *SecretNotFound*)
      head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n' > key
      az keyvault secret set --vault-name "$VAULT" --name pseudonym-key --file key --output none
      rm key
      made=true
      break
      ;;
  esac
  tries=$((tries + 1))
  if [ "$tries" -ge 40 ]; then
    echo "$said" >&2
    exit 1
  fi
  sleep "${WAIT_S:-30}"
done
echo "{\"made\": $made}" > "$AZ_SCRIPTS_OUTPUT_PATH"

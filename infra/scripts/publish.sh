#!/bin/sh
# Puts the text of the runbook into the Automation account, publishes it, and links it with its schedules. Run by
# infra/modules/automation.bicep, as the identity that may do that and nothing else; it may run again at any time.
# ACCOUNT and RUNBOOK are addresses, TEXT is the runbook's text in Base64, LINKS a line for each schedule: its name and
# the runbook's words.
set -eu
version=api-version=2024-10-23

# Azure says that it has accepted something, not that it is done; and a new role takes ten minutes to count. So each
# wait has patience of its own, a quarter of an hour.
wait_again() {
  tries=$((tries + 1))
  if [ "$tries" -ge 60 ]; then
    echo "$1" >&2
    exit 1
  fi
  sleep "${WAIT_S:-15}"
}

# Asks until it is done. Where an answer got lost, the second time is refused, since it is done: `or` says how to see that.
ask() {
  tries=0
  until az rest "$@" > answer 2> refusal || $or; do wait_again "$(cat refusal)"; done
}

# Whether the text that stands in Azure is ours, whatever its ends of lines are.
holds() {
  az rest --method get --url "$RUNBOOK/$1?$version" --output-file there >/dev/null 2>&1 \
    && [ "$(tr -d '\r' < there)" = "$(cat care.py)" ]
}

is_linked() {
  az rest --method get --url "$1" --output none >/dev/null 2>&1
}

is_gone() {
  ! is_linked "$1"
}

printf '%s' "$TEXT" | base64 -d > care.py
or=false
ask --method put --url "$RUNBOOK/draft/content?$version" --headers Content-Type=text/powershell --body @care.py \
  --output none
tries=0
until holds draft/content; do wait_again "The draft of the runbook does not get its text."; done
or="holds content"
ask --method post --url "$RUNBOOK/publish?$version" --output none
tries=0
until holds content; do wait_again "The runbook is not published."; done

# A link cannot be changed or made twice, not even as the same: those of before go first.
name=${RUNBOOK##*/}
or=false
ask --method get --url "$ACCOUNT/jobSchedules?$version" --output tsv \
  --query "value[?properties.runbook.name=='$name'].properties.jobScheduleId"
mv answer before
while read -r id || [ -n "$id" ]; do
  link="$ACCOUNT/jobSchedules/$id?$version"
  or="is_gone $link"
  ask --method delete --url "$link" --output none
done < before
printf '%s\n' "$LINKS" | while read -r schedule first second; do
  words="\"[PARAMETER 1]\": \"$first\"${second:+, \"[PARAMETER 2]\": \"$second\"}"
  link="$ACCOUNT/jobSchedules/$(cat /proc/sys/kernel/random/uuid)?$version"
  or="is_linked $link"
  ask --method put --url "$link" --output none --body \
    "{\"properties\": {\"runbook\": {\"name\": \"$name\"}, \"schedule\": {\"name\": \"$schedule\"}, \"parameters\": {$words}}}"
done
echo '{"published": true}' > "$AZ_SCRIPTS_OUTPUT_PATH"

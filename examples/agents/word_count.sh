#!/bin/sh
# The same in shell. Needs jq.
#   arcp serve --agent 'word-count@1.1.0=sh examples/agents/word_count.sh'
while read -r line; do
  [ "$(printf '%s' "$line" | jq -r .type)" = tool.invoke ] || continue
  job=$(printf '%s' "$line" | jq -r .job_id)
  if path=$(printf '%s' "$line" | jq -er '.payload.arguments.path'); then
    text=$(cat -- "$path") || {
      jq -cn --arg job "$job" --arg path "$path" \
        '{type: "job.failed", job_id: $job, payload: {code: "NOT_FOUND", message: ($path + ": cannot be read")}}'
      continue
    }
  else
    text=$(printf '%s' "$line" | jq -r '.payload.arguments.text // ""')
  fi
  printf '%s\n' "$text" | jq -cRns --arg job "$job" '
    (input | rtrimstr("\n")) as $text
    | [$text | ascii_downcase | splits("\\s+") | select(. != "")] as $words
    | ($words | group_by(.) | map({key: .[0], value: length}) | sort_by(-.value, .key) | .[:10] | from_entries) as $top
    | {type: "job.completed", job_id: $job,
       payload: {value: {words: ($words | length), lines: (if $text == "" then 0 else ($text | split("\n") | length) end), top: $top}}}'
done

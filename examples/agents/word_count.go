// The same in Go, with its standard library only.
//
//	go build -o word_count examples/agents/word_count.go
//	arcp serve --agent 'word-count@1.2.0=./word_count'
package main

import (
	"bufio"
	"encoding/json"
	"os"
	"sort"
	"strings"
)

type object = map[string]any

func count(text string) object {
	words := map[string]int{}
	all := strings.Fields(strings.ToLower(text))
	for _, word := range all {
		words[word]++
	}
	names := make([]string, 0, len(words))
	for name := range words {
		names = append(names, name)
	}
	sort.Slice(names, func(i, j int) bool {
		if words[names[i]] != words[names[j]] {
			return words[names[i]] > words[names[j]]
		}
		return names[i] < names[j]
	})
	top := object{}
	for _, name := range names[:min(10, len(names))] {
		top[name] = words[name]
	}
	lines := 0
	if text != "" {
		lines = strings.Count(strings.TrimSuffix(text, "\n"), "\n") + 1
	}
	return object{"words": len(all), "lines": lines, "top": top}
}

func main() {
	out := json.NewEncoder(os.Stdout)
	in := bufio.NewReader(os.Stdin)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		var message struct {
			Type    string
			JobID   string `json:"job_id"`
			Payload struct{ Arguments struct{ Text, Path string } }
		}
		if json.Unmarshal(line, &message) != nil || message.Type != "tool.invoke" {
			continue
		}
		say := func(kind string, payload object) {
			out.Encode(object{"type": kind, "job_id": message.JobID, "payload": payload})
		}
		text := message.Payload.Arguments.Text
		if path := message.Payload.Arguments.Path; path != "" {
			data, err := os.ReadFile(path)
			if err != nil {
				say("job.failed", object{"code": "NOT_FOUND", "message": err.Error()})
				continue
			}
			text = string(data)
		}
		say("job.completed", object{"value": count(text)})
	}
}

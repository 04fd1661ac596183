// Command oracle answers, with the peers' own code, the questions that `cargo xtask differential` asks ours:
// the GitOps Engine of Argo CD for health, comparisons, hooks and the order of a sync, and the libraries of
// kubectl for YAML.
//
// It reads a question from each line of its input, {"about": …, "question": …}, and writes the answer as a line of
// JSON. What the peer refuses is answered {"error": …}; a panic of the peer counts as a refusal.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
)

type line struct {
	About    string          `json:"about"`
	Question json.RawMessage `json:"question"`
}

var subjects = map[string]func(question json.RawMessage) (any, error){
	"health": healthOf,
	"diff":   differenceOf,
	"hooks":  hooksOf,
	"order":  orderOf,
	"yaml":   documentsOf,
}

func main() {
	// What the peers log is neither a question nor an answer.
	klog.SetLogger(logr.Discard())
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, "oracle:", err)
		os.Exit(1)
	}
}

func serve() error {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	for {
		// A line at a time: a decoder of the stream would read ahead, and nobody could tell when all is answered.
		text, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return out.Flush()
		}
		if err != nil {
			return err
		}
		var next line
		if err := json.Unmarshal(text, &next); err != nil {
			return err
		}
		subject, known := subjects[next.About]
		if !known {
			return fmt.Errorf("nothing is known about %q", next.About)
		}
		answer, err := ask(subject, next.Question)
		if err != nil {
			answer = map[string]string{"error": err.Error()}
		}
		if err := encoder.Encode(answer); err != nil {
			return err
		}
		// Whoever asks one question waits for its answer.
		if in.Buffered() == 0 {
			if err := out.Flush(); err != nil {
				return err
			}
		}
	}
}

func ask(subject func(json.RawMessage) (any, error), question json.RawMessage) (answer any, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v", cause)
		}
	}()
	return subject(question)
}

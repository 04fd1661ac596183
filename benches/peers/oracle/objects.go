package main

import (
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	kubeyaml "k8s.io/apimachinery/pkg/util/yaml"

	"github.com/argoproj/argo-cd/gitops-engine/pkg/diff"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/health"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/sync/hook"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/sync/ignore"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/sync/syncwaves"
)

func object(question json.RawMessage) (*unstructured.Unstructured, error) {
	var body unstructured.Unstructured
	return &body, body.UnmarshalJSON(question)
}

// healthOf answers with status and message; null where a kind has no health of its own.
func healthOf(question json.RawMessage) (any, error) {
	body, err := object(question)
	if err != nil {
		return nil, err
	}
	return health.GetResourceHealth(body, nil)
}

// differenceOf compares a desired object with a live one by the live one's last-applied annotation.
func differenceOf(question json.RawMessage) (any, error) {
	var pair struct{ Desired, Live json.RawMessage }
	if err := json.Unmarshal(question, &pair); err != nil {
		return nil, err
	}
	desired, err := object(pair.Desired)
	if err != nil {
		return nil, err
	}
	live, err := object(pair.Live)
	if err != nil {
		return nil, err
	}
	var log fallback
	result, err := diff.Diff(desired, live, diff.WithLogr(logr.New(&log)))
	if err != nil {
		return nil, err
	}
	answer := map[string]any{"modified": result.Modified, "fallback": log.happened}
	if result.Modified {
		answer["live"] = json.RawMessage(result.NormalizedLive)
		answer["predicted"] = json.RawMessage(result.PredictedLive)
	}
	return answer, nil
}

// fallback is a log that waits for the line that says that the annotation could not be used.
type fallback struct{ happened bool }

func (*fallback) Init(logr.RuntimeInfo)            {}
func (*fallback) Enabled(int) bool                 { return true }
func (*fallback) Error(error, string, ...any)      {}
func (f *fallback) WithName(string) logr.LogSink   { return f }
func (f *fallback) WithValues(...any) logr.LogSink { return f }
func (f *fallback) Info(_ int, text string, _ ...any) {
	f.happened = f.happened || strings.HasPrefix(text, "three-way diff calculation failed")
}

// hooksOf answers what an object's annotations make of it.
func hooksOf(question json.RawMessage) (any, error) {
	body, err := object(question)
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"hook":    hook.IsHook(body),
		"skip":    hook.Skip(body),
		"ignored": ignore.Ignore(body),
		"types":   hook.Types(body),
		"delete":  hook.DeletePolicies(body),
		"wave":    syncwaves.Wave(body),
	}, nil
}

// documentsOf reads a text as kubectl does: the documents that are not empty, or an error for the whole of it.
func documentsOf(question json.RawMessage) (any, error) {
	var text string
	if err := json.Unmarshal(question, &text); err != nil {
		return nil, err
	}
	decoder := kubeyaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096)
	documents := []json.RawMessage{}
	for {
		var document runtime.RawExtension
		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			return documents, nil
		}
		if err != nil {
			return nil, err
		}
		if len(document.Raw) > 0 && string(document.Raw) != "null" {
			documents = append(documents, document.Raw)
		}
	}
}

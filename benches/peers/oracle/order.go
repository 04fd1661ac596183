package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"

	"github.com/argoproj/argo-cd/gitops-engine/pkg/sync"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/sync/hook"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/sync/ignore"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/utils/kube/kubetest"
)

type task struct {
	Phase     string `json:"phase"`
	Wave      int    `json:"wave"`
	Group     string `json:"group"`
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Prune     bool   `json:"prune"`
}

// orderOf answers the tasks of a sync in their order: objects that are new, and live ones that are to go.
//
// The engine's type of a task is not exported. What is read here is the line that it logs before its dry run, which
// holds all tasks of the operation.
func orderOf(question json.RawMessage) (any, error) {
	var sets struct{ Desired, Live []json.RawMessage }
	if err := json.Unmarshal(question, &sets); err != nil {
		return nil, err
	}
	var state sync.ReconciliationResult
	served := discovery{}
	for _, body := range sets.Desired {
		desired, err := object(body)
		if err != nil {
			return nil, err
		}
		served.serve(desired)
		switch {
		case ignore.Ignore(desired):
		case hook.IsHook(desired):
			state.Hooks = append(state.Hooks, desired)
		default:
			state.Target = append(state.Target, desired)
			state.Live = append(state.Live, nil)
		}
	}
	for _, body := range sets.Live {
		live, err := object(body)
		if err != nil {
			return nil, err
		}
		served.serve(live)
		state.Target = append(state.Target, nil)
		state.Live = append(state.Live, live)
	}
	var read tasks
	config := &rest.Config{Host: "http://discovery.invalid", Transport: served, QPS: -1}
	context, cleanup, err := sync.NewSyncContext("0123456", state, config, config, &kubetest.MockKubectlCmd{}, "default",
		sync.WithLogr(logr.New(&read)),
		// A dry run with pruning.
		sync.WithOperationSettings(true, true, false, false),
	)
	if err != nil {
		return nil, err
	}
	defer cleanup()
	context.Sync()
	if !read.found {
		phase, message, _ := context.GetState()
		return nil, fmt.Errorf("Sync() ended as %s before it had tasks: %s", phase, message)
	}
	return read.list, read.err
}

// tasks is a log that keeps the tasks of the first line that has them all.
type tasks struct {
	list  []task
	found bool
	err   error
}

func (*tasks) Init(logr.RuntimeInfo)          {}
func (*tasks) Enabled(int) bool               { return true }
func (*tasks) Info(int, string, ...any)       {}
func (*tasks) Error(error, string, ...any)    {}
func (t *tasks) WithName(string) logr.LogSink { return t }

func (t *tasks) WithValues(pairs ...any) logr.LogSink {
	if len(pairs) == 2 && pairs[0] == "tasks" && !t.found {
		if text, is := pairs[1].(fmt.Stringer); is {
			t.found = true
			t.list, t.err = parse(text.String())
		}
	}
	return t
}

var taskText = regexp.MustCompile(`^(\w+)/(-?\d+) \w+ ([^/]*)/([^:]*):([^/]*)/(\S*) (obj|nil)->(obj|nil) \(,,`)

// parse reads "[Sync/0 resource apps/Deployment:shop/web nil->obj (,,), …]".
func parse(text string) ([]task, error) {
	list := []task{}
	text = strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")
	if text == "" {
		return list, nil
	}
	for _, one := range strings.Split(text, "), ") {
		found := taskText.FindStringSubmatch(one)
		if found == nil {
			return nil, fmt.Errorf("a task reads %q", one)
		}
		wave, err := strconv.Atoi(found[2])
		if err != nil {
			return nil, err
		}
		list = append(list, task{
			Phase: found[1], Wave: wave, Group: found[3], Kind: found[4], Namespace: found[5], Name: found[6],
			Prune: found[8] == "nil",
		})
	}
	return list, nil
}

// discovery answers discovery requests in process: it serves the kinds of one question.
type discovery map[string][]metav1.APIResource

func (d discovery) serve(body *unstructured.Unstructured) {
	version := body.GetAPIVersion()
	path := "/apis/" + version
	if !strings.Contains(version, "/") {
		path = "/api/" + version
	}
	d[path] = append(d[path], metav1.APIResource{
		Name: strings.ToLower(body.GetKind()), Kind: body.GetKind(), Namespaced: body.GetNamespace() != "",
		Verbs: metav1.Verbs{"get", "list", "watch", "create", "patch", "delete"},
	})
}

func (d discovery) RoundTrip(request *http.Request) (*http.Response, error) {
	resources, known := d[request.URL.Path]
	if !known {
		return nil, errors.New("not served: " + request.URL.Path)
	}
	body, err := json.Marshal(metav1.APIResourceList{
		TypeMeta:     metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"},
		APIResources: resources,
	})
	if err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: http.StatusOK,
		Header:     http.Header{"Content-Type": {"application/json"}},
		Body:       io.NopCloser(bytes.NewReader(body)),
		Request:    request,
	}, nil
}

package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// discovery answers a client's discovery requests in process: there is no server.
type discovery struct{}

// kinds of the generated objects, by the path of their group and version.
var kinds = map[string][]string{
	"/api/v1":                    {"Pod", "Service", "ConfigMap", "Secret", "ServiceAccount", "PersistentVolumeClaim"},
	"/apis/apps/v1":              {"Deployment", "StatefulSet", "DaemonSet"},
	"/apis/batch/v1":             {"Job"},
	"/apis/networking.k8s.io/v1": {"Ingress"},
}

func (discovery) RoundTrip(request *http.Request) (*http.Response, error) {
	list := metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}}
	for _, kind := range kinds[request.URL.Path] {
		list.APIResources = append(list.APIResources, metav1.APIResource{
			Name: kind, Kind: kind, Namespaced: true, Verbs: metav1.Verbs{"get", "list", "watch", "create", "patch", "delete"},
		})
	}
	body, err := json.Marshal(list)
	if err != nil {
		return nil, err
	}
	status := http.StatusOK
	if list.APIResources == nil {
		status = http.StatusNotFound
	}
	return &http.Response{
		StatusCode: status,
		Header:     http.Header{"Content-Type": {"application/json"}},
		Body:       io.NopCloser(bytes.NewReader(body)),
		Request:    request,
	}, nil
}

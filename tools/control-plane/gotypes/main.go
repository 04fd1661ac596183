// Prints how Go decodes and encodes the built-in kinds: the table that the in-process API reads.
//
// A line `@GROUP/VERSION KIND TYPE` names the type of a kind. A line `TYPE FIELD,FLAGS,SHAPE ...` has its fields in the
// order in which they are declared. Flags: `e` left out when empty, `z` left out when zero, and behind `@` the structs that a
// field is embedded with, which errors name in its path. Shapes: `*` pointer, `[` list,
// `{` map from strings, `bytes`, `string`, `bool`, `int32` and so on with the Go name of a named type behind `=`, names of
// structs, and `!NAME` for types with a decoder of their own. A named list or map ends with `~` and its Go name. Behind `;`
// stands the number of the field in protobuf, after those of the structs that it is embedded with; `-` for none.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"sort"
	"strings"

	autoscaling "k8s.io/api/autoscaling/v1"
	crds "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	services "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

var (
	unmarshaler = reflect.TypeFor[json.Unmarshaler]()
	lines       = map[string]string{}
)

func main() {
	known := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, crds.AddToScheme, services.AddToScheme} {
		if err := add(known); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	var out []string
	for kind, t := range known.AllKnownTypes() {
		_, object := t.FieldByName("ObjectMeta")
		_, list := t.FieldByName("ListMeta")
		// Only what can be stored and lists of it: no options, no alpha and no versions that are gone.
		if !object && !list || strings.Contains(kind.Version, "alpha") || kind.Version == runtime.APIVersionInternal {
			continue
		}
		if strings.HasSuffix(kind.Group, "extensions") || (strings.Contains(kind.Version, "beta") && kind.Group != "policy") {
			continue
		}
		out = append(out, fmt.Sprintf("@%s %s %s", kind.GroupVersion(), kind.Kind, name(t)))
		visit(t)
	}
	// What requests and answers carry beside objects.
	for _, value := range []any{
		autoscaling.Scale{}, meta.DeleteOptions{}, meta.CreateOptions{}, meta.UpdateOptions{}, meta.PatchOptions{},
		meta.GetOptions{}, meta.ListOptions{}, meta.WatchEvent{}, meta.APIGroup{}, meta.APIGroupList{},
		meta.APIResourceList{}, meta.APIVersions{},
	} {
		t := reflect.TypeOf(value)
		out = append(out, fmt.Sprintf("@%s %s %s", "v1", t.Name(), name(t)))
		visit(t)
	}
	for key, fields := range lines {
		out = append(out, key+fields)
	}
	sort.Strings(out)
	fmt.Println(strings.Join(out, "\n"))
}

// The last two elements of the package and the type: `core/v1.PodSpec`.
func name(t reflect.Type) string {
	parts := strings.Split(t.PkgPath(), "/")
	if len(parts) > 2 {
		parts = parts[len(parts)-2:]
	}
	return strings.Join(parts, "/") + "." + t.Name()
}

func visit(t reflect.Type) {
	key := name(t)
	if _, done := lines[key]; done {
		return
	}
	lines[key] = ""
	lines[key] = fields(t, "", "")
}

func fields(t reflect.Type, embedded, numbers string) string {
	var out strings.Builder
	for i := range t.NumField() {
		field := t.Field(i)
		tag := strings.Split(field.Tag.Get("json"), ",")
		if tag[0] == "-" || field.PkgPath != "" && !field.Anonymous {
			continue
		}
		if tag[0] == "" && field.Anonymous {
			out.WriteString(fields(field.Type, embedded+"@"+field.Name, number(numbers, field)))
			continue
		}
		flags := ""
		for _, option := range tag[1:] {
			switch option {
			case "omitempty":
				flags += "e"
			case "omitzero":
				flags += "z"
			}
		}
		fmt.Fprintf(&out, " %s,%s%s,%s;%s", tag[0], flags, embedded, shape(field.Type), number(numbers, field))
	}
	return out.String()
}

// The number of a field in protobuf, after those above it: `12`, or `3.12`.
func number(above string, field reflect.StructField) string {
	tag := strings.Split(field.Tag.Get("protobuf"), ",")
	// A kind is not part of the message, nor is what is embedded with it.
	if len(tag) < 2 || above == "-" {
		return "-"
	}
	if above != "" {
		above += "."
	}
	return above + tag[1]
}

func shape(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		return "*" + shape(t.Elem())
	}
	if reflect.PointerTo(t).Implements(unmarshaler) {
		return "!" + t.Name()
	}
	named := ""
	if t.PkgPath() != "" {
		named = "=" + t.String()
	}
	switch t.Kind() {
	case reflect.Struct:
		visit(t)
		return name(t)
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "bytes"
		}
		return "[" + shape(t.Elem()) + strings.Replace(named, "=", "~", 1)
	case reflect.Map:
		return "{" + shape(t.Elem()) + strings.Replace(named, "=", "~", 1)
	case reflect.Interface:
		return "!any"
	default:
		return t.Kind().String() + named
	}
}

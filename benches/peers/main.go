// Command peers times the GitOps Engine of Argo CD at the work that benches/engine times ours at, on the
// same objects. `cargo xtask bench` writes the objects, runs both in turn and prints the ratios.
//
// For each case it prints one line of JSON: name, iterations, ns_min, ns_median (of one iteration),
// allocs and bytes (of one iteration), and result: what the work came to, which must be the same on both sides.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"

	"github.com/argoproj/argo-cd/gitops-engine/pkg/diff"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/health"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/sync"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/sync/common"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/utils/kube/kubetest"
)

// pair is an object as Git has it and as the cluster has it.
type pair struct {
	Desired *unstructured.Unstructured `json:"desired"`
	Live    *unstructured.Unstructured `json:"live"`
}

type benchmark struct {
	name string
	// prepare reads the objects.
	prepare func(objects string) (iteration, error)
}

// iteration sets up what one iteration uses up, outside the clock, and returns what the clock is for.
type iteration func() (work, error)

// work returns what it came to.
type work func() (int, error)

var benchmarks = []benchmark{
	{"plan_1k", plan("mixed.json", 1_000)},
	{"plan_10k", plan("mixed.json", 10_000)},
	{"plan_10k_waves", plan("mixed-waves.json", 10_000)},
	{"diff_three_way_1k", threeWayDiff},
	{"health_10k", healthOf},
}

func main() {
	objects := flag.String("objects", "", "the folder with the objects")
	only := flag.String("only", "", "the one case to run")
	iterations := flag.Int("iterations", 5, "how often to do the work of each case")
	flag.Parse()
	if *iterations < 1 {
		fmt.Fprintln(os.Stderr, "peers: -iterations must be at least 1")
		os.Exit(2)
	}
	if err := run(*objects, *only, *iterations); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func run(objects, only string, iterations int) error {
	out := json.NewEncoder(os.Stdout)
	for _, b := range benchmarks {
		if only != "" && only != b.name {
			continue
		}
		next, err := b.prepare(objects)
		if err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
		line, err := measure(next, iterations)
		if err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
		line.Name = b.name
		if err := out.Encode(line); err != nil {
			return err
		}
	}
	return nil
}

type line struct {
	Name       string `json:"name"`
	Iterations int    `json:"iterations"`
	NsMin      int64  `json:"ns_min"`
	NsMedian   int64  `json:"ns_median"`
	Allocs     uint64 `json:"allocs"`
	Bytes      uint64 `json:"bytes"`
	Result     int    `json:"result"`
}

func measure(next iteration, iterations int) (line, error) {
	var times []int64
	var result int
	var allocs, bytes uint64
	// The first one is not counted: it fills tables that are built at first use.
	for n := range iterations + 1 {
		work, err := next()
		if err != nil {
			return line{}, err
		}
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		start := time.Now()
		result, err = work()
		took := time.Since(start).Nanoseconds()
		runtime.ReadMemStats(&after)
		if err != nil {
			return line{}, err
		}
		if n > 0 {
			times = append(times, took)
			allocs += after.Mallocs - before.Mallocs
			bytes += after.TotalAlloc - before.TotalAlloc
		}
	}
	slices.Sort(times)
	return line{
		Iterations: iterations,
		NsMin:      times[0],
		NsMedian:   times[len(times)/2],
		Allocs:     allocs / uint64(iterations),
		Bytes:      bytes / uint64(iterations),
		Result:     result,
	}, nil
}

func read(objects, name string) ([]pair, error) {
	data, err := os.ReadFile(filepath.Join(objects, name))
	if err != nil {
		return nil, err
	}
	var pairs []pair
	return pairs, json.Unmarshal(data, &pairs)
}

// plan is one Sync() that finds nothing to apply: every object is there and unchanged, as told by a comparison
// outside the clock. The result is the number of objects that it would have touched.
func plan(file string, count int) func(string) (iteration, error) {
	return func(objects string) (iteration, error) {
		pairs, err := read(objects, file)
		if err != nil {
			return nil, err
		}
		if len(pairs) < count {
			return nil, fmt.Errorf("%s has %d objects, not %d", file, len(pairs), count)
		}
		var state sync.ReconciliationResult
		unchanged := &diff.DiffResultList{}
		for _, p := range pairs[:count] {
			state.Target = append(state.Target, p.Desired)
			state.Live = append(state.Live, p.Live)
			live, err := p.Live.MarshalJSON()
			if err != nil {
				return nil, err
			}
			unchanged.Diffs = append(unchanged.Diffs, diff.DiffResult{NormalizedLive: live, PredictedLive: live})
		}
		config := &rest.Config{Host: "http://discovery.invalid", Transport: discovery{}, QPS: -1}
		return func() (work, error) {
			context, cleanup, err := sync.NewSyncContext("0123456", state, config, config, &kubetest.MockKubectlCmd{}, "shop",
				sync.WithLogr(logr.Discard()),
				sync.WithResourceModificationChecker(true, unchanged),
			)
			if err != nil {
				return nil, err
			}
			return func() (int, error) {
				defer cleanup()
				context.Sync()
				phase, message, touched := context.GetState()
				if phase != common.OperationSucceeded {
					return 0, fmt.Errorf("Sync() ended as %s: %s", phase, message)
				}
				return len(touched), nil
			}, nil
		}, nil
	}
}

// threeWayDiff compares 1,000 Deployments by their last-applied annotation. The result is how many differ.
func threeWayDiff(objects string) (iteration, error) {
	pairs, err := read(objects, "deployments.json")
	if err != nil {
		return nil, err
	}
	compute := func() (int, error) {
		differ := 0
		for _, p := range pairs {
			result, err := diff.Diff(p.Desired, p.Live)
			if err != nil {
				return 0, err
			}
			if result.Modified {
				differ++
			}
		}
		return differ, nil
	}
	return func() (work, error) { return compute, nil }, nil
}

// healthOf judges 10,000 objects of several kinds. The result is how many are healthy, or have no health of their own.
func healthOf(objects string) (iteration, error) {
	pairs, err := read(objects, "mixed.json")
	if err != nil {
		return nil, err
	}
	compute := func() (int, error) {
		healthy := 0
		for _, p := range pairs {
			status, err := health.GetResourceHealth(p.Live, nil)
			if err != nil {
				return 0, err
			}
			if status == nil || status.Status == health.HealthStatusHealthy {
				healthy++
			}
		}
		return healthy, nil
	}
	return func() (work, error) { return compute, nil }, nil
}

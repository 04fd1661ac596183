// Command control-plane is a Kubernetes control plane in one program: etcd, kube-apiserver,
// kube-controller-manager and kube-scheduler, each a sub-command with its own flags, unchanged.
//
// Called by one of those names (a symbolic link is enough) it is that program, so that a folder with
// four links serves as KUBEBUILDER_ASSETS. The suites of gitops-engine build it when no such folder
// is given; see README.md.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	_ "time/tzdata" // CronJobs with a timeZone, on machines without a zone database

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // client metrics, as the stock programs have them
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

const usage = `usage: control-plane COMPONENT [flags]

components: etcd, kube-apiserver, kube-controller-manager, kube-scheduler
`

func main() {
	args := os.Args
	if name := filepath.Base(args[0]); slices.Contains(components, name) {
		args = append([]string{name}, args[1:]...)
	} else if len(args) > 1 {
		args = args[1:]
	} else {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	// The components read os.Args themselves.
	os.Args = args

	switch args[0] {
	case "etcd":
		etcdmain.Main(args)
	case "kube-apiserver":
		run(apiserver.NewAPIServerCommand())
	case "kube-controller-manager":
		run(controllers.NewControllerManagerCommand())
	case "kube-scheduler":
		run(scheduler.NewSchedulerCommand())
	default:
		fmt.Fprintf(os.Stderr, "control-plane: unknown component %q\n%s", args[0], usage)
		os.Exit(2)
	}
}

var components = []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"}

func run(command *cobra.Command) {
	os.Exit(cli.Run(command))
}

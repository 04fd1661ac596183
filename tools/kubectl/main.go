// Command kubectl is the stock kubectl: the suite that runs it against our API server builds it from the module registry
// instead of downloading one.
package main

import (
	"os"

	_ "k8s.io/client-go/plugin/pkg/client/auth" // the ways to log in that the stock program has
	"k8s.io/component-base/cli"
	"k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
)

func main() {
	if err := cli.RunNoErrOutput(cmd.NewDefaultKubectlCommand()); err != nil {
		// Prints in the form that people know, and ends with the code that the error asks for.
		util.CheckErr(err)
	}
	os.Exit(0)
}

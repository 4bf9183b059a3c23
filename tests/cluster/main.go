// Command cluster is a real Kubernetes in one program: etcd, the control plane and hollow kubelets (real kubelet code
// on a fake container runtime), for tests.
//
//	cluster up      start everything on free ports, say where in one line of JSON, stop when standard input closes
//	cluster apply   server-side apply of manifests under a field manager's name
//	cluster fill    load 16,000 objects, to measure with
//	cluster get     what the API server answers to a path
//	cluster yaml    YAML on standard input to JSON, one document a line, read as kubectl reads it
//
// Every other subcommand is one component, as `up` starts it.
package main

import (
	"fmt"
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: cluster up|apply|fill|get|yaml|etcd|kube-apiserver|kube-controller-manager|kube-scheduler|node")
		os.Exit(2)
	}
	component := os.Args[1]
	os.Args = os.Args[1:]
	switch component {
	case "etcd":
		etcdmain.Main(os.Args)
	case "kube-apiserver":
		os.Exit(cli.Run(apiserver.NewAPIServerCommand()))
	case "kube-controller-manager":
		os.Exit(cli.Run(controllermanager.NewControllerManagerCommand()))
	case "kube-scheduler":
		os.Exit(cli.Run(scheduler.NewSchedulerCommand()))
	case "node":
		end(node(os.Args[1:]))
	case "up":
		end(up(os.Args[1:]))
	case "get":
		end(get(os.Args[1:]))
	case "apply":
		end(apply(os.Args[1:]))
	case "fill":
		end(fill(os.Args[1:]))
	case "yaml":
		end(yamlToJSON(os.Stdin, os.Stdout))
	default:
		end(fmt.Errorf("unknown subcommand %q", component))
	}
}

func end(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

package main

import (
	"context"
	"flag"
	"os"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// get prints what the API server answers to one path.
func get(args []string) error {
	flags := flag.NewFlagSet("get", flag.ContinueOnError)
	kubeconfig := flags.String("kubeconfig", "", "credentials")
	agent := flags.String("user-agent", "", "name of the caller, as the audit log shows it")
	if err := flags.Parse(args); err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		return err
	}
	config.UserAgent = *agent
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	body, err := client.Discovery().RESTClient().Get().AbsPath(flags.Arg(0)).DoRaw(context.Background())
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(body)
	return err
}

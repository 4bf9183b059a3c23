package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

const pollInterval = 100 * time.Millisecond

func (r *runner) waitForAPIServer(ctx context.Context) (*kubernetes.Clientset, error) {
	config, err := clientcmd.BuildConfigFromFlags("", r.path("admin.kubeconfig"))
	if err != nil {
		return nil, err
	}
	config.UserAgent = "kubeadm"
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	err = wait.PollUntilContextCancel(ctx, pollInterval, true, func(ctx context.Context) (bool, error) {
		body, err := client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
		return err == nil && string(body) == "ok", nil
	})
	if err != nil {
		return nil, fmt.Errorf("the API server did not become ready: %w", err)
	}
	return client, nil
}

// waitForNodes names the nodes' roles and addresses, then waits for what a test takes for granted: nodes ready, the
// control plane's mirror pods and the default service account.
func (r *runner) waitForNodes(ctx context.Context, client *kubernetes.Clientset) error {
	for i, name := range r.nodes {
		role := "node-role.kubernetes.io/worker"
		if i == 0 {
			role = "node-role.kubernetes.io/control-plane"
		}
		if err := describeNode(ctx, client, name, role); err != nil {
			return fmt.Errorf("node %s: %w", name, err)
		}
	}
	err := wait.PollUntilContextCancel(ctx, pollInterval, true, func(ctx context.Context) (bool, error) {
		for _, name := range r.nodes {
			node, err := client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
			if err != nil || !isReady(node) {
				return false, nil
			}
		}
		_, account := client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{})
		_, mirror := client.CoreV1().Pods("kube-system").Get(ctx, "kube-apiserver-"+r.nodes[0], metav1.GetOptions{})
		return account == nil && mirror == nil, nil
	})
	if err != nil {
		return fmt.Errorf("the nodes did not become ready: %w", err)
	}
	return nil
}

// describeNode labels a node and gives it the address that its kubelet refuses to take for itself (loopback).
func describeNode(ctx context.Context, client *kubernetes.Clientset, name, role string) error {
	addresses := []corev1.NodeAddress{{Type: corev1.NodeHostName, Address: name}, {Type: corev1.NodeInternalIP, Address: "127.0.0.1"}}
	status, err := json.Marshal(map[string]any{"status": map[string]any{"addresses": addresses}})
	if err != nil {
		return err
	}
	labels, err := json.Marshal(map[string]any{"metadata": map[string]any{"labels": map[string]string{role: ""}}})
	if err != nil {
		return err
	}
	nodes := client.CoreV1().Nodes()
	return wait.PollUntilContextCancel(ctx, pollInterval, true, func(ctx context.Context) (bool, error) {
		if _, err := nodes.Get(ctx, name, metav1.GetOptions{}); err != nil {
			return false, nil
		}
		_, err := nodes.Patch(ctx, name, types.MergePatchType, labels, metav1.PatchOptions{})
		if err != nil {
			return false, err
		}
		_, err = nodes.Patch(ctx, name, types.StrategicMergePatchType, status, metav1.PatchOptions{}, "status")
		return true, err
	})
}

func isReady(node *corev1.Node) bool {
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

package main

import (
	"context"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
)

// waitUntilSettled waits until every workload runs what its newest specification asks for and nothing is being deleted.
func (a *applier) waitUntilSettled(ctx context.Context) error {
	var waitingFor []string
	err := wait.PollUntilContextCancel(ctx, pollInterval, true, func(ctx context.Context) (bool, error) {
		waitingFor = nil
		for _, resource := range []string{"deployments", "statefulsets", "daemonsets", "replicasets"} {
			list, err := a.objects.Resource(schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: resource}).List(ctx, metav1.ListOptions{})
			if err != nil {
				return false, err
			}
			for _, object := range list.Items {
				if !settled(&object) {
					waitingFor = append(waitingFor, fmt.Sprintf("%s %s/%s", object.GetKind(), object.GetNamespace(), object.GetName()))
				}
			}
		}
		pods, err := a.objects.Resource(schema.GroupVersionResource{Version: "v1", Resource: "pods"}).List(ctx, metav1.ListOptions{})
		if err != nil {
			return false, err
		}
		for _, pod := range pods.Items {
			if pod.GetDeletionTimestamp() != nil {
				waitingFor = append(waitingFor, fmt.Sprintf("the end of pod %s/%s", pod.GetNamespace(), pod.GetName()))
			}
		}
		return len(waitingFor) == 0, nil
	})
	if err != nil {
		return fmt.Errorf("not settled after %s: %s", timeToSettle, strings.Join(waitingFor, ", "))
	}
	return nil
}

// settled compares what a workload's controller has seen and made ready with what was asked for.
func settled(object *unstructured.Unstructured) bool {
	number := func(fields ...string) int64 {
		value, _, _ := unstructured.NestedInt64(object.Object, fields...)
		return value
	}
	if object.GetDeletionTimestamp() != nil || number("status", "observedGeneration") < object.GetGeneration() {
		return false
	}
	switch object.GetKind() {
	case "DaemonSet":
		return number("status", "numberReady") == number("status", "desiredNumberScheduled") &&
			number("status", "updatedNumberScheduled") == number("status", "desiredNumberScheduled")
	case "ReplicaSet":
		return number("status", "readyReplicas") == number("spec", "replicas") && number("status", "replicas") == number("spec", "replicas")
	default:
		return number("status", "readyReplicas") == number("spec", "replicas") &&
			number("status", "updatedReplicas") == number("spec", "replicas") && number("status", "replicas") == number("spec", "replicas")
	}
}

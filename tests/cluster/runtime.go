package main

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	apitest "k8s.io/cri-api/pkg/apis/testing"
	kubelettypes "k8s.io/kubelet/pkg/types"
)

// containerd is the fake runtime under the name of an ordinary one, which nodes then report.
type containerd struct{ internalapi.RuntimeService }

func (containerd) Version(context.Context, string) (*runtimeapi.VersionResponse, error) {
	return &runtimeapi.VersionResponse{Version: "0.1.0", RuntimeName: "containerd", RuntimeVersion: "2.2.0", RuntimeApiVersion: "v1"}, nil
}

// finishInitContainers lets init containers end well: the fake runtime's containers run for ever, and so no pod with
// an init container would become ready.
func finishInitContainers(ctx context.Context, client kubernetes.Interface, node string, runtime *apitest.FakeRuntimeService) {
	for ; ctx.Err() == nil; time.Sleep(500 * time.Millisecond) {
		pods, err := client.CoreV1().Pods("").List(ctx, metav1.ListOptions{FieldSelector: "spec.nodeName=" + node, ResourceVersion: "0"})
		if err != nil {
			continue
		}
		ending := map[string]bool{}
		for _, pod := range pods.Items {
			for _, container := range pod.Spec.InitContainers {
				if container.RestartPolicy == nil || *container.RestartPolicy != corev1.ContainerRestartPolicyAlways {
					ending[string(pod.UID)+"/"+container.Name] = true
				}
			}
		}
		runtime.Lock()
		for _, container := range runtime.Containers {
			id := container.Labels[kubelettypes.KubernetesPodUIDLabel] + "/" + container.Labels[kubelettypes.KubernetesContainerNameLabel]
			if container.State == runtimeapi.ContainerState_CONTAINER_RUNNING && ending[id] {
				container.State, container.FinishedAt = runtimeapi.ContainerState_CONTAINER_EXITED, time.Now().UnixNano()
			}
		}
		runtime.Unlock()
	}
}

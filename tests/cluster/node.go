package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	cadvisorapi "github.com/google/cadvisor/lib/model"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/component-base/configz"
	remote "k8s.io/cri-client/pkg"
	fakeremote "k8s.io/cri-client/pkg/fake"
	"k8s.io/klog/v2"
	kubeletconfigv1beta1 "k8s.io/kubelet/config/v1beta1"
	kubeletapp "k8s.io/kubernetes/cmd/kubelet/app"
	"k8s.io/kubernetes/cmd/kubelet/app/options"
	kubeletconfig "k8s.io/kubernetes/pkg/kubelet/apis/config"
	kubeletscheme "k8s.io/kubernetes/pkg/kubelet/apis/config/scheme"
	cadvisortest "k8s.io/kubernetes/pkg/kubelet/cadvisor/testing"
	"k8s.io/kubernetes/pkg/kubelet/cm"
	"k8s.io/kubernetes/pkg/kubelet/kubeletconfig/configfiles"
	"k8s.io/kubernetes/pkg/kubemark"
	utilfs "k8s.io/kubernetes/pkg/util/filesystem"
)

// machine is what the hollow kubelet believes to run on: an ordinary worker.
type machine struct{ cadvisortest.Fake }

func (m *machine) MachineInfo(klog.Logger) (*cadvisorapi.MachineInfo, error) {
	return &cadvisorapi.MachineInfo{NumCores: 8, MemoryCapacity: 32 << 30, InstanceID: cadvisorapi.InstanceID(m.NodeName)}, nil
}

func (m *machine) VersionInfo() (*cadvisorapi.VersionInfo, error) {
	return &cadvisorapi.VersionInfo{KernelVersion: "6.12.48+deb13-amd64", ContainerOsVersion: "Debian GNU/Linux 13 (trixie)"}, nil
}

// node runs a hollow kubelet that serves TLS with webhook authentication and authorization.
func node(args []string) error {
	flags := flag.NewFlagSet("node", flag.ContinueOnError)
	name := flags.String("name", "", "node name")
	kubeconfig := flags.String("kubeconfig", "", "the node's own credentials")
	config := flags.String("config", "", "KubeletConfiguration file")
	manifests := flags.String("manifests", "", "folder of static pods")
	certificates := flags.String("cert-dir", "", "folder for the serving certificate")
	port := flags.Int("port", 10250, "port on the loopback address")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx := context.Background()
	rest, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		return err
	}
	rest.UserAgent = "kubelet"
	client, err := kubernetes.NewForConfig(rest)
	if err != nil {
		return err
	}
	kubeletFlags, settings, err := kubeletSettings(ctx, *name, *config, *manifests, *port)
	if err != nil {
		return err
	}
	kubeletFlags.CertDirectory = *certificates
	hollow, err := hollowKubelet(ctx, *name, kubeletFlags, settings, client)
	if err != nil {
		return err
	}
	if err := publish(settings); err != nil {
		return err
	}
	hollow.Run(ctx)
	return errors.New("the kubelet ended")
}

// kubeletSettings lays the given configuration over the hollow kubelet's own, keeping what the fake runtime needs.
func kubeletSettings(ctx context.Context, name, file, manifests string, port int) (*options.KubeletFlags, *kubeletconfig.KubeletConfiguration, error) {
	kubeletFlags, hollow := kubemark.GetHollowKubeletConfig(&kubemark.HollowKubeletOptions{NodeName: name, KubeletPort: port, MaxPods: 500})
	if err := moveRoot(kubeletFlags, hollow); err != nil {
		return nil, nil, err
	}
	path, err := filepath.Abs(file)
	if err != nil {
		return nil, nil, err
	}
	loader, err := configfiles.NewFsLoader(&utilfs.DefaultFs{}, path)
	if err != nil {
		return nil, nil, err
	}
	settings, err := loader.Load(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", file, err)
	}
	settings.Port, settings.Address = int32(port), "127.0.0.1"
	settings.CgroupsPerQOS, settings.EnforceNodeAllocatable, settings.ResolverConfig = false, nil, hollow.ResolverConfig
	settings.PodLogsDir, settings.MaxPods, settings.ProviderID = hollow.PodLogsDir, hollow.MaxPods, ""
	settings.EnableControllerAttachDetach = false
	settings.StaticPodPath = manifests
	settings.FileCheckFrequency.Duration = time.Second
	kubeletFlags.NodeIP = "127.0.0.1"
	return kubeletFlags, settings, nil
}

// moveRoot leaves /tmp, where kubemark makes its folder whatever TMPDIR says, for a folder that ends with the cluster.
func moveRoot(flags *options.KubeletFlags, settings *kubeletconfig.KubeletConfiguration) error {
	if err := os.RemoveAll(flags.RootDirectory); err != nil {
		return err
	}
	root, err := os.MkdirTemp("", "kubelet-")
	if err != nil {
		return err
	}
	flags.RootDirectory, settings.PodLogsDir = root, filepath.Join(root, "pod-logs")
	return os.Mkdir(settings.PodLogsDir, 0o700)
}

func hollowKubelet(ctx context.Context, name string, flags *options.KubeletFlags, settings *kubeletconfig.KubeletConfiguration, client *kubernetes.Clientset) (*kubemark.HollowKubelet, error) {
	endpoint := "unix://" + filepath.Join(flags.RootDirectory, "runtime.sock")
	runtime := fakeremote.NewFakeRemoteRuntime()
	if err := runtime.Start(endpoint); err != nil {
		return nil, err
	}
	go finishInitContainers(ctx, client, name, runtime.RuntimeService)
	service, err := remote.NewRemoteRuntimeServiceBuilder().WithEndpoint(endpoint).WithConnectionTimeout(15 * time.Second).Build(ctx)
	if err != nil {
		return nil, err
	}
	host := &machine{cadvisortest.Fake{NodeName: name}}
	hollow := kubemark.NewHollowKubelet(flags, settings, client, client, host, runtime.ImageService, containerd{service}, cm.NewStubContainerManager())
	if hollow.KubeletDeps.TLSOptions, err = kubeletapp.InitializeTLS(ctx, flags, settings); err != nil {
		return nil, err
	}
	auth, run, err := kubeletapp.BuildAuth(types.NodeName(name), client, *settings)
	if err != nil {
		return nil, err
	}
	run(ctx.Done())
	hollow.KubeletDeps.Auth = auth
	return hollow, nil
}

// publish answers /configz with the settings in force, which the hollow kubelet alone does not do.
func publish(settings *kubeletconfig.KubeletConfiguration) error {
	scheme, _, err := kubeletscheme.NewSchemeAndCodecs()
	if err != nil {
		return err
	}
	var versioned kubeletconfigv1beta1.KubeletConfiguration
	if err := scheme.Convert(settings, &versioned, nil); err != nil {
		return err
	}
	versioned.SetGroupVersionKind(kubeletconfigv1beta1.SchemeGroupVersion.WithKind("KubeletConfiguration"))
	page, err := configz.New("kubeletconfig")
	if err != nil {
		return err
	}
	return page.Set(&versioned)
}

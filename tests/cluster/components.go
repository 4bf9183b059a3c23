package main

import (
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

//go:embed manifests/audit-policy.yaml
var auditPolicy []byte

//go:embed manifests/kubelet.yaml
var kubeletConfiguration string

//go:embed manifests/static-*.yaml
var staticPods embed.FS

const serviceRange = "10.0.0.0/16"

func (r *runner) startEtcd() error {
	client, peer := "http://"+r.address("etcd"), "http://"+r.address("etcd-peer")
	return r.component("etcd",
		"--data-dir", r.path("etcd"), "--unsafe-no-fsync", "--log-level", "warn",
		"--listen-client-urls", client, "--advertise-client-urls", client,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "default="+peer)
}

func (r *runner) startAPIServer() error {
	return r.component("kube-apiserver",
		"--etcd-servers", "http://"+r.address("etcd"),
		"--bind-address", "127.0.0.1", "--secure-port", strconv.Itoa(r.ports["kube-apiserver"]),
		"--cert-dir", r.path("apiserver-certs"),
		"--tls-cert-file", r.path("apiserver.crt"), "--tls-private-key-file", r.path("apiserver.key"),
		"--client-ca-file", r.path("ca.crt"), "--token-auth-file", r.path("tokens.csv"),
		"--kubelet-client-certificate", r.path("kubelet-client.crt"), "--kubelet-client-key", r.path("kubelet-client.key"),
		"--kubelet-preferred-address-types", "InternalIP,Hostname",
		"--service-account-issuer", "https://kubernetes.default.svc",
		"--service-account-key-file", r.path("sa.pub"), "--service-account-signing-key-file", r.path("sa.key"),
		"--service-cluster-ip-range", serviceRange, "--authorization-mode", "Node,RBAC", "--allow-privileged",
		"--enable-admission-plugins", "NodeRestriction",
		"--audit-log-path", r.path("audit.log"), "--audit-policy-file", r.path("audit-policy.yaml"))
}

func (r *runner) startControllers() error {
	err := r.component("kube-controller-manager",
		"--kubeconfig", r.path("admin.kubeconfig"), "--use-service-account-credentials", "--leader-elect=false",
		"--service-account-private-key-file", r.path("sa.key"), "--root-ca-file", r.path("ca.crt"),
		"--bind-address", "127.0.0.1", "--secure-port", strconv.Itoa(r.ports["kube-controller-manager"]),
		"--cert-dir", r.path("controller-manager-certs"))
	if err != nil {
		return err
	}
	return r.component("kube-scheduler",
		"--kubeconfig", r.path("admin.kubeconfig"), "--leader-elect=false",
		"--bind-address", "127.0.0.1", "--secure-port", strconv.Itoa(r.ports["kube-scheduler"]),
		"--cert-dir", r.path("scheduler-certs"))
}

// startNodes starts the hollow kubelets; the first one gets the control plane's static pods.
func (r *runner) startNodes() error {
	for i, name := range r.nodes {
		manifests := r.path("static-pods-" + name)
		if err := os.MkdirAll(manifests, 0o700); err != nil {
			return err
		}
		if i == 0 {
			if err := os.CopyFS(manifests, staticPods); err != nil {
				return err
			}
			manifests = filepath.Join(manifests, "manifests")
		}
		err := r.component("node", "--name", name, "--kubeconfig", r.path(name+".kubeconfig"),
			"--config", r.path("kubelet.yaml"), "--manifests", manifests,
			"--cert-dir", r.path("certs-"+name), "--port", strconv.Itoa(r.ports[name]))
		if err != nil {
			return err
		}
	}
	return nil
}

// component starts one child; when it ends by itself, that ends `up`.
func (r *runner) component(name string, args ...string) error {
	program, log := r.self, name
	if name == "node" {
		log = "node-" + args[1]
	}
	args = append([]string{name}, args...)
	if assets := os.Getenv("KUBEBUILDER_ASSETS"); assets != "" && (name == "etcd" || name == "kube-apiserver") {
		program, args = filepath.Join(assets, name), args[1:]
	}
	file := r.path(log + ".log")
	ended, err := r.children.Start(file, []string{"TMPDIR=" + r.dir}, program, args...)
	if err != nil {
		return err
	}
	go func() {
		err := <-ended
		tail, _ := os.ReadFile(file)
		r.failures <- fmt.Errorf("%s ended by itself (%v):\n%s", log, err, tail[max(0, len(tail)-2000):])
	}()
	return nil
}

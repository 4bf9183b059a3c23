package main

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"kubeproof.dev/testcluster/children"
)

// state is the line that `up` prints when the cluster is ready.
type state struct {
	Dir        string            `json:"dir"`
	Server     string            `json:"server"`
	CA         string            `json:"ca"`
	Kubeconfig string            `json:"kubeconfig"`
	AdminToken string            `json:"adminToken"`
	AuditLog   string            `json:"auditLog"`
	Nodes      map[string]string `json:"nodes"` // name to the address of its kubelet
}

// runner holds what the steps of `up` share.
type runner struct {
	dir      string
	self     string
	ports    map[string]int
	nodes    []string
	children *children.Family
	failures chan error
}

// timeToStart is how long everything together may take; two busy cores need a fraction of it.
const timeToStart = 3 * time.Minute

func up(args []string) error {
	flags := flag.NewFlagSet("up", flag.ContinueOnError)
	names := flags.String("nodes", "cp-1,worker-1", "names of the nodes; the first one runs the control plane")
	dir := flags.String("dir", "", "folder for everything (default: a temporary one, removed at the end)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	folder, remove, err := workFolder(*dir)
	if err != nil {
		return err
	}
	defer remove()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	r := &runner{dir: folder, self: self, nodes: strings.Split(*names, ","), children: children.New(), failures: make(chan error, 1)}
	defer r.children.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), timeToStart)
	defer cancel()
	closed := children.Closed(context.Background(), os.Stdin)
	ready := make(chan error, 1)
	go func() { ready <- r.start(ctx) }()
	for {
		select {
		case err := <-ready:
			if err != nil {
				return err
			}
			if err := json.NewEncoder(os.Stdout).Encode(r.state()); err != nil {
				return err
			}
		case err := <-r.failures:
			return err
		case <-closed:
			return nil
		}
	}
}

func workFolder(dir string) (string, func(), error) {
	if dir != "" {
		absolute, err := filepath.Abs(dir)
		return absolute, func() {}, errors.Join(err, os.MkdirAll(dir, 0o700))
	}
	temporary, err := os.MkdirTemp("", "kubeproof-cluster-")
	return temporary, func() { _ = os.RemoveAll(temporary) }, err
}

// start brings the components up, each as soon as what it needs is there.
func (r *runner) start(ctx context.Context) error {
	if err := r.prepare(); err != nil {
		return err
	}
	if err := r.startEtcd(); err != nil {
		return err
	}
	if err := r.startAPIServer(); err != nil {
		return err
	}
	client, err := r.waitForAPIServer(ctx)
	if err != nil {
		return err
	}
	if err := r.startControllers(); err != nil {
		return err
	}
	if err := r.startNodes(); err != nil {
		return err
	}
	return r.waitForNodes(ctx, client)
}

// prepare writes certificates, tokens, policies and kubeconfigs, and chooses ports.
func (r *runner) prepare() error {
	var err error
	names := []string{"etcd", "etcd-peer", "kube-apiserver", "kube-controller-manager", "kube-scheduler"}
	if r.ports, err = freePorts(append(names, r.nodes...)); err != nil {
		return err
	}
	ca, err := newAuthority(r.dir)
	if err != nil {
		return err
	}
	addresses := []net.IP{net.IPv4(127, 0, 0, 1), net.IPv4(10, 0, 0, 1)}
	hosts := []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"}
	if err := r.issueKubeletCertificates(ca); err != nil {
		return err
	}
	kubeletClient := pkix.Name{CommonName: "kube-apiserver-kubelet-client", Organization: []string{"system:masters"}}
	err = errors.Join(
		ca.issue("apiserver", pkix.Name{CommonName: "kube-apiserver"}, x509.ExtKeyUsageServerAuth, addresses, hosts),
		ca.issue("kubelet-client", kubeletClient, x509.ExtKeyUsageClientAuth, nil, nil),
		serviceAccountKeys(r.dir),
		r.writeTokens(),
		os.WriteFile(r.path("audit-policy.yaml"), auditPolicy, 0o600),
		os.WriteFile(r.path("kubelet.yaml"), []byte(strings.ReplaceAll(kubeletConfiguration, "CA_FILE", r.path("ca.crt"))), 0o600),
	)
	return err
}

// issueKubeletCertificates writes a serving certificate for every node where its kubelet looks for one: what
// serverTLSBootstrap and an approved request give on a real node.
func (r *runner) issueKubeletCertificates(ca *authority) error {
	for _, name := range r.nodes {
		if err := os.MkdirAll(r.path("certs-"+name), 0o700); err != nil {
			return err
		}
		subject := pkix.Name{CommonName: "system:node:" + name, Organization: []string{"system:nodes"}}
		err := ca.issue("certs-"+name+"/kubelet", subject, x509.ExtKeyUsageServerAuth, []net.IP{net.IPv4(127, 0, 0, 1)}, []string{name})
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *runner) writeTokens() error {
	// People who change things, for tests that ask who did.
	lines := []string{"admin-token,admin,admin,system:masters", "alice-token,alice,alice,system:masters", "bob-token,bob,bob,system:masters"}
	if err := r.writeKubeconfig("admin", "admin-token"); err != nil {
		return err
	}
	for _, name := range r.nodes {
		lines = append(lines, fmt.Sprintf("token-of-%s,system:node:%s,%s,system:nodes", name, name, name))
		if err := r.writeKubeconfig(name, "token-of-"+name); err != nil {
			return err
		}
	}
	return os.WriteFile(r.path("tokens.csv"), []byte(strings.Join(lines, "\n")+"\n"), 0o600)
}

func (r *runner) writeKubeconfig(name, token string) error {
	config := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: %q, certificate-authority: %q}}]
users: [{name: %q, user: {token: %q}}]
contexts: [{name: test, context: {cluster: test, user: %q}}]
current-context: test
`, r.server(), r.path("ca.crt"), name, token, name)
	return os.WriteFile(r.path(name+".kubeconfig"), []byte(config), 0o600)
}

func (r *runner) state() state {
	nodes := map[string]string{}
	for _, name := range r.nodes {
		nodes[name] = r.address(name)
	}
	return state{
		Dir: r.dir, Server: r.server(), CA: r.path("ca.crt"), Kubeconfig: r.path("admin.kubeconfig"),
		AdminToken: "admin-token", AuditLog: r.path("audit.log"), Nodes: nodes,
	}
}

func (r *runner) path(name string) string    { return filepath.Join(r.dir, name) }
func (r *runner) address(name string) string { return "127.0.0.1:" + strconv.Itoa(r.ports[name]) }
func (r *runner) server() string             { return "https://" + r.address("kube-apiserver") }

// freePorts chooses ports that nobody listens on, all held open until the last one is known.
func freePorts(names []string) (map[string]int, error) {
	ports := map[string]int{}
	for _, name := range names {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer listener.Close()
		ports[name] = listener.Addr().(*net.TCPAddr).Port
	}
	return ports, nil
}

//! Where distributions keep what is asked about: well-known paths, one table.

/// What files are for, as reports name it.
pub(super) const ROLES: [&str; 17] = [
    "apiserver-manifest",
    "controller-manager-manifest",
    "scheduler-manifest",
    "etcd-manifest",
    "cni-config",
    "etcd-data",
    "admin-kubeconfig",
    "scheduler-kubeconfig",
    "controller-manager-kubeconfig",
    "pki",
    "pki-certificate",
    "pki-private",
    "kubelet-unit",
    "kubelet-kubeconfig",
    "kubelet-config",
    "kube-proxy-kubeconfig",
    "client-ca",
];

/// One distribution's paths. A name with `*` stands for every name that it matches.
pub(super) struct Layout {
    /// `kubeadm`, `k3s`, ...
    pub(super) name: &'static str,
    /// One of these is on every such node; the last layout needs none.
    pub(super) marks: &'static [&'static str],
    /// One of these is on nodes that run the control plane.
    pub(super) control_plane: &'static [&'static str],
    /// Folder of static pods, where the kubelet's configuration does not say.
    pub(super) static_pods: &'static str,
    /// Files by role. Roles that are made from `pki` have no row, and a role without a row has no such file.
    pub(super) files: &'static [(&'static str, &'static [&'static str])],
    /// Units that start the kubelet or what it is a part of, without the folder they stand in.
    pub(super) units: &'static [&'static str],
    /// What runs the kubelet, where no unit holds its arguments.
    pub(super) inside: Option<&'static str>,
}

/// Folders of units, the one that wins first, and whether a node can do without it: `/usr/local` is seldom used, and
/// `/lib` is another name of `/usr/lib` nearly everywhere.
pub(super) const UNIT_FOLDERS: [(&str, bool); 5] = [
    ("/etc/systemd/system", false),
    ("/run/systemd/system", false),
    ("/usr/local/lib/systemd/system", true),
    ("/usr/lib/systemd/system", false),
    ("/lib/systemd/system", true),
];

/// Every layout, the most telling mark first.
pub(super) const LAYOUTS: &[Layout] = &[
    Layout {
        name: "rke2",
        marks: &["/var/lib/rancher/rke2", "/etc/rancher/rke2"],
        control_plane: &["/var/lib/rancher/rke2/server/tls"],
        static_pods: "/var/lib/rancher/rke2/agent/pod-manifests",
        files: &[
            ("apiserver-manifest", &["/var/lib/rancher/rke2/agent/pod-manifests/kube-apiserver.yaml"]),
            (
                "controller-manager-manifest",
                &["/var/lib/rancher/rke2/agent/pod-manifests/kube-controller-manager.yaml"],
            ),
            ("scheduler-manifest", &["/var/lib/rancher/rke2/agent/pod-manifests/kube-scheduler.yaml"]),
            ("etcd-manifest", &["/var/lib/rancher/rke2/agent/pod-manifests/etcd.yaml"]),
            ("cni-config", &["/etc/cni/net.d"]),
            ("etcd-data", &["/var/lib/rancher/rke2/server/db/etcd"]),
            (
                "admin-kubeconfig",
                &["/etc/rancher/rke2/rke2.yaml", "/var/lib/rancher/rke2/server/cred/admin.kubeconfig"],
            ),
            ("scheduler-kubeconfig", &["/var/lib/rancher/rke2/server/cred/scheduler.kubeconfig"]),
            ("controller-manager-kubeconfig", &["/var/lib/rancher/rke2/server/cred/controller.kubeconfig"]),
            ("pki", &["/var/lib/rancher/rke2/server/tls"]),
            ("kubelet-kubeconfig", &["/var/lib/rancher/rke2/agent/kubelet.kubeconfig"]),
            ("kubelet-config", &["/var/lib/rancher/rke2/agent/etc/kubelet.conf.d/*.conf"]),
            ("kube-proxy-kubeconfig", &["/var/lib/rancher/rke2/agent/kubeproxy.kubeconfig"]),
            ("client-ca", &["/var/lib/rancher/rke2/agent/client-ca.crt"]),
        ],
        units: &["rke2-server.service", "rke2-agent.service"],
        inside: Some("rke2"),
    },
    Layout {
        name: "k3s",
        marks: &["/var/lib/rancher/k3s", "/etc/rancher/k3s"],
        control_plane: &["/var/lib/rancher/k3s/server/tls"],
        static_pods: "/var/lib/rancher/k3s/agent/pod-manifests",
        files: &[
            ("cni-config", &["/var/lib/rancher/k3s/agent/etc/cni/net.d"]),
            ("etcd-data", &["/var/lib/rancher/k3s/server/db/etcd"]),
            ("admin-kubeconfig", &["/etc/rancher/k3s/k3s.yaml", "/var/lib/rancher/k3s/server/cred/admin.kubeconfig"]),
            ("scheduler-kubeconfig", &["/var/lib/rancher/k3s/server/cred/scheduler.kubeconfig"]),
            ("controller-manager-kubeconfig", &["/var/lib/rancher/k3s/server/cred/controller.kubeconfig"]),
            ("pki", &["/var/lib/rancher/k3s/server/tls"]),
            ("kubelet-kubeconfig", &["/var/lib/rancher/k3s/agent/kubelet.kubeconfig"]),
            ("kubelet-config", &["/var/lib/rancher/k3s/agent/etc/kubelet.conf.d/*.conf"]),
            ("kube-proxy-kubeconfig", &["/var/lib/rancher/k3s/agent/kubeproxy.kubeconfig"]),
            ("client-ca", &["/var/lib/rancher/k3s/agent/client-ca.crt"]),
        ],
        units: &["k3s.service", "k3s-agent.service"],
        inside: Some("k3s"),
    },
    Layout {
        name: "talos",
        marks: &["/etc/kubernetes/kubeconfig-kubelet"],
        control_plane: &["/system/secrets/kubernetes/kube-apiserver"],
        static_pods: "/etc/kubernetes/manifests",
        files: &[
            ("cni-config", &["/etc/cni/net.d"]),
            ("etcd-data", &["/var/lib/etcd"]),
            ("scheduler-kubeconfig", &["/system/secrets/kubernetes/kube-scheduler/kubeconfig"]),
            ("controller-manager-kubeconfig", &["/system/secrets/kubernetes/kube-controller-manager/kubeconfig"]),
            ("pki", &["/system/secrets/kubernetes/kube-apiserver", "/system/secrets/etcd", "/etc/kubernetes/pki"]),
            ("kubelet-kubeconfig", &["/etc/kubernetes/kubeconfig-kubelet"]),
            ("kubelet-config", &["/etc/kubernetes/kubelet.yaml"]),
            ("client-ca", &["/etc/kubernetes/pki/ca.crt"]),
        ],
        units: &[],
        inside: Some("machined"),
    },
    Layout {
        name: "openshift",
        marks: &["/etc/kubernetes/static-pod-resources", "/etc/kubernetes/kubelet-ca.crt"],
        control_plane: &["/etc/kubernetes/manifests/kube-apiserver-pod.yaml"],
        static_pods: "/etc/kubernetes/manifests",
        files: &[
            ("apiserver-manifest", &["/etc/kubernetes/manifests/kube-apiserver-pod.yaml"]),
            ("controller-manager-manifest", &["/etc/kubernetes/manifests/kube-controller-manager-pod.yaml"]),
            ("scheduler-manifest", &["/etc/kubernetes/manifests/kube-scheduler-pod.yaml"]),
            ("etcd-manifest", &["/etc/kubernetes/manifests/etcd-pod.yaml"]),
            ("cni-config", &["/etc/cni/net.d", "/etc/kubernetes/cni/net.d"]),
            ("etcd-data", &["/var/lib/etcd"]),
            (
                "admin-kubeconfig",
                &["/etc/kubernetes/static-pod-resources/kube-apiserver-certs/secrets/node-kubeconfigs/*.kubeconfig"],
            ),
            (
                "scheduler-kubeconfig",
                &[
                    "/etc/kubernetes/static-pod-resources/kube-scheduler-pod-*/configmaps/scheduler-kubeconfig/kubeconfig",
                ],
            ),
            (
                "controller-manager-kubeconfig",
                &[
                    "/etc/kubernetes/static-pod-resources/kube-controller-manager-pod-*/configmaps/controller-manager-kubeconfig/kubeconfig",
                ],
            ),
            ("pki", &["/etc/kubernetes/static-pod-resources"]),
            ("kubelet-kubeconfig", &["/var/lib/kubelet/kubeconfig"]),
            ("kubelet-config", &["/etc/kubernetes/kubelet.conf"]),
            ("client-ca", &["/etc/kubernetes/kubelet-ca.crt"]),
        ],
        units: &["kubelet.service"],
        inside: None,
    },
    Layout {
        name: "kubeadm",
        marks: &[],
        control_plane: &["/etc/kubernetes/manifests/kube-apiserver.yaml"],
        static_pods: "/etc/kubernetes/manifests",
        files: &[
            ("apiserver-manifest", &["/etc/kubernetes/manifests/kube-apiserver.yaml"]),
            ("controller-manager-manifest", &["/etc/kubernetes/manifests/kube-controller-manager.yaml"]),
            ("scheduler-manifest", &["/etc/kubernetes/manifests/kube-scheduler.yaml"]),
            ("etcd-manifest", &["/etc/kubernetes/manifests/etcd.yaml"]),
            ("cni-config", &["/etc/cni/net.d"]),
            ("etcd-data", &["/var/lib/etcd"]),
            ("admin-kubeconfig", &["/etc/kubernetes/admin.conf", "/etc/kubernetes/super-admin.conf"]),
            ("scheduler-kubeconfig", &["/etc/kubernetes/scheduler.conf"]),
            ("controller-manager-kubeconfig", &["/etc/kubernetes/controller-manager.conf"]),
            ("pki", &["/etc/kubernetes/pki"]),
            ("kubelet-kubeconfig", &["/etc/kubernetes/kubelet.conf"]),
            ("kubelet-config", &["/var/lib/kubelet/config.yaml"]),
            ("client-ca", &["/etc/kubernetes/pki/ca.crt"]),
        ],
        units: &["kubelet.service"],
        inside: None,
    },
];

impl Layout {
    /// The paths of a role; empty where the distribution has no such file.
    pub(super) fn paths(&self, role: &str) -> &'static [&'static str] {
        self.files.iter().find(|(name, _)| *name == role).map_or(&[], |(_, paths)| *paths)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_name_known_roles_once_and_absolute_paths() {
        for layout in LAYOUTS {
            let roles: Vec<&str> = layout.files.iter().map(|(role, _)| *role).collect();
            let unique: std::collections::BTreeSet<&&str> = roles.iter().collect();
            assert_eq!(unique.len(), roles.len(), "{}", layout.name);
            assert!(roles.iter().all(|role| ROLES.contains(role) && !role.starts_with("pki-")), "{}", layout.name);
            let files = layout.files.iter().flat_map(|(_, paths)| paths.iter());
            let all = files.chain(layout.marks).chain(layout.control_plane);
            assert!(all.copied().all(|path| path.starts_with('/')), "{}", layout.name);
        }
        assert!(LAYOUTS.last().is_some_and(|layout| layout.marks.is_empty()), "one layout fits every node");
    }
}

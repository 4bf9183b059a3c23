//! A node's file tree, built in a folder and read as a whole.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use chrono::{TimeZone, Utc};
use tempfile::TempDir;

use super::*;

const APISERVER: &str = "
apiVersion: v1
kind: Pod
metadata: {name: kube-apiserver, namespace: kube-system}
spec:
  containers:
    - name: kube-apiserver
      command:
        - kube-apiserver
        - --encryption-provider-config=/etc/kubernetes/enc/config.yaml
        - --audit-policy-file=/etc/kubernetes/audit-policy.yaml
        - --admission-control-config-file=/admission/admission.yaml
        - --authentication-config=/inside/authentication.yaml
        - --authorization-config=/image/authorization.yaml
      volumeMounts:
        - {name: enc, mountPath: /etc/kubernetes/enc}
        - {name: audit, mountPath: /etc/kubernetes/audit-policy.yaml, subPath: policy.yaml}
        - {name: admission, mountPath: /admission/}
        - {name: inside, mountPath: /inside}
  volumes:
    - {name: enc, hostPath: {path: /etc/kubernetes/encryption}}
    - {name: audit, hostPath: {path: /srv/audit}}
    - {name: admission, hostPath: {path: /etc/kubernetes/admission/}}
    - {name: inside, configMap: {name: authentication}}
";

const ETCD: &str = "
apiVersion: v1
kind: Pod
metadata: {name: etcd, namespace: kube-system}
spec:
  containers:
    - name: etcd
      command: [/bin/sh, -c, 'exec etcd --data-dir=/var/lib/etcd --config-file=/etc/etcd/missing.yaml']
      volumeMounts: [{name: data, mountPath: /var/lib/etcd}, {name: config, mountPath: /etc/etcd}]
  volumes: [{name: data, hostPath: {path: /srv/etcd}}, {name: config, hostPath: {path: /etc/etcd}}]
";

const ENCRYPTION: &str = "
kind: EncryptionConfiguration
resources:
  - resources: [secrets]
    providers: [{aescbc: {keys: [{name: k1, secret: cGxhbnRlZC1lbmNyeXB0aW9uLWtleQ==}]}}, {identity: {}}]
";

const DROP_IN: &str = "
[Service]
Environment=\"KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf\"
Environment=\"KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml\"
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
EnvironmentFile=-/etc/default/kubelet
ExecStart=
ExecStart=/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
";

/// A control-plane node as kubeadm leaves it.
struct Host(TempDir);

impl Host {
    fn new() -> Self {
        let host = Self(TempDir::new().unwrap());
        let manifests = "/etc/kubernetes/manifests";
        host.write(&format!("{manifests}/kube-apiserver.yaml"), APISERVER, 0o600);
        host.write(&format!("{manifests}/etcd.yaml"), ETCD, 0o640);
        host.write(&format!("{manifests}/.kube-scheduler.yaml.swp"), "spec: [", 0o600);
        host.write("/etc/kubernetes/encryption/config.yaml", ENCRYPTION, 0o600);
        host.write("/srv/audit/policy.yaml", "kind: Policy\nrules: [{level: Metadata}]\n", 0o644);
        let admission = "plugins: [{name: PodSecurity, path: pod-security.yaml}, {name: X, path: gone.yaml}]\n";
        host.write("/etc/kubernetes/admission/admission.yaml", admission, 0o644);
        host.write("/etc/kubernetes/admission/pod-security.yaml", "defaults: {enforce: baseline}\n", 0o644);
        host.write("/etc/kubernetes/admin.conf", "users: [{user: {token: planted-token-1}}]\n", 0o600);
        host.write("/etc/kubernetes/kubelet.conf", "kind: Config\n", 0o644);
        host.write("/etc/kubernetes/pki/ca.key", "-----BEGIN PRIVATE KEY-----\nplanted\n", 0o600);
        host.write("/etc/kubernetes/pki/etcd/server.key", "planted", 0o640);
        host.write("/usr/lib/systemd/system/kubelet.service", "[Service]\nExecStart=/usr/bin/kubelet\n", 0o644);
        host.write("/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf", DROP_IN, 0o644);
        host.write("/etc/default/kubelet", "# more\nKUBELET_EXTRA_ARGS=\"--node-token=planted-token-2 -v=2\"\n", 0o644);
        host.write("/var/lib/kubelet/kubeadm-flags.env", "KUBELET_KUBEADM_ARGS=\"--hostname-override=CP-1\"\n", 0o644);
        let config = "authentication: {x509: {clientCAFile: /etc/kubernetes/pki/ca.crt}}\nreadOnlyPort: 0\n";
        host.write("/var/lib/kubelet/config.yaml", config, 0o600);
        host.write("/etc/cni/net.d/10-calico.conflist", "{}", 0o600);
        host.write("/srv/etcd/member/wal", "planted", 0o600);
        host.write("/etc/passwd", "root:x:0:0::/:/bin/sh\netcd:x:993:993::/:\n", 0o644);
        host.mode("/srv/etcd", 0o700);
        host
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path.trim_start_matches('/'))
    }

    fn write(&self, path: &str, text: &str, mode: u32) {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        fs::write(self.path(path), text).unwrap();
        self.mode(path, mode);
    }

    fn mode(&self, path: &str, mode: u32) {
        fs::set_permissions(self.path(path), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn read(&self) -> Value {
        let now = Utc.with_ymd_and_hms(2026, 11, 23, 6, 0, 0).unwrap();
        let options = Options { host_root: self.0.path().to_owned(), name: None, proc: None, now };
        read(&options).unwrap().object()["spec"].take()
    }
}

fn at<'a>(report: &'a Value, pointer: &str) -> &'a Value {
    report.pointer(pointer).unwrap_or_else(|| panic!("nothing at {pointer}: {report:#}"))
}

fn reason(report: &Value, pointer: &str) -> String {
    let value = at(report, pointer);
    value["$unknown"].as_str().unwrap_or_else(|| panic!("{pointer} is known: {value}")).to_owned()
}

#[test]
fn a_control_plane_node_of_kubeadm() {
    let report = Host::new().read();
    assert_eq!(at(&report, "/name"), "cp-1", "the kubelet's own name, in lower case");
    assert_eq!(at(&report, "/controlPlane"), true);
    assert_eq!(at(&report, "/readAt"), "2026-11-23T06:00:00Z");
    assert!(at(&report, "/bootId").is_string());
    let files = at(&report, "/files");
    assert_eq!(at(files, "/apiserver-manifest/0/mode"), "0600");
    assert_eq!(at(files, "/etcd-manifest/0/mode"), "0640");
    assert_eq!(at(files, "/scheduler-manifest"), &json!([]), "there is none");
    let data = at(files, "/etcd-data/0");
    assert_eq!(
        (&data["name"], &data["mode"], &data["type"]),
        (&json!("/srv/etcd"), &json!("0700"), &json!("directory"))
    );
    let names = |role: &str| -> Vec<&str> {
        files[role].as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap()).collect()
    };
    assert_eq!(names("pki-private"), ["/etc/kubernetes/pki/ca.key", "/etc/kubernetes/pki/etcd/server.key"]);
    assert!(names("pki").contains(&"/etc/kubernetes/pki") && names("pki").contains(&"/etc/kubernetes/pki/etcd"));
    assert_eq!(names("kubelet-unit").len(), 2);
    assert_eq!(names("kubelet-kubeconfig"), ["/etc/kubernetes/kubelet.conf"]);
    assert_eq!(names("cni-config"), ["/etc/cni/net.d/10-calico.conflist"]);
    assert_eq!(at(&report, "/kubelet/flags/config"), "/var/lib/kubelet/config.yaml");
    assert_eq!(at(&report, "/kubelet/flags/v"), "2");
    assert_eq!(at(&report, "/kubelet/config/readOnlyPort"), 0);
}

#[test]
fn files_of_flags_are_found_behind_the_pods_volumes() {
    let report = Host::new().read();
    let files = at(&report, "/configFiles");
    assert_eq!(
        at(files, "/encryption/resources/0/providers/0/aescbc/keys/0"),
        &json!({"name": "k1", "secret": "masked"})
    );
    assert_eq!(at(files, "/audit/rules/0/level"), "Metadata");
    assert_eq!(at(files, "/admission/plugins/0/configuration/defaults/enforce"), "baseline");
    assert!(reason(files, "/admission/plugins/1/configuration").contains("gone.yaml"));
    assert!(reason(files, "/authentication").contains("volume inside"));
    assert!(reason(files, "/authorization").contains("no volume"));
    assert!(reason(files, "/etcd").contains("named by a flag and not there"));
    assert_eq!(files.get("scheduler"), None, "no flag names it");
}

#[test]
fn no_planted_secret_leaves_the_node() {
    let text = Host::new().read().to_string();
    for planted in ["planted", "cGxhbnRlZC"] {
        assert!(!text.contains(planted), "{planted}: {text}");
    }
    assert!(text.contains("redacted:v1:-:token:-"), "the flag with a token says so");
}

#[test]
fn what_cannot_be_read_is_unknown_with_the_reason() {
    let host = Host::new();
    host.write("/etc/kubernetes/manifests/kube-scheduler.yaml", "spec: {containers: [", 0o600);
    host.write(
        "/etc/kubernetes/pki/broken.crt",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        0o644,
    );
    host.write("/var/lib/kubelet/config.yaml", &"a".repeat(600 << 10), 0o600);
    fs::remove_file(host.path("/etc/default/kubelet")).unwrap();
    std::os::unix::fs::symlink("kubelet", host.path("/etc/default/kubelet")).unwrap();
    let report = host.read_named();
    assert!(reason(&report, "/configFiles").contains("kube-scheduler.yaml: is no YAML"));
    assert!(reason(&report, "/certificates/0/notAfter").contains("broken.crt"));
    assert!(reason(&report, "/kubelet/flags").contains("/etc/default/kubelet"));
    assert!(reason(&report, "/kubelet/config").contains("is larger than 512 KiB"));
    assert_eq!(at(&report, "/controlPlane"), true, "one broken manifest does not hide the others");
}

impl Host {
    fn read_named(&self) -> Value {
        let now = Utc.with_ymd_and_hms(2026, 11, 23, 6, 0, 0).unwrap();
        let options = Options { host_root: self.0.path().to_owned(), name: Some("cp-1".into()), proc: None, now };
        read(&options).unwrap().object()["spec"].take()
    }
}

#[test]
fn a_crafted_link_reads_nothing_of_the_container() {
    let host = Host::new();
    let outside = TempDir::new().unwrap();
    fs::write(outside.path().join("secret.yaml"), "kind: Policy\nplanted: outside\n").unwrap();
    fs::remove_file(host.path("/srv/audit/policy.yaml")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("secret.yaml"), host.path("/srv/audit/policy.yaml")).unwrap();
    std::os::unix::fs::symlink(outside.path(), host.path("/etc/kubernetes/pki/more")).unwrap();
    std::os::unix::fs::symlink("/etc/kubernetes/pki", host.path("/etc/kubernetes/pki/self")).unwrap();
    let report = host.read();
    assert!(reason(&report, "/configFiles/audit").contains("not there"));
    assert!(!report.to_string().contains("outside"));
    let pki = at(&report, "/files/pki").as_array().unwrap();
    assert!(pki.len() < 20, "a loop of links ends: {}", pki.len());
}

#[test]
fn a_wrong_mode_is_not_hidden_by_one_that_is_not_known() {
    let host = Host::new();
    host.write("/etc/kubernetes/pki/wide.crt", "", 0o666);
    std::os::unix::fs::symlink("loop.crt", host.path("/etc/kubernetes/pki/loop.crt")).unwrap();
    let report = host.read();
    let entries = at(&report, "/files/pki-certificate").as_array().unwrap();
    let of = |name: &str| entries.iter().find(|e| e["name"] == format!("/etc/kubernetes/pki/{name}")).unwrap();
    assert_eq!(of("wide.crt")["mode"], "0666");
    assert!(reason(of("loop.crt"), "/mode").contains("symbolic links"));
    assert!(reason(of("loop.crt"), "/owner").contains("symbolic links"));
}

#[test]
fn a_node_without_a_name_or_a_root_is_an_error() {
    let empty = TempDir::new().unwrap();
    let options =
        |root: &Path| Options { host_root: root.to_owned(), name: None, proc: None, now: chrono::DateTime::UNIX_EPOCH };
    assert!(matches!(read(&options(empty.path())), Err(ReadError::NoName)));
    let missing = read(&options(&empty.path().join("no"))).unwrap_err().to_string();
    assert!(missing.contains("mount the node's root there"), "{missing}");
}

#[test]
fn a_worker_of_k3s_says_what_no_file_holds() {
    let host = Host(TempDir::new().unwrap());
    host.write("/var/lib/rancher/k3s/agent/client-ca.crt", "", 0o644);
    host.write(
        "/var/lib/rancher/k3s/agent/etc/kubelet.conf.d/00-k3s-defaults.conf",
        "kind: KubeletConfiguration\nmaxPods: 10\n",
        0o600,
    );
    host.write("/var/lib/rancher/k3s/agent/etc/kubelet.conf.d/10-own.conf", "maxPods: 20\n", 0o600);
    host.write("/etc/hostname", "Worker-1\n", 0o644);
    let report = host.read();
    assert_eq!((at(&report, "/layout"), at(&report, "/name")), (&json!("k3s"), &json!("worker-1")));
    assert_eq!(at(&report, "/controlPlane"), false);
    assert!(reason(&report, "/kubelet/flags").contains("k3s runs the kubelet"));
    assert_eq!(at(&report, "/kubelet/config/maxPods"), 20);
    assert_eq!(at(&report, "/files/apiserver-manifest"), &json!([]));
    let ca = at(&report, "/files/client-ca/0");
    assert!(ca["uid"] != 0 || ca["owner"] == "root", "root needs no /etc/passwd: {ca}");
    assert_eq!(at(&report, "/configFiles"), &json!({}));
    host.write("/var/lib/rancher/k3s/server/tls/client-ca.key", "planted", 0o600);
    assert!(reason(&host.read(), "/configFiles").contains("no static pod"));
}

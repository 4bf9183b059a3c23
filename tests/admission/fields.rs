//! The fields that Pod Security Standards read, each with the values that make a difference.

use serde_json::{Value, json};

use super::pods::{CONTAINERS, Edit, Target};

const PROFILES: &[&str] = &["RuntimeDefault", "Localhost", "Unconfined"];

/// Values for the fields that pods and containers share, below `securityContext`.
fn shared_values() -> Vec<(&'static str, Vec<Value>)> {
    let profiles = || {
        let typed = PROFILES.iter().map(|profile| match *profile {
            "Localhost" => json!({"type": profile, "localhostProfile": "profiles/web.json"}),
            _ => json!({"type": profile}),
        });
        typed.chain([Value::Null]).collect::<Vec<_>>()
    };
    let types =
        ["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t", "spc_t", "Container_t"];
    let mut options: Vec<Value> = types.iter().map(|name| json!({"type": name})).collect();
    options.extend([
        json!({}),
        json!({"level": "s0:c123,c456"}),
        json!({"user": ""}),
        json!({"user": "system_u"}),
        json!({"role": "", "type": null}),
        json!({"role": "system_r", "type": "container_t"}),
        Value::Null,
    ]);
    vec![
        ("securityContext", vec![json!({}), Value::Null]),
        ("securityContext.seccompProfile", profiles()),
        ("securityContext.appArmorProfile", profiles()),
        ("securityContext.seLinuxOptions", options),
        ("securityContext.runAsNonRoot", vec![true.into(), false.into(), Value::Null]),
        ("securityContext.runAsUser", vec![0.into(), 1.into(), 65_534.into(), Value::Null]),
        ("securityContext.runAsGroup", vec![0.into()]),
        (
            "securityContext.windowsOptions",
            vec![
                json!({"hostProcess": true}),
                json!({"hostProcess": false}),
                json!({"hostProcess": null}),
                json!({"runAsUserName": "web"}),
                json!({}),
            ],
        ),
    ]
}

/// Edits of a pod and of its containers.
pub fn of_pod() -> Vec<Edit> {
    let mut values = shared_values();
    values.extend(
        ["hostNetwork", "hostPID", "hostIPC", "hostUsers"]
            .map(|field| (field, vec![true.into(), false.into(), Value::Null])),
    );
    values.push(("os", vec![json!({"name": "linux"}), json!({"name": "windows"}), Value::Null]));
    values.push(("securityContext.sysctls.-", sysctls()));
    values.push(("volumes.-", volumes()));
    values.push(("volumes", vec![Value::Null, json!([])]));
    values.push(("annotations", annotations()));
    let mut edits = edits(Target::Pod, values);
    // A pod has up to four containers: their edits are as likely as its own.
    edits.extend(CONTAINERS.iter().flat_map(|name| of_container(name)));
    edits
}

fn edits(target: Target, values: Vec<(&'static str, Vec<Value>)>) -> Vec<Edit> {
    values
        .into_iter()
        .flat_map(|(path, values)| values.into_iter().map(move |value| Edit { target, path, value }))
        .collect()
}

/// Edits of one container.
pub fn of_container(name: &'static str) -> Vec<Edit> {
    let mut values = shared_values();
    let capabilities = [
        "ALL",
        "all",
        "All",
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "net_bind_service",
        "CAP_NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
        "SYS_TIME",
        "SYS_ADMIN",
        "NET_RAW",
        "NET_ADMIN",
        "SYS_PTRACE",
        "chown",
        "CAP_CHOWN",
        "BPF",
        "",
    ];
    let capabilities = || capabilities.iter().map(|capability| json!(capability)).collect::<Vec<_>>();
    values.extend([
        ("securityContext.capabilities.add.-", capabilities()),
        ("securityContext.capabilities.drop.-", vec![json!("ALL"), json!("all"), json!("CAP_ALL"), json!("NET_RAW")]),
        (
            "securityContext.capabilities",
            vec![
                json!({}),
                json!({"drop": null}),
                json!({"drop": ["NET_RAW"]}),
                json!({"drop": ["all"]}),
                json!({"drop": ["NET_RAW", "ALL"], "add": []}),
                json!({"drop": ["ALL"], "add": ["NET_BIND_SERVICE", "CHOWN"]}),
                Value::Null,
            ],
        ),
        ("securityContext.privileged", vec![true.into(), false.into(), Value::Null]),
        ("securityContext.allowPrivilegeEscalation", vec![true.into(), false.into(), Value::Null]),
        ("securityContext.procMount", vec!["Default".into(), "Unmasked".into(), Value::Null]),
        ("ports.-", vec![json!({"hostPort": 0}), json!({"hostPort": 8080}), json!({"hostPort": null}), json!({})]),
        ("annotation", apparmor_annotations()),
    ]);
    for path in ["livenessProbe", "readinessProbe", "startupProbe", "lifecycle.postStart", "lifecycle.preStop"] {
        values.push((path, handlers()));
    }
    edits(Target::Container(name), values)
}

fn handlers() -> Vec<Value> {
    vec![
        json!({"httpGet": {"port": 80, "host": "169.254.169.254"}}),
        json!({"httpGet": {"port": 80, "host": "127.0.0.1"}}),
        json!({"httpGet": {"port": 80, "host": ""}}),
        json!({"httpGet": {"port": 80, "host": null}}),
        json!({"tcpSocket": {"port": 80, "host": "db.internal"}}),
        json!({"tcpSocket": {"port": 80}}),
        json!({"exec": {"command": ["true"]}}),
    ]
}

/// Of the container that the edit is for; an empty value and null are the same.
fn apparmor_annotations() -> Vec<Value> {
    ["runtime/default", "unconfined", "localhost/web", ""].iter().map(|value| json!(value)).collect()
}

/// Annotations of the pod, by key.
fn annotations() -> Vec<Value> {
    let pod = "seccomp.security.alpha.kubernetes.io/pod";
    let container = "container.seccomp.security.alpha.kubernetes.io";
    let profiles = ["unconfined", "runtime/default", "docker/default", "localhost/web", "RuntimeDefault", ""];
    let keys = [pod.into(), format!("{container}/a"), format!("{container}/i"), format!("{container}/nobody")];
    let each = keys.iter().flat_map(|key| profiles.iter().map(move |profile| json!({(key.as_str()): profile})));
    each.chain([json!({"example.com/x": null})]).collect()
}

fn sysctls() -> Vec<Value> {
    let names = [
        "kernel.shm_rmid_forced",
        "kernel/shm_rmid_forced",
        "kernel.msgmax",
        "kernel.panic",
        "fs.mqueue.msg_max",
        "net.core.somaxconn",
        "net.ipv4.ip_local_port_range",
        "net/ipv4/ip_local_port_range",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_wmem",
        "net.ipv4.tcp_slow_start_after_idle",
        "net.ipv4.tcp_notsent_lowat",
        "net.ipv4.tcp_mem",
    ];
    names.iter().map(|name| json!({"name": name, "value": "1"})).collect()
}

fn volumes() -> Vec<Value> {
    let template = json!({"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}});
    vec![
        json!({"configMap": {"name": "c"}}),
        json!({"csi": {"driver": "d.example.com"}}),
        json!({"downwardAPI": {"items": [{"path": "l", "fieldRef": {"fieldPath": "metadata.labels"}}]}}),
        json!({"emptyDir": {}}),
        json!({"emptyDir": {"medium": "Memory"}}),
        json!({"emptyDir": null}),
        json!({}),
        json!({"configMap": null, "hostPath": {"path": "/"}}),
        json!({"hostPath": null, "emptyDir": {}}),
        json!({"ephemeral": {"volumeClaimTemplate": template}}),
        json!({"image": {"reference": "registry.invalid/data:1"}}),
        json!({"persistentVolumeClaim": {"claimName": "p"}}),
        json!({"projected": {"sources": [{"configMap": {"name": "c"}}]}}),
        json!({"secret": {"secretName": "s"}}),
        json!({"hostPath": {"path": "/var/log"}}),
        json!({"hostPath": {"path": "/var/run/docker.sock", "type": "Socket"}}),
        json!({"gcePersistentDisk": {"pdName": "d"}}),
        json!({"awsElasticBlockStore": {"volumeID": "v"}}),
        json!({"gitRepo": {"repository": "https://example.com/r.git"}}),
        json!({"nfs": {"server": "n", "path": "/"}}),
        json!({"iscsi": {"targetPortal": "1.2.3.4:3260", "iqn": "iqn.2001-04.com.example:s", "lun": 0}}),
        json!({"glusterfs": {"endpoints": "e", "path": "p"}}),
        json!({"rbd": {"monitors": ["m"], "image": "i"}}),
        json!({"flexVolume": {"driver": "example.com/d"}}),
        json!({"cinder": {"volumeID": "v"}}),
        json!({"cephfs": {"monitors": ["m"]}}),
        json!({"flocker": {"datasetName": "d"}}),
        json!({"fc": {"targetWWNs": ["w"], "lun": 1}}),
        json!({"azureFile": {"secretName": "s", "shareName": "n"}}),
        json!({"vsphereVolume": {"volumePath": "p"}}),
        json!({"quobyte": {"registry": "r:1", "volume": "v"}}),
        json!({"azureDisk": {"diskName": "d", "diskURI": "https://example.com/d.vhd"}}),
        json!({"photonPersistentDisk": {"pdID": "p"}}),
        json!({"portworxVolume": {"volumeID": "v"}}),
        json!({"scaleIO": {"gateway": "https://g", "system": "s", "secretRef": {"name": "s"}, "volumeName": "v"}}),
        json!({"storageos": {"volumeName": "v"}}),
    ]
}

//! Pods that differ in every field that Pod Security Standards read, most of them valid.

use proptest::{prelude::*, sample::select};
use serde_json::{Map, Value, json};

/// A pod to ask both sides about.
#[derive(Debug, Clone)]
pub struct Case {
    /// The manifest, without a name.
    pub pod: Value,
    /// Asked as an update of the compliant pod's ephemeral containers, which a new pod may not have.
    pub ephemeral: bool,
}

/// Where an edit lands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Pod,
    Container(&'static str),
}

#[derive(Debug, Clone)]
struct Edit {
    target: Target,
    path: &'static str,
    value: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Base {
    /// Admitted by every version of the restricted level.
    Compliant,
    /// Nothing is set.
    Plain,
    Windows,
    /// Compliant, with users of its own.
    OwnUsers,
}

const CONTAINERS: [&str; 4] = ["a", "b", "i", "s"];
const PROFILES: &[&str] = &["RuntimeDefault", "Localhost", "Unconfined"];

/// Any pod.
pub fn case() -> impl Strategy<Value = Case> {
    let base = select(vec![
        Base::Compliant,
        Base::Compliant,
        Base::Compliant,
        Base::Compliant,
        Base::OwnUsers,
        Base::Plain,
        Base::Windows,
    ]);
    let edits = prop::collection::vec(select(pod_edits()), 0..5);
    let ordinary = (base, 0_usize..4, edits).prop_map(|(base, more, edits)| {
        let mut pod = pod(base, &CONTAINERS[..=more]);
        edits.iter().for_each(|edit| apply(&mut pod, edit));
        settle(&mut pod, base);
        Case { pod, ephemeral: false }
    });
    let ephemeral = prop::collection::vec(select(container_edits("e")), 0..4).prop_map(|edits| {
        let mut pod = compliant();
        pod["spec"]["ephemeralContainers"] = json!([container("e", Base::Compliant)]);
        edits.iter().for_each(|edit| apply(&mut pod, edit));
        settle(&mut pod, Base::Compliant);
        Case { pod, ephemeral: true }
    });
    prop_oneof![9 => ordinary, 1 => ephemeral]
}

/// The pod whose ephemeral containers are updated.
pub fn compliant() -> Value {
    pod(Base::Compliant, &CONTAINERS[..1])
}

fn pod(base: Base, containers: &[&str]) -> Value {
    let of = |names: &[&str]| -> Vec<Value> {
        containers.iter().filter(|name| names.contains(name)).map(|name| container(name, base)).collect()
    };
    let mut spec = json!({"schedulerName": "nobody", "containers": of(&["a", "b"]), "initContainers": of(&["i", "s"])});
    if spec["initContainers"] == json!([]) {
        remove(Some(&mut spec), &["initContainers"]);
    }
    match base {
        Base::Compliant | Base::OwnUsers => {
            spec["securityContext"] = json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}});
        }
        Base::Windows => {
            spec["os"] = json!({"name": "windows"});
            spec["securityContext"] = json!({"runAsNonRoot": true});
        }
        Base::Plain => {}
    }
    if base == Base::OwnUsers {
        spec["hostUsers"] = false.into();
    }
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"annotations": {}}, "spec": spec})
}

fn container(name: &str, base: Base) -> Value {
    let mut container = json!({"name": name, "image": "registry.invalid/app:1"});
    if matches!(base, Base::Compliant | Base::OwnUsers) {
        container["securityContext"] = json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
    }
    container
}

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

fn pod_edits() -> Vec<Edit> {
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
    edits.extend(CONTAINERS.iter().flat_map(|name| container_edits(name)));
    edits
}

fn edits(target: Target, values: Vec<(&'static str, Vec<Value>)>) -> Vec<Edit> {
    values
        .into_iter()
        .flat_map(|(path, values)| values.into_iter().map(move |value| Edit { target, path, value }))
        .collect()
}

fn container_edits(name: &'static str) -> Vec<Edit> {
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

fn apply(pod: &mut Value, edit: &Edit) {
    let value = edit.value.clone();
    match (edit.target, edit.path) {
        (Target::Container(name), "annotation") => {
            let key = format!("container.apparmor.security.beta.kubernetes.io/{name}");
            if has_container(pod, name) {
                pod["metadata"]["annotations"][key] = value;
            }
        }
        (Target::Pod, "annotations") => {
            let annotations = pod["metadata"]["annotations"].as_object_mut().expect("a map");
            annotations.extend(value.as_object().expect("a map").clone());
        }
        (Target::Pod, path) => set(&mut pod["spec"], path, value),
        (Target::Container(name), path) => {
            for container in containers(&mut pod["spec"]).filter(|container| container["name"] == name) {
                set(container, path, value.clone());
            }
        }
    }
}

fn has_container(pod: &Value, name: &str) -> bool {
    ["containers", "initContainers"]
        .iter()
        .any(|list| pod["spec"][list].as_array().is_some_and(|items| items.iter().any(|item| item["name"] == name)))
}

/// The items of a list below `map`, which stays as it is where there is none.
fn items<'a>(map: &'a mut Value, list: &str) -> impl Iterator<Item = &'a mut Value> + use<'a> {
    map.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten()
}

/// Sets the value at a dotted path; a last `-` appends.
fn set(at: &mut Value, path: &str, value: Value) {
    let Some((head, rest)) = path.split_once('.') else {
        if path == "-" {
            let mut list = at.as_array().cloned().unwrap_or_default();
            list.push(value);
            *at = list.into();
        } else {
            at[path] = value;
        }
        return;
    };
    set(&mut at[head], rest, value);
}

/// Brings fields that validation ties together into agreement, so that few pods are refused for being no pods.
fn settle(pod: &mut Value, base: Base) {
    let spec = &mut pod["spec"];
    name_volumes(spec);
    host_process(spec);
    let windows = base == Base::Windows || spec["os"]["name"] == "windows";
    number_ports(spec, spec["hostNetwork"] == true);
    let unmasked = containers(spec).any(|container| container["securityContext"]["procMount"] == "Unmasked");
    let shares = ["hostNetwork", "hostPID", "hostIPC"].iter().any(|field| spec[field] == true);
    if unmasked && !shares {
        spec["hostUsers"] = false.into();
    }
    if shares && spec["hostUsers"] == false {
        spec["hostUsers"] = true.into();
    }
    for container in items(spec, "initContainers") {
        if ["livenessProbe", "readinessProbe", "startupProbe", "lifecycle"].iter().any(|f| container.get(f).is_some()) {
            container["restartPolicy"] = "Always".into();
        }
    }
    for container in items(spec, "ephemeralContainers") {
        remove(Some(container), &["livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "ports"]);
    }
    containers(spec).for_each(container_agrees);
    if windows {
        linux_fields(spec);
    } else if spec["os"]["name"] == "linux" {
        remove(spec.get_mut("securityContext"), &["windowsOptions"]);
        containers(spec).for_each(|container| remove(container.get_mut("securityContext"), &["windowsOptions"]));
    }
    annotations_agree(pod);
}

fn containers(spec: &mut Value) -> impl Iterator<Item = &mut Value> {
    let spec = spec.as_object_mut().expect("a spec");
    let lists = ["containers", "initContainers", "ephemeralContainers"];
    spec.iter_mut()
        .filter(move |(key, _)| lists.contains(&key.as_str()))
        .flat_map(|(_, list)| list.as_array_mut().into_iter().flatten())
}

fn remove(map: Option<&mut Value>, fields: &[&str]) {
    if let Some(map) = map.and_then(Value::as_object_mut) {
        map.retain(|field, _| !fields.contains(&field.as_str()));
    }
}

fn context(of: &mut Value) -> Option<&mut Map<String, Value>> {
    of.get_mut("securityContext").and_then(Value::as_object_mut)
}

fn name_volumes(spec: &mut Value) {
    for (at, volume) in items(spec, "volumes").enumerate() {
        volume["name"] = format!("v{at}").into();
    }
    let mut seen = Vec::new();
    if let Some(sysctls) = spec.pointer_mut("/securityContext/sysctls").and_then(Value::as_array_mut) {
        sysctls.retain(|sysctl| {
            let name = sysctl["name"].as_str().unwrap_or_default().replace('/', ".");
            let new = !seen.contains(&name);
            seen.push(name);
            new
        });
    }
}

/// A host process pod is one as a whole, on the node's network.
fn host_process(spec: &mut Value) {
    let is = |context: &Value| context["windowsOptions"]["hostProcess"] == true;
    let pod = is(&spec["securityContext"]);
    if !pod && !containers(spec).any(|container| is(&container["securityContext"])) {
        return;
    }
    spec["hostNetwork"] = true.into();
    for container in containers(spec) {
        if !pod || container["securityContext"]["windowsOptions"]["hostProcess"] == false {
            set(container, "securityContext.windowsOptions.hostProcess", true.into());
        }
    }
}

/// Every port has a number of its own; on the node's network the node's port is the container's.
fn number_ports(spec: &mut Value, host_network: bool) {
    let mut next = 8000;
    for container in containers(spec) {
        for port in items(container, "ports") {
            next += 1;
            port["containerPort"] = next.into();
            if port["hostPort"].as_u64().is_some_and(|number| number > 0) {
                port["hostPort"] = if host_network { next.into() } else { (next + 1000).into() };
            }
        }
    }
}

fn container_agrees(container: &mut Value) {
    let Some(context) = context(container) else { return };
    let is = |field: &str, value: bool| context.get(field) == Some(&value.into());
    if is("privileged", true) && is("allowPrivilegeEscalation", false) {
        context.remove("allowPrivilegeEscalation");
    }
}

/// Windows pods may not have these.
fn linux_fields(spec: &mut Value) {
    let both = ["appArmorProfile", "seLinuxOptions", "seccompProfile", "runAsUser", "runAsGroup", "sysctls"];
    remove(Some(spec), &["hostPID", "hostIPC", "hostUsers"]);
    remove(spec.get_mut("securityContext"), &both);
    for container in containers(spec) {
        remove(container.get_mut("securityContext"), &both);
        let own = ["capabilities", "privileged", "allowPrivilegeEscalation", "procMount"];
        remove(container.get_mut("securityContext"), &own);
    }
}

/// An annotation stands for a field: where both are there, they must say the same.
fn annotations_agree(pod: &mut Value) {
    let prefix = "container.apparmor.security.beta.kubernetes.io/";
    let annotations = pod["metadata"]["annotations"].as_object().expect("a map");
    let names: Vec<String> = annotations.keys().filter_map(|key| key.strip_prefix(prefix)).map(Into::into).collect();
    let annotated = |container: &Value| names.iter().any(|name| container["name"] == name.as_str());
    let fields: Vec<&mut Map<String, Value>> =
        containers(&mut pod["spec"]).filter(|container| annotated(container)).filter_map(context).collect();
    fields.into_iter().for_each(|context| {
        context.remove("appArmorProfile");
    });
}

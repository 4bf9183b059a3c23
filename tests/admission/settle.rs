//! Fields that validation ties together.

use serde_json::{Map, Value};

use super::pods::Base;

/// Brings fields that validation ties together into agreement, so that few pods are refused for being no pods.
pub fn settle(pod: &mut Value, base: Base) {
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

/// Containers of every list.
pub fn containers(spec: &mut Value) -> impl Iterator<Item = &mut Value> {
    let spec = spec.as_object_mut().expect("a spec");
    let lists = ["containers", "initContainers", "ephemeralContainers"];
    spec.iter_mut()
        .filter(move |(key, _)| lists.contains(&key.as_str()))
        .flat_map(|(_, list)| list.as_array_mut().into_iter().flatten())
}

/// Removes fields, where there is a map.
pub fn remove(map: Option<&mut Value>, fields: &[&str]) {
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

/// The items of a list below `map`, which stays as it is where there is none.
pub fn items<'a>(map: &'a mut Value, list: &str) -> impl Iterator<Item = &'a mut Value> + use<'a> {
    map.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten()
}

/// Sets the value at a dotted path; a last `-` appends.
pub fn set(at: &mut Value, path: &str, value: Value) {
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

//! The mix of manifests that figures are taken on: 60 % Deployments with one or two containers, 12 % Services,
//! 16 % Roles and RoleBindings, 6 % NetworkPolicies, 6 % ConfigMaps; 211 namespaces, 100 objects a file.

use std::{fmt::Write as _, fs, io, path::Path};

const NAMESPACES: usize = 211;
const OBJECTS_A_FILE: usize = 100;

/// Writes `objects` manifests below `dir` and returns their size in bytes.
pub fn write(dir: &Path, objects: usize) -> io::Result<u64> {
    fs::create_dir_all(dir)?;
    let mut size = 0;
    for first in (0..objects).step_by(OBJECTS_A_FILE) {
        let mut text = String::new();
        for i in first..objects.min(first + OBJECTS_A_FILE) {
            text.push_str("---\n");
            text.push_str(&object(i));
        }
        size += text.len() as u64;
        fs::write(dir.join(format!("part-{:05}.yaml", first / OBJECTS_A_FILE)), text)?;
    }
    Ok(size)
}

/// The manifest of object `i`: the same for every run.
pub fn object(i: usize) -> String {
    let namespace = format!("team-{:03}", i % NAMESPACES);
    match i % 50 {
        0..30 => deployment(i, &namespace),
        30..36 => service(i, &namespace),
        36..40 => role(i, &namespace),
        40..44 => role_binding(i - 4, &namespace),
        44..47 => network_policy(i, &namespace),
        _ => config_map(i, &namespace),
    }
}

fn deployment(i: usize, namespace: &str) -> String {
    let mut text = format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: app-{i}\n  namespace: {namespace}\n  labels:\n    \
         app.kubernetes.io/name: app-{i}\nspec:\n  replicas: {}\n  selector:\n    \
         matchLabels:\n      app.kubernetes.io/name: app-{i}\n  template:\n    metadata:\n      labels:\n        \
         app.kubernetes.io/name: app-{i}\n    spec:\n      serviceAccountName: app-{i}\n      securityContext:\n        \
         runAsNonRoot: {}\n        seccompProfile:\n          type: RuntimeDefault\n      containers:\n",
        1 + i % 4,
        !i.is_multiple_of(5),
    );
    let env = match i % 4 {
        0 => format!(
            "        env:\n        - name: DB_PASSWORD\n          valueFrom:\n            secretKeyRef:\n              name: db-{i}\n              \
             key: password\n"
        ),
        _ => "        env:\n        - name: LOG_LEVEL\n          value: info\n".into(),
    };
    for container in 0..=(i % 2) {
        let _ = write!(
            text,
            "      - name: c{container}\n        image: registry.example.org/team/app-{i}:{}.{}\n        ports:\n        - \
             containerPort: {}\n{env}        resources:\n          \
             limits:\n            memory: 256Mi\n        \
             securityContext:\n          allowPrivilegeEscalation: {}\n          readOnlyRootFilesystem: true\n          \
             capabilities:\n            drop:\n            - ALL\n",
            i % 9,
            i % 13,
            8080 + container,
            i.is_multiple_of(7),
        );
    }
    text
}

fn service(i: usize, namespace: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: svc-{i}\n  namespace: {namespace}\n  labels:\n    app.kubernetes.io/name: \
         app-{i}\nspec:\n  type: {}\n  selector:\n    app.kubernetes.io/name: app-{i}\n  ports:\n  - name: http\n    port: 80\n    \
         targetPort: 8080\n    protocol: TCP\n",
        if i.is_multiple_of(40) { "LoadBalancer" } else { "ClusterIP" },
    )
}

fn role(i: usize, namespace: &str) -> String {
    format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata:\n  name: role-{i}\n  namespace: {namespace}\nrules:\n- apiGroups:\n  \
         - \"\"\n  resources:\n  - {}\n  - configmaps\n  verbs:\n  - get\n  - list\n  - watch\n- apiGroups:\n  - apps\n  resources:\n  - \
         deployments\n  verbs:\n  - get\n  - patch\n",
        if i.is_multiple_of(11) { "secrets" } else { "services" },
    )
}

fn role_binding(i: usize, namespace: &str) -> String {
    format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata:\n  name: bind-{i}\n  namespace: {namespace}\nroleRef:\n  \
         apiGroup: rbac.authorization.k8s.io\n  kind: Role\n  name: role-{i}\nsubjects:\n- kind: ServiceAccount\n  name: app-{i}\n  \
         namespace: {namespace}\n- kind: Group\n  apiGroup: rbac.authorization.k8s.io\n  name: team-{}\n",
        i % 23,
    )
}

fn network_policy(i: usize, namespace: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: allow-{i}\n  namespace: {namespace}\nspec:\n  \
         podSelector:\n    matchLabels:\n      app.kubernetes.io/name: app-{i}\n  policyTypes:\n  - Ingress\n  - Egress\n  ingress:\n  - \
         from:\n    - namespaceSelector:\n        matchLabels:\n          kubernetes.io/metadata.name: team-{:03}\n    ports:\n    - port: \
         8080\n      protocol: TCP\n  egress:\n  - ports:\n    - port: 53\n      protocol: UDP\n",
        (i + 1) % NAMESPACES,
    )
}

fn config_map(i: usize, namespace: &str) -> String {
    let mut text =
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: cm-{i}\n  namespace: {namespace}\ndata:\n");
    for key in 0..6 {
        let _ = writeln!(text, "  setting-{key}: value-{}-of-a-setting-that-is-about-this-long", i * 31 + key);
    }
    text
}
